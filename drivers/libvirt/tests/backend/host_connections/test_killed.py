"""Processes that die while a volume is connected or disconnected, before and after each change that they make."""

from collections.abc import Callable
from typing import Any
from uuid import UUID, uuid4

import pytest

from nova_virt_api.errors import InstanceNotFound
from nova_virt_api.model.identity import InstanceRef

Die = Callable[..., bool]


@pytest.fixture
def die(dying: Callable[..., Any], fabric: Any) -> Die:
    """Does a verb in another process that dies at a moment; False if the verb was done before that."""
    dies = dying("verbs_of_guests.py", afterwards=True, virt_type="qemu")

    def die(number: int, verb: str, guest: UUID, volume: Any) -> bool:
        asked = {"guest": str(guest), "volume": volume.id, "file": str(fabric.file(volume))}
        found: bool = dies(number, verb, **asked)
        return found

    return die


@pytest.mark.timeout(300)
def test_an_attachment_and_a_detachment_are_done_by_the_next(
    die: Die, fabric: Any, spawn: Any, driver: Any, run: Any, kept: Any
) -> None:
    volume, guest = fabric.volume(), spawn(power_on=False).ref
    number, attached, detached = 0, False, False
    while not (attached and detached):
        attached = not die(number, "attach_volume", guest.uuid, volume)
        run(driver.attach_volume, guest, volume)
        assert [one.id for one in driver.volumes(guest)] == [volume.id]
        assert (len(fabric.devices(volume)), len(kept())) == (1, 1)
        detached = not die(number, "detach_volume", guest.uuid, volume)
        run(driver.detach_volume, guest, volume.id)
        assert driver.volumes(guest) == ()
        assert (fabric.used(), kept()) == ([], [])
        number += 1
    assert number > 10


@pytest.mark.timeout(300)
def test_an_attachment_is_undone_by_a_detachment_and_by_another_attachment(
    die: Die, fabric: Any, spawn: Any, driver: Any, run: Any, kept: Any
) -> None:
    volume, other, guest = fabric.volume(), fabric.volume(), spawn(power_on=False).ref
    for number in range(1, 40, 3):
        if not die(number, "attach_volume", guest.uuid, volume):
            break
        there = [one.id for one in driver.volumes(guest)]
        run(driver.attach_volume, guest, other)
        assert len(fabric.used()) == 1 + len(there)
        for each in (volume, other):
            run(driver.detach_volume, guest, each.id)
        assert (fabric.used(), kept()) == ([], [])
    assert number > 9


@pytest.mark.timeout(300)
@pytest.mark.parametrize("verb", ["spawn", "destroy"])
def test_a_destruction_takes_all_that_a_dead_one_left(
    verb: str, die: Die, fabric: Any, driver: Any, run: Any, kept: Any
) -> None:
    volume, number, told, killed = fabric.volume(), 0, set(), True
    while killed:
        guest = uuid4()
        if verb == "destroy":
            assert not die(-1, "spawn", guest, volume)
        killed = die(number, verb, guest, volume)
        told |= {leftover.kind for leftover in driver.leftovers()}
        run(driver.destroy, InstanceRef(uuid=guest))
        with pytest.raises(InstanceNotFound):
            driver.instance(InstanceRef(uuid=guest), fresh=True)
        assert (fabric.used(), kept(), driver.leftovers()) == ([], [], [])
        number += 1
    assert number > 6
    assert ({"domain", "connection", "secret"} if verb == "spawn" else {"volume"}) <= told
