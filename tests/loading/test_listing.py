"""Listing what is installed, without importing any of it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from nova_virt_api.loading import list_drivers
from nova_virt_api.version import __version__

Run = Callable[..., Any]

LIST = """
from nova_virt_api.loading import list_drivers
def row(d):
    return [d.name, d.distribution, d.version, d.target, d.requires, type(d.problem).__name__]
show(drivers=[row(driver) for driver in list_drivers()],
     imported=sorted(m for m in sys.modules if m.startswith(('vendor_', 'nova_virt_libvirt', 'nova_virt_api.fake'))))
"""


def listed(run: Run, *names: str, **more: Any) -> list[list[str]]:
    result = run(LIST, *names, **more)
    assert result["imported"] == []
    return [driver for driver in result["drivers"] if driver[1].startswith("vendor-")]


def test_a_good_driver(run: Run) -> None:
    expected = ["sample", "vendor-good", "0.3.1", "vendor_good.driver:Good", "nova-virt-api>=1.0,<2", "NoneType"]
    assert listed(run, "vendor-good") == [expected]


def test_the_embedded_driver_is_listed() -> None:
    (fake,) = [driver for driver in list_drivers() if driver.name == "fake"]
    assert (fake.distribution, fake.version, fake.requires, fake.problem) == ("nova-virt-api", __version__, "", None)


def test_problems_that_show_without_importing(run: Run) -> None:
    drivers = listed(run, "vendor-too-new", "vendor-other", "vendor-good", "vendor-next-major")
    problems = {distribution: problem for _, distribution, _, _, _, problem in drivers}
    assert problems == {
        "vendor-good": "DuplicateDriver",
        "vendor-too-new": "DuplicateDriver",
        "vendor-next-major": "DriverVersionError",
        "vendor-other": "NoneType",
    }


def test_a_driver_whose_import_would_fail_is_listed(run: Run) -> None:
    assert [driver[1] for driver in listed(run, "vendor-syntax")] == ["vendor-syntax"]


def test_broken_metadata_of_others_hides_nothing(run: Run, tmp_path: Path) -> None:
    nameless = tmp_path / "nameless-1.0.dist-info"
    nameless.mkdir()
    (nameless / "entry_points.txt").write_text("[nova_virt_api.drivers.v1]\nx = y:z\n")
    garbled = tmp_path / "garbled-1.0.dist-info"
    garbled.mkdir()
    (garbled / "METADATA").write_text("Metadata-Version: 2.1\nName: garbled\nVersion: 1.0\n")
    (garbled / "entry_points.txt").write_text("[nova_virt_api.drivers.v1]\nno equals sign\n")
    assert [driver[1] for driver in listed(run, "vendor-good", folders=(tmp_path,))] == ["vendor-good"]


def test_stevedore_finds_the_same_entry_points(run: Run) -> None:
    code = """
from stevedore import ExtensionManager
names = ExtensionManager("nova_virt_api.drivers.v1", verify_requirements=False).list_entry_points()
show(names=sorted(e.name for e in names))
"""
    assert "sample" in run(code, "vendor-good")["names"]
