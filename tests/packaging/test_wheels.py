"""What is in the wheels and source distributions."""

import configparser
import tarfile
import zipfile
from collections.abc import Callable
from email.message import Message
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement

from nova_virt_api.version import DRIVER_GROUP, __version__

ROOT = Path(__file__).resolve().parents[2]
NAMES = (
    "nova-virt-api",
    "nova-virt-bridge",
    "nova-virt-conformance",
    "nova-virt-ironic",
    "nova-virt-libvirt",
    "nova-virt-vmware",
)
OUTSIDE = {"nova-virt-bridge": {"nova/virt/ext.py"}}
"""What a wheel holds outside its package. Nova looks for drivers in its own; the rest of it stays Nova's."""


@pytest.fixture(params=NAMES)
def one(request: pytest.FixtureRequest, built: dict[str, Any]) -> Any:
    """Each distribution."""
    return built[request.param]


def files_of(wheel: Path) -> set[str]:
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


def text_of(wheel: Path, name: str) -> str:
    with zipfile.ZipFile(wheel) as archive:
        (path,) = [path for path in archive.namelist() if path.endswith(f".dist-info/{name}")]
        return archive.read(path).decode()


def entry_points(wheel: Path) -> dict[str, dict[str, str]]:
    parser = configparser.ConfigParser(delimiters="=")
    parser.read_string(text_of(wheel, "entry_points.txt"))
    return {group: dict(parser[group]) for group in parser.sections()}


def test_a_wheel_holds_its_package_and_nothing_else(one: Any) -> None:
    files = files_of(one.wheel)
    (info,) = {top for path in files if (top := path.partition("/")[0]).endswith(".dist-info")}
    assert {path for path in files if path.partition("/")[0] not in {one.package, info}} == OUTSIDE.get(one.name, set())


def test_a_wheel_holds_every_file_of_its_package(one: Any) -> None:
    expected = {str(path.relative_to(one.source)) for path in (one.source / one.package).rglob("*") if path.is_file()}
    held = {path for path in files_of(one.wheel) if path.startswith(f"{one.package}/")}
    assert held == expected


def test_a_wheel_says_that_it_is_typed(one: Any) -> None:
    assert f"{one.package}/py.typed" in files_of(one.wheel)


def test_a_wheel_holds_the_license(one: Any, metadata: Callable[[str], Message]) -> None:
    assert text_of(one.wheel, "licenses/LICENSE") == (ROOT / "LICENSE").read_text()
    assert metadata(text_of(one.wheel, "METADATA"))["License"] == "Apache-2.0"


def test_a_wheel_holds_no_tests(one: Any) -> None:
    assert not [
        path for path in files_of(one.wheel) if "/tests/" in path or path.rpartition("/")[2].startswith("test_")
    ]


def test_a_source_distribution_holds_what_a_build_needs(one: Any) -> None:
    with tarfile.open(one.sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert {"setup.cfg", "pyproject.toml", "README.md", "LICENSE", f"{one.package}/py.typed"} <= names


def test_what_stands_on_the_common_package_states_a_range_that_takes_this_version(
    built: dict[str, Any], metadata: Callable[[str], Message]
) -> None:
    dependents = [one for one in built.values() if one.name != "nova-virt-api"]
    assert dependents
    for dependent in dependents:
        lines = metadata(text_of(dependent.wheel, "METADATA")).get_all("Requires-Dist", [])
        (common,) = [Requirement(line) for line in lines if Requirement(line).name == "nova-virt-api"]
        assert common.specifier.contains(__version__, prereleases=True)
        assert not [specifier for specifier in common.specifier if specifier.operator == "=="]


def test_drivers_are_offered_where_they_are_looked_for(built: dict[str, Any]) -> None:
    drivers = [one for one in built.values() if one.source.parent.name == "drivers"]
    assert drivers
    assert [driver.name for driver in drivers if DRIVER_GROUP not in entry_points(driver.wheel)] == []


def test_entry_points_lead_to_files_of_the_same_wheel(one: Any) -> None:
    held = files_of(one.wheel)
    targets = {target for group in entry_points(one.wheel).values() for target in group.values()}
    modules = {target.partition(":")[0].replace(".", "/") for target in targets}
    assert not [module for module in modules if not {f"{module}.py", f"{module}/__init__.py"} & held]
