"""What `import nova_virt_api` costs and offers."""

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest

import nova_virt_api

HEAVY = {
    "cliff", "hypothesis", "libvirt", "lxml", "msgspec", "oslo_config", "oslo_log", "oslo_utils", "pycdlib", "requests",
    "stevedore", "tenacity", "yaml",
}  # fmt: skip


def modules_after(code: str) -> set[str]:
    """The modules that a fresh process has loaded by running the code, beyond those of a bare one."""
    result = "import json\nprint(json.dumps(sorted(set(sys.modules) - before - {'json'})))"
    script = f"import sys\nbefore = set(sys.modules)\n{code}\n{result}"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60)
    return set(json.loads(done.stdout))


def test_import_loads_nothing_heavy_and_no_driver() -> None:
    loaded = modules_after("import nova_virt_api")
    assert not {name.partition(".")[0] for name in loaded} & HEAVY
    ours = {name for name in loaded if name.startswith(("nova_virt_api", "nova_virt_libvirt"))}
    assert ours == {"nova_virt_api", "nova_virt_api.version"}


def test_the_model_loads_nothing_heavy_and_no_driver() -> None:
    loaded = modules_after(
        "import nova_virt_api\nnova_virt_api.InstanceSpec, nova_virt_api.VirtError, nova_virt_api.GiB"
    )
    assert not {name.partition(".")[0] for name in loaded} & HEAVY
    assert not [name for name in loaded if name.startswith(("nova_virt_libvirt", "nova_virt_api.fake"))]


def test_connecting_to_one_driver_loads_no_other() -> None:
    loaded = modules_after('import nova_virt_api\nnova_virt_api.connect("fake").close()')
    assert "nova_virt_api.fake" in loaded
    assert not [name for name in loaded if name.startswith("nova_virt_libvirt")]
    assert not {name.partition(".")[0] for name in loaded} & {"cliff", "libvirt", "requests"}


@pytest.mark.parametrize("name", [*nova_virt_api.__all__, *nova_virt_api.SUBMODULES])
def test_every_public_name_is_there(name: str) -> None:
    assert getattr(nova_virt_api, name) is not None
    assert name in dir(nova_virt_api)


def test_a_name_that_is_not_there() -> None:
    with pytest.raises(AttributeError, match="module 'nova_virt_api' has no attribute 'conect'"):
        _ = nova_virt_api.conect


def test_only_its_own_names_are_listed() -> None:
    strangers = {name for name in dir(nova_virt_api) if not name.startswith("__")} - {*nova_virt_api.__all__}
    assert strangers == set(nova_virt_api.SUBMODULES) - {*nova_virt_api.__all__}


def test_type_checkers_see_the_same_names() -> None:
    package = "nova_virt_api"
    expected = {name: f"{package}.{module}" for name, module in nova_virt_api.NAMES.items()}
    for name, module in nova_virt_api.SUBMODULES.items():
        expected[name] = f"{package}.{module}".removesuffix(f".{name}")
    modules_of_its_own = {name for name, home in expected.items() if home == package}  # found without an import
    seen = {name: module for module, names in imports_for_type_checkers().items() for name in names}
    assert {**seen, **dict.fromkeys(modules_of_its_own, package)} == expected


def imports_for_type_checkers() -> dict[str, list[str]]:
    """Module by module, the names that the package imports under TYPE_CHECKING."""
    tree = ast.parse(Path(nova_virt_api.__file__).read_text())
    (block,) = [node for node in tree.body if isinstance(node, ast.If)]
    imports = [node for node in block.body if isinstance(node, ast.ImportFrom)]
    return {node.module or "": [alias.name for alias in node.names] for node in imports}
