"""Rescue on a real Ironic with fake hardware."""

from collections.abc import Callable
from typing import Any

import pytest

from nova_virt_api.capability import Capability, Feature
from nova_virt_api.errors import BackendError, InvalidSpec, InvalidState, NotSupported, PermissionDenied
from nova_virt_api.model.image import Native
from nova_virt_api.model.instance import Instance, Lifecycle, PowerOff, PowerState
from nova_virt_api.model.secret import Secret
from nova_virt_ironic.driver import IronicDriver
from tools.ironic import Ironic

PASSWORD = Secret("correct-horse-battery")


def test_a_guest_is_rescued_and_goes_back(
    driver: IronicDriver, ironic: Ironic, deployed: Callable[..., Instance], op: Any
) -> None:
    guest = deployed()
    driver.rescue(guest.ref, op, password=PASSWORD)
    rescued = driver.instance(guest.ref, fresh=True)
    assert (rescued.lifecycle, rescued.power_state) == (Lifecycle.RESCUED, PowerState.RUNNING)
    assert ironic.api.get(f"/v1/nodes/{guest.native_id}")["provision_state"] == "rescue"
    driver.unrescue(guest.ref, op)
    back = driver.instance(guest.ref, fresh=True)
    assert (back.lifecycle, back.power_state) == (Lifecycle.READY, PowerState.RUNNING)


def test_both_verbs_are_idempotent(driver: IronicDriver, deployed: Callable[..., Instance], op: Any) -> None:
    guest = deployed()
    driver.unrescue(guest.ref, op)
    driver.rescue(guest.ref, op, password=PASSWORD)
    before = driver.instance(guest.ref, fresh=True)
    driver.rescue(guest.ref, op, password=Secret("another"))
    driver.rescue(guest.ref, op)  # nothing is needed for what is so already
    assert driver.instance(guest.ref, fresh=True) == before


def test_a_guest_that_is_off_runs_afterwards(driver: IronicDriver, deployed: Callable[..., Instance], op: Any) -> None:
    guest = deployed()
    driver.power_off(guest.ref, op, mode=PowerOff.HARD, grace_seconds=0)
    driver.rescue(guest.ref, op, password=PASSWORD)
    assert driver.instance(guest.ref, fresh=True).power_state is PowerState.RUNNING
    driver.power_off(guest.ref, op, mode=PowerOff.HARD, grace_seconds=0)  # power is the guest's own affair meanwhile
    driver.unrescue(guest.ref, op)
    assert driver.instance(guest.ref, fresh=True).power_state is PowerState.RUNNING


def test_a_password_is_needed_and_an_image_is_not_taken(
    driver: IronicDriver, deployed: Callable[..., Instance], op: Any
) -> None:
    guest = deployed()
    with pytest.raises(InvalidSpec, match="password"):
        driver.rescue(guest.ref, op)
    with pytest.raises(NotSupported) as caught:
        driver.rescue(guest.ref, op, image=Native("image"), password=PASSWORD)
    assert caught.value.capability is Feature.RESCUE_IMAGE
    assert driver.instance(guest.ref, fresh=True) == guest


def test_a_node_without_a_rescue_interface_says_so(
    driver: IronicDriver, deployed: Callable[..., Instance], op: Any
) -> None:
    guest = deployed({"rescue_interface": "no-rescue"})
    with pytest.raises(NotSupported, match="no-rescue") as caught:
        driver.rescue(guest.ref, op, password=PASSWORD)
    assert caught.value.capability is Capability.RESCUE


def test_ironic_may_refuse(driver: IronicDriver, ironic: Ironic, deployed: Callable[..., Instance], op: Any) -> None:
    guest = deployed()
    ironic.api.put(f"/v1/nodes/{guest.native_id}/maintenance", {"reason": "fan"})
    with pytest.raises(BackendError, match="maintenance") as caught:
        driver.rescue(guest.ref, op, password=PASSWORD)
    assert PASSWORD.reveal() not in f"{caught.value}{caught.value.__cause__}"
    assert driver.instance(guest.ref, fresh=True).lifecycle is Lifecycle.READY


def test_others_guests_and_rescued_ones_are_refused(
    driver: IronicDriver, make_driver: Callable[..., IronicDriver], deployed: Callable[..., Instance], op: Any
) -> None:
    guest = deployed()
    stranger = make_driver(owner="somebody-else")
    with pytest.raises(PermissionDenied):
        stranger.rescue(guest.ref, op, password=PASSWORD)
    driver.rescue(guest.ref, op, password=PASSWORD)
    with pytest.raises(PermissionDenied):
        stranger.unrescue(guest.ref, op)
    with pytest.raises(InvalidState) as caught:
        driver.rebuild(guest.ref, op)
    assert caught.value.current is Lifecycle.RESCUED
    assert driver.destroy(guest.ref, op)
