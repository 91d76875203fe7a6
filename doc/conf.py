"""Sphinx settings. `make docs` builds into build/doc."""

from nova_virt_api.version import API_VERSION, __version__

project = "nova-virt-api"
author = "The nova-virt-api contributors"
copyright = author
release = __version__
version = ".".join(map(str, API_VERSION))

extensions = [
    "myst_parser",
    "nova_virt_conformance.matrix.sphinx_extension",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx.ext.viewcode",
]
matrix_reports = "matrix/reports"
myst_enable_extensions = ["colon_fence", "deflist", "fieldlist"]
myst_heading_anchors = 3

suppress_warnings = ["ref.python"]  # Compute and the contract each have an Operation

autodoc_class_signature = "separated"
autodoc_default_options = {"members": True, "show-inheritance": True}
autodoc_member_order = "bysource"
autodoc_typehints = "description"
autodoc_typehints_description_target = "documented"

html_theme = "furo"
html_title = f"nova-virt-api {release}"
