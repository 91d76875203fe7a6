"""Processes that die in the middle of a verb, before any change that it makes; the next caller ends it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import libvirt
import pytest

from nova_virt_api.model.disk import DiskBus
from nova_virt_libvirt.devices.volume_disk import Label, label_of

CONFIG = libvirt.VIR_DOMAIN_XML_INACTIVE

Die = Callable[..., bool]


@pytest.fixture
def die(dying: Callable[..., Any]) -> Die:
    """Does a verb in another process that dies before a change; False if the verb was done before that."""
    dies = dying("verbs_of_guests.py")

    def die(number: int, verb: str, guest: Any, volume: Any, old: Any = None) -> bool:
        asked = {
            "guest": str(guest.uuid),
            "volume": volume.id,
            "path": volume.connection.path,
            "passphrase": volume.encryption.passphrase.reveal(),
            "old": old and old.id,
        }
        found: bool = dies(number, verb, **asked)
        return found

    return die


def check_uses(driver: Any, guest: Any, volume: Any, seen: Any) -> None:
    """See that a guest uses this volume, and that nothing tells of another."""
    assert [one.id for one in driver.volumes(guest)] == [volume.id]
    assert label_of(seen.disks(guest, CONFIG)[-1]) == Label(id=volume.id)
    assert seen.disks(guest)[-1].find("mirror") is None
    assert [name.split("/")[-1] for name in seen.secrets()] == [volume.id]


@pytest.mark.timeout(300)
def test_a_swap_that_was_killed_is_done(die: Die, files: Any, spawn: Any, driver: Any, run: Any, seen: Any) -> None:
    old, new = files.luks(), files.luks()
    guest = spawn(volumes=[old]).ref
    number = 0
    while die(number, "swap_volume", guest, new, old):
        assert [one.id for one in driver.volumes(guest)] in ([old.id], [new.id]), number
        run(driver.swap_volume, guest, old.id, new)
        check_uses(driver, guest, new, seen)
        old, new, number = new, old, number + 1
    assert number > 8
    check_uses(driver, guest, new, seen)


@pytest.mark.timeout(300)
def test_a_swap_that_was_killed_is_no_hindrance(
    die: Die, files: Any, spawn: Any, driver: Any, run: Any, seen: Any, native: Any
) -> None:
    old, new = files.luks(), files.luks()
    guest = spawn(volumes=[old]).ref
    number = 0
    while die(number, "swap_volume", guest, new, old):
        (uses,) = driver.volumes(guest)
        run(
            driver.extend_volume,
            guest,
            uses.id,
            Path((new if uses.id == new.id else old).connection.path).stat().st_size,
        )
        check_uses(driver, guest, uses, seen)
        native.lookupByUUID(guest.uuid.bytes).destroy()
        run(driver.detach_volume, guest, uses.id)
        assert driver.volumes(guest) == ()
        assert seen.secrets() == []
        run(driver.attach_volume, guest, old)
        run(driver.power_on, guest)
        number += 1
    check_uses(driver, guest, new, seen)


@pytest.mark.timeout(300)
def test_an_attachment_and_a_detachment_that_were_killed_are_done(
    die: Die, files: Any, spawn: Any, driver: Any, run: Any, seen: Any
) -> None:
    volume = files.luks(bus=DiskBus.SCSI)
    guest = spawn(power_on=False).ref
    for number in range(20):
        attached = not die(number, "attach_volume", guest, volume)
        run(driver.attach_volume, guest, volume)
        check_uses(driver, guest, volume, seen)
        detached = not die(number, "detach_volume", guest, volume)
        run(driver.detach_volume, guest, volume.id)
        assert driver.volumes(guest) == ()
        assert len(seen.disks(guest)) == len(seen.disks(guest, CONFIG)) == 1
        assert seen.secrets() == []
        if attached and detached:
            break
    assert number > 2


@pytest.mark.timeout(300)
def test_a_guest_goes_with_all_that_a_killed_verb_left(
    die: Die, files: Any, spawn: Any, driver: Any, run: Any, seen: Any, native: Any
) -> None:
    old, new = files.luks(), files.luks()
    for number in (3, 6):
        guest = spawn(volumes=[old]).ref
        assert die(number, "swap_volume", guest, new, old)
        run(driver.destroy, guest)
        assert seen.secrets() == []
        assert all(str(guest.uuid) not in name for name in native.storagePoolLookupByName("nova-virt").listVolumes())
    assert Path(old.connection.path).exists()
    assert Path(new.connection.path).exists()


def test_passwords_of_a_guest_that_vanished_are_leftovers(
    files: Any, spawn: Any, driver: Any, run: Any, seen: Any, native: Any
) -> None:
    guest = spawn(volumes=[files.luks()], power_on=False).ref
    native.lookupByUUID(guest.uuid.bytes).undefine()
    driver.domains.clear()
    assert [left.name for left in driver.leftovers() if left.kind == "secret"] == seen.secrets()
    run(driver.destroy, guest)
    assert seen.secrets() == []
