"""Devices of a guest that is off wait for whoever changes its definition, who would put the old one in their place."""

from collections.abc import Callable
from typing import Any

import libvirt
import pytest

from nova_virt_api.compute.operation import DriverSide, Operation
from nova_virt_api.errors import Busy, InvalidState
from nova_virt_api.model.identity import InstanceRef
from nova_virt_api.model.nic import Nic
from nova_virt_api.model.record import Phase
from nova_virt_libvirt.claims.guest_claim import take_claim

CONFIG = libvirt.VIR_DOMAIN_XML_INACTIVE
MAC = "52:54:00:77:00:01"


def side(seconds: float) -> DriverSide:
    """What a verb gets that has so many seconds' time."""
    operation: Operation[Any] = Operation("verb", None, timeout=seconds)
    operation.begin()
    return DriverSide(operation)


@pytest.fixture
def verbs(driver: Any, files: Any) -> dict[str, Callable[[InstanceRef, DriverSide], Any]]:
    """What attaches and detaches."""
    volume, nic = files.volume(), Nic(network="default", mac=MAC)
    return {
        "attach_volume": lambda guest, op: driver.attach_volume(guest, volume, op),
        "attach_interface": lambda guest, op: driver.attach_interface(guest, nic, op),
        "detach_volume": lambda guest, op: driver.detach_volume(guest, volume.id, op),
        "detach_interface": lambda guest, op: driver.detach_interface(guest, MAC, op),
    }


def test_devices_wait_for_whoever_has_the_claim(verbs: Any, spawn: Any, driver: Any, native: Any) -> None:
    guest = spawn(power_on=False).ref
    domain = native.lookupByUUID(guest.uuid.bytes)
    for name, verb in verbs.items():
        before = domain.XMLDesc(CONFIG)
        hold = take_claim(driver.site, driver.domains.owned(guest), side(60))
        try:
            with pytest.raises(Busy):
                verb(guest, side(1.5))
            assert domain.XMLDesc(CONFIG) == before, name
        finally:
            hold.retract()
        verb(guest, side(60))
        assert domain.XMLDesc(CONFIG) != before, name


def test_devices_of_a_guest_that_is_being_removed_stay(verbs: Any, spawn: Any, driver: Any, native: Any) -> None:
    guest = spawn(power_on=False).ref
    hold = take_claim(driver.site, driver.domains.owned(guest), side(60))
    hold.settle(Phase.DELETING)
    before = native.lookupByUUID(guest.uuid.bytes).XMLDesc(CONFIG)
    for name, verb in verbs.items():
        if name.startswith("attach"):
            with pytest.raises(InvalidState):
                verb(guest, side(60))
    assert native.lookupByUUID(guest.uuid.bytes).XMLDesc(CONFIG) == before
