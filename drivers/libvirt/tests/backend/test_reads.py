"""What a listing and a look at one guest show, and what they cost."""

import os
import signal
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from typing import Any
from uuid import uuid4

import pytest
from lxml.builder import E

from nova_virt_api.errors import InstanceNotFound
from nova_virt_api.model.identity import InstanceRef
from nova_virt_api.model.instance import Condition, PowerState
from nova_virt_api.model.labels import Labels
from nova_virt_api.model.record import Phase
from nova_virt_libvirt.connection import Connection
from nova_virt_libvirt.definition import parse_definition
from nova_virt_libvirt.driver import LibvirtDriver
from nova_virt_libvirt.health import SILENT_MILLISECONDS
from nova_virt_libvirt.metadata import Mark, read_mark, write_mark
from nova_virt_libvirt.rig.processes import process_of, standing_still

Op = Any
NO_WAIT = SILENT_MILLISECONDS / 1000 - 0.5
"""Seconds, in which nobody can have waited for a QEMU that hangs."""


def by_uuid(driver: LibvirtDriver, guest: InstanceRef, **more: Any) -> Any:
    found = [instance for instance in driver.instances(**more) if instance.uuid == guest.uuid]
    return found[0] if found else None


class Counting:
    """A ``virConnect`` that counts what it is asked."""

    def __init__(self, native: Any) -> None:
        self._native = native
        self.calls: list[str] = []

    def __getattr__(self, name: str) -> Any:
        if name != "isAlive":  # asks nobody
            self.calls.append(name)
        return getattr(self._native, name)


@pytest.fixture
def counted(driver: LibvirtDriver, monkeypatch: pytest.MonkeyPatch) -> Counting:
    counting = Counting(driver.reading.native)
    monkeypatch.setattr(Connection, "native", property(lambda connection: counting))
    return counting


def test_each_state_is_told_in_the_listing_and_for_one(
    driver: LibvirtDriver, native: Any, blank: Callable[..., InstanceRef]
) -> None:
    guest = blank("states")
    domain = native.lookupByUUID(guest.uuid.bytes)
    steps: list[tuple[Callable[[], object], PowerState]] = [
        (lambda: None, PowerState.SHUTDOWN),
        (domain.create, PowerState.RUNNING),
        (domain.suspend, PowerState.PAUSED),
        (domain.resume, PowerState.RUNNING),
        (lambda: domain.managedSave(0), PowerState.SUSPENDED),
        (domain.create, PowerState.RUNNING),
        (domain.destroy, PowerState.SHUTDOWN),
    ]
    for step, state in steps:
        step()
        assert driver.instance(guest).power_state is state
        assert by_uuid(driver, guest).power_state is state
        assert by_uuid(driver, guest) is driver.instance(guest)


def test_a_listing_alone_notices_suspension_and_the_loss_of_the_image(
    driver: LibvirtDriver, native: Any, blank: Callable[..., InstanceRef], eventually: Callable[..., None]
) -> None:
    guest = blank("saved", on=True)
    domain = native.lookupByUUID(guest.uuid.bytes)
    assert by_uuid(driver, guest).power_state is PowerState.RUNNING
    domain.managedSave(0)
    assert by_uuid(driver, guest).power_state is PowerState.SUSPENDED
    assert by_uuid(driver, guest).native_state == "shut off, saved"
    domain.managedSaveRemove(0)  # of which libvirt tells nobody
    assert by_uuid(driver, guest, fresh=True).power_state is PowerState.SHUTDOWN


def test_a_crashed_guest_is_told_as_such(
    driver: LibvirtDriver, native: Any, blank: Callable[..., InstanceRef], eventually: Callable[..., None]
) -> None:
    guest = blank("crash", on=True)
    os.kill(process_of(guest.uuid), signal.SIGKILL)
    eventually(lambda: driver.instance(guest).power_state is not PowerState.RUNNING, "the end of QEMU is seen")
    assert driver.instance(guest).power_state is PowerState.SHUTDOWN  # a persistent guest whose QEMU died is off


