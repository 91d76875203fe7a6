"""Spec files: a guest's spec in YAML, read into an ``InstanceSpec``, and the JSON Schema that describes them."""

from nova_virt_api.specfile.document import Document, read_document
from nova_virt_api.specfile.reader import read_spec, spec_of

__all__ = ["Document", "read_document", "read_spec", "spec_of"]
