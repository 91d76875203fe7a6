"""Listing 2000 virtual machines of a simulated vCenter, which the benchmark starts (`make vcsim`).

Beside the driver: pyvmomi alone, reading the same properties in pages of the same size, and each object by itself.
"""

import ssl
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from figure import Figure, interleaved_seconds, median_seconds
from pyVim.connect import Disconnect, SmartConnect
from pyVmomi import vim

from nova_virt_api.compute.connect import make_driver
from nova_virt_api.model.instance import PowerState
from nova_virt_vmware.vm_row import RECORD_PATH, paths

sys.path.append(str(Path(__file__).parents[1]))

from tools.vcsim import Settings, VCenter

VMS: Final = 2000
PAGE: Final = 500
"""The driver's usual page."""

SAMPLE: Final = 50
"""So many are read one by one; the whole would take as many times longer."""

REPEAT: Final = 7

Query: Final = vim.PropertyCollector
PATHS: Final = tuple(paths(RECORD_PATH))


def measure() -> Iterator[Figure]:
    """Figures of listings."""
    with VCenter(Settings(clusters=1, hosts=4, standalone_hosts=0, vms=VMS)) as vcenter:
        trust = ssl.create_default_context(cafile=vcenter.ca_file)
        raw = SmartConnect(
            host=vcenter.host, port=vcenter.port, user=vcenter.user, pwd=vcenter.password, sslContext=trust
        )
        try:
            yield from first_listings(vcenter, raw)
            yield from later_listings(vcenter, raw)
        finally:
            Disconnect(raw)


def first_listings(vcenter: VCenter, raw: Any) -> Iterator[Figure]:
    """What a new connection takes until it knows all guests."""
    drivers = [opened(vcenter) for _ in range(REPEAT)]
    unused = iter(drivers)
    try:
        ours, pages = interleaved_seconds(lambda: look(next(unused)), lambda: read_pages(raw), repeat=REPEAT)
    finally:
        for driver in drivers:
            driver.close()
    yield ratio(f"first instances() of {VMS} VMs / pyvmomi's pages, same properties", ours, pages, 1.3)
    machines = [machine for machine, _ in read_pages(raw)][:SAMPLE]
    each = median_seconds(lambda: read_each(machines), repeat=3) * VMS / SAMPLE
    yield ratio("pyvmomi, each VM and property by itself / pyvmomi's pages", each, pages, None)


def later_listings(vcenter: VCenter, raw: Any) -> Iterator[Figure]:
    """What it takes once they are known, and how soon it shows what has changed."""
    driver = opened(vcenter)
    try:
        look(driver)
        before = vcenter.calls.total()
        later = median_seconds(driver.instances, repeat=9)
        asked = vcenter.calls.total() - before
        detail = f"{asked} requests for all of them"
        yield Figure(name="later instances()", value=later * 1000, unit="ms", bound=20.0, detail=detail)
        machine = raw.content.searchIndex.FindByInventoryPath("/DC0/vm/DC0_C0_RP0_VM0")
        shown = median_seconds(lambda: change(driver, machine), repeat=9)
        yield Figure(name="a VM switched until instances() shows it", value=shown * 1000, unit="ms")
        fresh = median_seconds(lambda: look(driver), repeat=5)
        yield Figure(name="instances(fresh=True), which reads all anew", value=fresh * 1000, unit="ms")
    finally:
        driver.close()


def change(driver: Any, machine: Any) -> None:
    """Switch a virtual machine by pyvmomi, and list until that is shown."""
    before = state_of(driver, machine)
    machine.PowerOnVM_Task() if before is not PowerState.RUNNING else machine.PowerOffVM_Task()
    while state_of(driver, machine) is before:
        pass


def state_of(driver: Any, machine: Any) -> PowerState:
    """What a later listing says."""
    found: PowerState = next(one.power_state for one in driver.instances() if one.native_id == machine._moId)
    return found


def opened(vcenter: VCenter) -> Any:
    """A driver that has listed nothing yet."""
    driver: Any = make_driver("vmware", **vcenter.options)
    driver.open()
    return driver


def look(driver: Any) -> None:
    """List guests, asking anew."""
    assert len(driver.instances(fresh=True)) == VMS


def read_pages(raw: Any) -> list[tuple[Any, Any]]:
    """What pyvmomi takes for the same."""
    content = raw.content
    view = content.viewManager.CreateContainerView(content.rootFolder, [vim.VirtualMachine], True)
    seen = Query.TraversalSpec(name="seen", type=vim.view.ContainerView, path="view", skip=False)
    spec = Query.FilterSpec(
        objectSet=[Query.ObjectSpec(obj=view, skip=True, selectSet=[seen])],
        propSet=[Query.PropertySpec(type=vim.VirtualMachine, pathSet=list(PATHS))],
    )
    page = content.propertyCollector.RetrievePropertiesEx([spec], Query.RetrieveOptions(maxObjects=PAGE))
    found = []
    while page is not None:
        found += [(one.obj, {prop.name: prop.val for prop in one.propSet}) for one in page.objects]
        page = content.propertyCollector.ContinueRetrievePropertiesEx(page.token) if page.token else None
    view.DestroyView()
    assert len(found) > VMS  # templates too
    return found


def read_each(machines: list[Any]) -> None:
    """As scripts do that take a property by its name."""
    for machine in machines:
        for path in PATHS:
            if path == RECORD_PATH:
                continue  # no attribute leads there
            value = machine
            for name in path.split("."):
                value = getattr(value, name) if value is not None else None


def ratio(name: str, seconds: float, other_seconds: float, bound: float | None) -> Figure:
    """One time in terms of another."""
    detail = f"{seconds * 1000:.0f} ms / {other_seconds * 1000:.0f} ms"
    return Figure(name=name, value=seconds / other_seconds, bound=bound, detail=detail)