def test_foreign_guests_are_seen_with_their_owner(driver: LibvirtDriver, blank: Callable[..., InstanceRef]) -> None:
    ours, another, nobodys = blank("ours"), blank("another", owner="somebody"), blank("nobodys", owner=None)
    told = {guest: by_uuid(driver, guest) for guest in (ours, another, nobodys)}
    assert [(told[g].owner, told[g].owned) for g in (ours, another, nobodys)] == [
        ("nova-virt-tests", True),
        ("somebody", False),
        (None, False),
    ]
    assert {told[g].memory_bytes for g in told} == {16 * 1024**2}
    assert {told[g].vcpus for g in told} == {1}


def test_a_copy_of_our_guest_is_foreign(driver: LibvirtDriver, native: Any, blank: Callable[..., InstanceRef]) -> None:
    guest = blank("original")
    copy = uuid4()
    xml = native.lookupByUUID(guest.uuid.bytes).XMLDesc(0)
    xml = xml.replace("<name>original</name>", "<name>copy</name>").replace(
        f"<uuid>{guest.uuid}</uuid>", f"<uuid>{copy}</uuid>"
    )
    native.defineXML(xml)
    try:
        told = driver.instance(InstanceRef(uuid=copy))
        assert (told.owner, told.owned) == (None, False)
        assert driver.instance(guest).owned
    finally:
        native.lookupByUUID(copy.bytes).undefine()


def test_labels_come_from_the_mark(driver: LibvirtDriver, blank: Callable[..., InstanceRef]) -> None:
    guest = blank("labelled", labels={"tier": "front", "note": "<&\"'>"})
    assert dict(driver.instance(guest).labels) == {"tier": "front", "note": "<&\"'>"}


def test_a_mark_is_read_as_it_was_written(native: Any, blank: Callable[..., InstanceRef]) -> None:
    guest = blank("marked", labels={"first": "1"})
    domain = native.lookupByUUID(guest.uuid.bytes)
    mark = read_mark(domain)
    assert mark is not None
    assert dict(mark.labels) == {"first": "1"}
    written = Mark(replace(mark.record, phase=Phase.DELETING), Labels({"second": "2", "odd": "<&>\"'"}))
    write_mark(domain, written)
    assert read_mark(domain) == written
    assert parse_definition(domain.XMLDesc(0), guest.uuid).mark == written


def test_a_warm_listing_is_one_request_and_the_same_objects(
    driver: LibvirtDriver,
    blank: Callable[..., InstanceRef],
    counted: Counting,
    eventually: Callable[..., None],
) -> None:
    guests = [blank(f"many-{number}") for number in range(20)]
    first = driver.instances()
    assert {instance.uuid for instance in first} == {guest.uuid for guest in guests}

    def requests() -> list[str]:
        counted.calls.clear()
        assert all(before is after for before, after in zip(first, driver.instances(), strict=True))
        return counted.calls

    # the last of libvirt's words that a guest was defined may come after the listing, and have it read once more
    eventually(lambda: requests() == ["getAllDomainStats"], "a listing is one request")


@pytest.mark.parametrize("count", [12, 120], ids=["few", "over two connections"])
def test_many_guests_at_once_are_told_as_each_alone(
    driver: LibvirtDriver, blank: Callable[..., InstanceRef], count: int
) -> None:
    for number in range(count):
        blank(f"many-{number}", owner=None if number % 3 == 0 else "somebody", labels={"number": str(number)})
    blank("on", on=True)
    together = driver.instances(fresh=True)
    assert len(together) == count + 1
    assert [driver.instance(instance.ref, fresh=True) for instance in together] == list(together)


def test_a_running_guest_that_did_not_change_is_the_same_object(
    driver: LibvirtDriver, blank: Callable[..., InstanceRef]
) -> None:
    guest = blank("on", on=True, devices=(E.interface(E.source(network="default"), type="network"),))
    first = by_uuid(driver, guest)
    assert first.addresses is None  # on a network, and nothing was leased
    assert by_uuid(driver, guest) is first


def test_the_addresses_of_what_is_off_or_unconnected_are_known_to_be_none(
    driver: LibvirtDriver, blank: Callable[..., InstanceRef]
) -> None:
    off, unconnected = blank("off"), blank("unconnected", on=True)
    assert by_uuid(driver, off).addresses == ()
    assert by_uuid(driver, unconnected).addresses == ()


