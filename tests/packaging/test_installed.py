"""The wheels as a user has them: in a clean environment, away from the sources."""

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

from nova_virt_api.version import __version__

Ask = Callable[[str], Any]


def test_the_command_tells_its_version(installed: Path) -> None:
    command = [str(installed.with_name("nova-virt")), "--version"]
    done = subprocess.run(command, cwd="/", capture_output=True, text=True, check=True, timeout=60)
    assert __version__ in done.stdout


def test_every_driver_is_found_and_loads(ask: Ask) -> None:
    code = """
from nova_virt_api.loading import list_drivers, load_driver
classes = {driver.name: load_driver(driver.name).driver_class.__name__ for driver in list_drivers()}
print(json.dumps({d.name: [d.distribution, str(d.problem), classes[d.name]] for d in list_drivers()}))
"""
    assert ask(code) == {
        "fake": ["nova-virt-api", "None", "FakeDriver"],
        "ironic": ["nova-virt-ironic", "None", "IronicDriver"],
        "libvirt": ["nova-virt-libvirt", "None", "LibvirtDriver"],
        "vmware": ["nova-virt-vmware", "None", "VmwareDriver"],
    }


def test_a_missing_sdk_names_the_packages_that_it_is_built_with(ask: Ask) -> None:
    code = """
import sys
from nova_virt_api.errors import DriverImportError
from nova_virt_api.loading import load_driver
sys.modules["libvirt"] = None  # as if it were not installed
try:
    load_driver("libvirt")
except DriverImportError as error:
    print(json.dumps([error.message, error.hint]))
"""
    message, hint = ask(code)
    assert "nova-virt-libvirt" in message
    assert "ModuleNotFoundError" in message
    for package in ("libvirt-dev", "pkg-config", "gcc", "python3-dev", "python3-libvirt"):
        assert package in hint


def test_the_embedded_driver_works(ask: Ask) -> None:
    code = """
import nova_virt_api as virt
with virt.connect("fake") as compute:
    print(json.dumps(len(list(compute.instances()))))
"""
    assert ask(code) == 0


def test_every_entry_point_of_ours_can_be_loaded(ask: Ask) -> None:
    code = """
from importlib.metadata import distribution
broken = {}
ours = ("nova-virt-api", "nova-virt-conformance", "nova-virt-ironic", "nova-virt-libvirt", "nova-virt-vmware")
for name in ours:
    for entry_point in distribution(name).entry_points:
        if entry_point.group != "pytest11":  # pytest is not there
            try:
                entry_point.load()
            except Exception as error:
                broken[entry_point.value] = repr(error)
print(json.dumps(broken))
"""
    assert ask(code) == {}


def test_options_are_published_under_the_name_of_their_driver(ask: Ask) -> None:
    code = """
from importlib.metadata import entry_points
from nova_virt_api.loading import list_drivers, load_driver
published = {}
for entry_point in entry_points(group="oslo.config.opts"):
    if entry_point.name.startswith("nova_virt"):
        for group, options in entry_point.load()():
            published[group] = [entry_point.name, sorted(option.name for option in options)]
own = {d.name: sorted(o.name for o in load_driver(d.name).driver_class.options()) for d in list_drivers()}
print(json.dumps([published, own]))
"""
    published, own = ask(code)
    assert {group: names for group, (_, names) in published.items() if group != "nova_virt"} == own
    assert {group: name for group, (name, _) in published.items()} == {
        "nova_virt": "nova_virt_api",
        "fake": "nova_virt_api.fake",
        "ironic": "nova_virt_ironic",
        "libvirt": "nova_virt_libvirt",
        "vmware": "nova_virt_vmware",
    }
    assert published["nova_virt"][1] == ["cache_dir", "manage", "owner", "state_dir"]


def test_the_sample_configuration_shows_them(installed: Path) -> None:
    command = [str(installed.with_name("oslo-config-generator"))]
    drivers = ("nova_virt_api.fake", "nova_virt_ironic", "nova_virt_libvirt", "nova_virt_vmware")
    for namespace in ("nova_virt_api", *drivers):
        command += ["--namespace", namespace]
    done = subprocess.run(command, cwd="/", capture_output=True, text=True, check=True, timeout=60)
    expected = ("[nova_virt]", "[fake]", "[ironic]", "[libvirt]", "[vmware]")
    assert [section for section in expected if section not in done.stdout] == []