def test_changes_by_others_show(
    driver: LibvirtDriver, native: Any, blank: Callable[..., InstanceRef], eventually: Callable[..., None]
) -> None:
    guest = blank("before")
    assert by_uuid(driver, guest).name == "before"
    native.lookupByUUID(guest.uuid.bytes).rename("after")
    eventually(lambda: by_uuid(driver, guest).name == "after", "the new name is told")
    assert driver.instance(guest, fresh=True).name == "after"


def test_a_guest_that_is_gone_is_left_out(
    driver: LibvirtDriver, native: Any, blank: Callable[..., InstanceRef]
) -> None:
    guest = blank("gone")
    assert by_uuid(driver, guest) is not None
    native.lookupByUUID(guest.uuid.bytes).undefine()
    assert by_uuid(driver, guest) is None
    with pytest.raises(InstanceNotFound):
        driver.instance(guest)


def test_a_hung_qemu_delays_no_read(driver: LibvirtDriver, blank: Callable[..., InstanceRef]) -> None:
    hung, other = blank("hung", on=True), blank("other", on=True)
    driver.instances()
    with standing_still(hung.uuid):
        begun = time.monotonic()
        for fresh in (False, True):
            assert by_uuid(driver, hung, fresh=fresh).power_state is PowerState.RUNNING
            assert driver.instance(hung, fresh=fresh).power_state is PowerState.RUNNING
            assert driver.instance(other, fresh=fresh).power_state is PowerState.RUNNING
        assert time.monotonic() - begun < NO_WAIT


def test_verbs_that_wait_for_hung_guests_delay_no_read_and_no_destroy(
    driver: LibvirtDriver, blank: Callable[..., InstanceRef], operation: Callable[..., Op]
) -> None:
    """libvirtd serves five requests per client at a time: six that hang would stop everything on their connection."""
    other = blank("other", on=True)
    guests = [blank(f"hung-{number}", on=True) for number in range(6)]
    threads = [threading.Thread(target=pause_quietly, args=(driver, guest, operation())) for guest in guests]
    with ExitStack() as until_over:
        for thread in threads:
            until_over.callback(thread.join, 30)
        for guest in guests:
            until_over.enter_context(standing_still(guest.uuid))
        for thread in threads:
            thread.start()
        begun = time.monotonic()
        assert len(driver.instances(fresh=True)) == 7
        assert driver.instance(guests[0], fresh=True).power_state is PowerState.RUNNING
        assert time.monotonic() - begun < NO_WAIT
        assert driver.destroy(other, operation(20.0))


def pause_quietly(driver: LibvirtDriver, guest: InstanceRef, op: Op) -> None:
    driver.pause(guest, op)


def test_a_guest_whose_qemu_keeps_a_command_waiting_is_unresponsive(
    driver: LibvirtDriver,
    blank: Callable[..., InstanceRef],
    operation: Callable[..., Op],
    eventually: Callable[..., None],
) -> None:
    guest = blank("hung", on=True)
    waiting = threading.Thread(target=pause_quietly, args=(driver, guest, operation()))
    with standing_still(guest.uuid):
        waiting.start()
        eventually(
            lambda: driver.instance(guest).health.condition is Condition.UNRESPONSIVE, "health says so", seconds=15
        )
        assert by_uuid(driver, guest).health.condition is Condition.UNRESPONSIVE
    waiting.join(30)
    eventually(lambda: by_uuid(driver, guest).health.condition is Condition.OK, "health is back")


def test_listings_alone_find_guests_that_hang(
    driver: LibvirtDriver, blank: Callable[..., InstanceRef], eventually: Callable[..., None]
) -> None:
    first, second, healthy = (blank(name, on=True) for name in ("first", "second", "healthy"))

    def unresponsive() -> set[Any]:
        return {guest.uuid for guest in driver.instances(fresh=True) if guest.health.condition is not Condition.OK}

    with standing_still(first.uuid), standing_still(second.uuid):
        eventually(lambda: unresponsive() == {first.uuid, second.uuid}, "both are found", seconds=30)
        assert by_uuid(driver, healthy).health.condition is Condition.OK
    eventually(lambda: unresponsive() == set(), "all are well again")
