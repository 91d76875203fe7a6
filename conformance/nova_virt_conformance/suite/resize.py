"""Giving stopped guests another size, here and at another endpoint, and the way back."""

from __future__ import annotations

from typing import Any

import pytest

from nova_virt_api.capability import Capability, Feature
from nova_virt_api.driver.driver import Driver
from nova_virt_api.driver.resize import Resize
from nova_virt_api.errors import InstanceNotFound, InvalidSpec, InvalidState, MigrationError, StateAfter
from nova_virt_api.model.instance import Instance, Lifecycle, PowerOff, PowerState
from nova_virt_api.model.size import Size
from nova_virt_api.model.spec import Firmware
from nova_virt_api.model.ticket import LARGEST_TICKET, Ticket
from nova_virt_api.model.tpm import Tpm
from nova_virt_conformance import calls
from nova_virt_conformance.aftermath import check_gone, leaving_as_is, leaving_nothing
from nova_virt_conformance.covers import covers, needs
from nova_virt_conformance.event_log import SLACK, subscribed
from nova_virt_conformance.lab import SMALL_DISK, SMALL_MEMORY, Lab
from nova_virt_conformance.promise import Promise
from nova_virt_conformance.suite.machine import UEFI_MEMORY
from nova_virt_conformance.suite.secrets import look
from nova_virt_conformance.verb import Verb, difference, shown
from nova_virt_conformance.verbs import VERBS

LARGER = Size(vcpus=2, memory_bytes=2 * SMALL_MEMORY)


@covers(Capability.RESIZE, Resize.resize, Resize.confirm_resize)
def test_resize_and_confirm(lab: Lab, stopped: Instance) -> None:
    """A resized guest has its new size, to everybody, and its disk's content; it can be tried, and confirmed."""
    lab.rig.scribble(stopped)
    lab.compute.resize(stopped, LARGER, timeout=lab.patience)
    resized = shown(stopped) | {"vcpus": 2, "memory_bytes": 2 * SMALL_MEMORY, "lifecycle": Lifecycle.RESIZE_PENDING}
    check_shown(lab, stopped, resized)
    hardware = lab.rig.hardware(stopped.uuid)
    assert (hardware.vcpus, hardware.memory_bytes) == (2, 2 * SMALL_MEMORY)
    lab.compute.power_on(stopped, timeout=lab.patience)
    lab.second.confirm_resize(stopped, timeout=lab.patience)
    check_shown(lab, stopped, resized | {"lifecycle": Lifecycle.READY, "power_state": PowerState.RUNNING})
    assert lab.rig.scribbled(stopped), "what was on the disk is gone"


@covers(Capability.RESIZE, Resize.resize, Resize.revert_resize)
def test_resize_and_revert(lab: Lab, stopped: Instance) -> None:
    """A reverted guest is as it was, with its disk as it was; also one that runs, and nothing is left of the resize."""
    lab.rig.scribble(stopped)
    hardware = lab.rig.hardware(stopped.uuid)
    with leaving_nothing(lab, "a resize that was reverted"):
        lab.compute.resize(stopped, LARGER, timeout=lab.patience)
        lab.compute.power_on(stopped, timeout=lab.patience)
        lab.second.revert_resize(stopped, timeout=lab.patience)
    check_shown(lab, stopped, shown(stopped))
    assert lab.rig.scribbled(stopped), "what was on the disk is gone"
    assert lab.rig.hardware(stopped.uuid) == hardware


@covers(Capability.RESIZE, Resize.revert_resize)
def test_revert_loses_what_was_written_since(lab: Lab, stopped: Instance) -> None:
    """What is written to a resized guest's disk is not there any more once it is reverted."""
    lab.compute.resize(stopped, LARGER, timeout=lab.patience)
    lab.rig.scribble(stopped)
    lab.compute.revert_resize(stopped, timeout=lab.patience)
    assert not lab.rig.scribbled(stopped), "the disk is not as it was before the resize"


@covers(Capability.RESIZE, Resize.revert_resize)
def test_revert_may_start_the_guest(lab: Lab, stopped: Instance) -> None:
    """A guest that is to be started when it is reverted runs with its old size."""
    lab.compute.resize(stopped, LARGER, timeout=lab.patience)
    lab.compute.revert_resize(stopped, power_on=True, timeout=lab.patience)
    check_shown(lab, stopped, shown(stopped) | {"power_state": PowerState.RUNNING})


@covers(Capability.RESIZE, Feature.RESIZE_DISKS, Resize.resize, Resize.revert_resize)
def test_disk_grows_and_goes_back(lab: Lab, stopped: Instance) -> None:
    """A resize makes a disk larger; a revert makes it as large as it was, with what was on it."""
    lab.rig.scribble(stopped)
    before = [disk.size_bytes for disk in lab.rig.hardware(stopped.uuid).disks]
    lab.compute.resize(stopped, Size(disks=[2 * SMALL_DISK]), timeout=lab.patience)
    assert [disk.size_bytes for disk in lab.rig.hardware(stopped.uuid).disks] == [2 * SMALL_DISK, *before[1:]]
    lab.compute.revert_resize(stopped, timeout=lab.patience)
    assert [disk.size_bytes for disk in lab.rig.hardware(stopped.uuid).disks] == before
    assert lab.rig.scribbled(stopped), "what was on the disk is gone"


@covers(Capability.RESIZE, Feature.RESIZE_DISKS, Resize.resize)
def test_size_that_disks_cannot_have_changes_nothing(lab: Lab, stopped: Instance) -> None:
    """A disk does not shrink, and a size for a disk that is not there is InvalidSpec; the guest stays as it is."""
    for disks in ([SMALL_DISK // 2], [None, SMALL_DISK]):
        with leaving_as_is(lab, stopped.uuid, "a refused resize"), pytest.raises(InvalidSpec) as caught:
            lab.compute.resize(stopped, Size(vcpus=2, disks=disks), timeout=lab.patience)
        assert caught.value.state_after is StateAfter.UNCHANGED


@pytest.mark.parametrize(
    "verb",
    [
        pytest.param(verb, id=verb.name, marks=verb.marks)
        for verb in VERBS
        if verb.while_rescued is False and verb.subject is not Capability.RESIZE
    ],
)
@covers(Capability.RESIZE, Resize.resize)
def test_verb_while_a_resize_is_pending(lab: Lab, verb: Verb) -> None:
    """What changes a guest otherwise is InvalidState until its resize is confirmed or reverted."""
    guest = lab.spawn(power_on=False)
    resized = calls.resize(lab.compute, guest, lab)
    with leaving_as_is(lab, guest.uuid, f"a refused {verb.name}"), pytest.raises(InvalidState) as caught:
        verb.call(lab.compute, resized, lab)
    assert caught.value.state_after is StateAfter.UNCHANGED


@covers(Capability.RESIZE, Resize.resize)
def test_another_size_while_a_resize_is_pending(lab: Lab, stopped: Instance) -> None:
    """A guest that waits with one size is not resized to another."""
    lab.compute.resize(stopped, LARGER, timeout=lab.patience)
    with leaving_as_is(lab, stopped.uuid, "a refused resize"), pytest.raises(InvalidState):
        lab.compute.resize(stopped, Size(vcpus=3), timeout=lab.patience)


@covers(Capability.RESIZE, Resize.resize, Resize.prepare_resize, Driver.destroy)
def test_waiting_guest_is_destroyed(lab: Lab) -> None:
    """A guest that was resized or prepared can be destroyed; nothing is left of it."""
    for begin in (calls.resize, calls.prepare_resize):
        with leaving_nothing(lab, "a waiting guest's life"):
            guest = lab.spawn(power_on=False)
            begin(lab.compute, guest, lab)
            assert lab.compute.destroy(guest, timeout=lab.patience) is True
        check_gone(lab, guest.uuid)


@covers(Capability.RESIZE, Resize.resize, Driver.spawn)
def test_same_spawn_returns_a_resized_guest_as_it_is(lab: Lab) -> None:
    """The same spec again finds a guest that was resized, before and after that is confirmed."""
    spec = lab.spec(power_on=False)
    guest = lab.compute.spawn(spec, timeout=lab.patience)
    calls.resize(lab.compute, guest, lab)
    for lifecycle in (Lifecycle.RESIZE_PENDING, Lifecycle.READY):
        with leaving_as_is(lab, guest.uuid, "the same spawn again"):
            assert lab.compute.spawn(spec, timeout=lab.patience).lifecycle is lifecycle
        lab.compute.confirm_resize(guest, timeout=lab.patience)
    assert not [leftover for leftover in lab.compute.leftovers() if leftover.uuid == guest.uuid]


@covers(Capability.RESIZE, Promise.EVENTS, Resize.resize, Resize.confirm_resize, Driver.events)
def test_resize_reaches_a_watcher(lab: Lab, stopped: Instance) -> None:
    """A watcher is told in time that a guest waits with a new size, and that it does not any more."""
    within = lab.second.capabilities().event_latency_seconds + SLACK

    def told(lifecycle: Lifecycle) -> bool:
        last = log.last(stopped.uuid)
        return last is not None and (last.lifecycle, last.vcpus) == (lifecycle, 2)

    with subscribed(lab.driver(lab.second)) as log:
        calls.resize(lab.compute, stopped, lab)
        assert log.wait(lambda: told(Lifecycle.RESIZE_PENDING), within), f"not told within {within:g} s that it waits"
        lab.compute.confirm_resize(stopped, timeout=lab.patience)
        assert log.wait(lambda: told(Lifecycle.READY), within), f"not told within {within:g} s that it is confirmed"


@covers(Capability.RESIZE, Resize.prepare_resize)
def test_prepared_guest_is_not_started(lab: Lab, stopped: Instance) -> None:
    """A guest that was prepared may run elsewhere: it is not started here until that is reverted."""
    before = lab.rig.boots(stopped)
    calls.prepare_resize(lab.compute, stopped, lab)
    for start in (calls.power_on, calls.reboot_hard):
        with leaving_as_is(lab, stopped.uuid, "a refused start"), pytest.raises(InvalidState):
            start(lab.second, stopped, lab)
    lab.compute.revert_resize(stopped, timeout=lab.patience)
    assert lab.rig.boots(stopped) == before, "it was started"
    lab.compute.power_on(stopped, timeout=lab.patience)


@covers(Capability.RESIZE, Resize.prepare_resize, Resize.finish_resize)
def test_prepared_guest_is_finished_here(lab: Lab) -> None:
    """A ticket that was carried as text finishes the resize, also twice; the spec says what differs."""
    spec = lab.spec(power_on=False)
    guest = lab.compute.spawn(spec, timeout=lab.patience)
    ticket = calls.prepare_resize(lab.compute, guest, lab)
    text = ticket.encode()
    assert len(text.encode()) <= LARGEST_TICKET
    assert ticket.guest == guest.uuid
    there = lab.spec(uuid=spec.uuid, name=spec.name, vcpus=3, nics=(), power_on=True)
    wanted = shown(guest) | {
        "vcpus": 3,
        "lifecycle": Lifecycle.RESIZE_PENDING,
        "power_state": PowerState.RUNNING,
    }
    for compute in (lab.second, lab.compute):
        compute.finish_resize(Ticket.decode(text), spec=there, timeout=lab.patience)
        check_shown(lab, guest, wanted)
    assert not lab.rig.hardware(guest.uuid).nics
    lab.compute.revert_resize(guest, timeout=lab.patience)
    assert len(lab.rig.hardware(guest.uuid).nics) == len(spec.nics)


@covers(Capability.RESIZE, Promise.SECRETS, Resize.prepare_resize)
def test_ticket_holds_no_secret(lab: Lab, stopped: Instance) -> None:
    """A ticket can be stored by whoever carries it: no password of the endpoint is in it."""
    ticket = calls.prepare_resize(lab.compute, stopped, lab)
    look(lab, [ticket.encode(), repr(ticket)])


@covers(Capability.RESIZE, Resize.finish_resize)
def test_ticket_of_another_driver(lab: Lab, stopped: Instance) -> None:
    """A ticket that some other driver wrote is MigrationError, and the guest goes on waiting."""
    ticket = calls.prepare_resize(lab.compute, stopped, lab)
    other = Ticket(
        move=ticket.move, guest=ticket.guest, driver="conformance-other", driver_version="1", content=ticket.content
    )
    with leaving_as_is(lab, stopped.uuid, "a refused finish"), pytest.raises(MigrationError):
        lab.compute.finish_resize(other, timeout=lab.patience)


@covers(Capability.RESIZE, Feature.COLD_MIGRATION, Resize.finish_resize, Resize.confirm_resize)
def test_guest_moves_to_another_endpoint(lab: Lab) -> None:
    """A guest that was fetched by another endpoint is READY there and waits here until it is confirmed, and is gone."""
    lab.require(Feature.COLD_MIGRATION)
    there = lab.elsewhere
    with leaving_nothing(lab, "a guest that has moved"):
        guest = lab.spawn(labels={"conformance": "moved"}, power_on=False)
        ticket = lab.compute.prepare_resize(guest, LARGER, timeout=lab.patience)
        for _ in range(2):
            moved = there.finish_resize(Ticket.decode(ticket.encode()), timeout=lab.patience)
        wanted = shown(guest) | {"vcpus": 2, "memory_bytes": 2 * SMALL_MEMORY}
        found = shown(there.instance(guest.uuid, fresh=True))
        of_the_endpoint = {"native_id"}
        assert not (wrong := difference({k: v for k, v in wanted.items() if k not in of_the_endpoint}, found)), wrong
        check_shown(lab, guest, shown(guest) | {"lifecycle": Lifecycle.RESIZE_PENDING})
        there.power_on(moved, timeout=lab.patience)
        lab.compute.confirm_resize(guest, timeout=lab.patience)
        lab.compute.confirm_resize(guest, timeout=lab.patience)
    check_gone(lab, guest.uuid)
    assert there.instance(guest.uuid, fresh=True).power_state is PowerState.RUNNING
    assert there.destroy(guest.uuid, timeout=lab.patience)


@covers(Capability.RESIZE, Feature.COLD_MIGRATION, Resize.finish_resize, Resize.revert_resize)
def test_guest_comes_back_from_another_endpoint(lab: Lab, stopped: Instance) -> None:
    """A guest that is destroyed at the other endpoint and reverted here is as it was; its ticket is worth nothing."""
    lab.require(Feature.COLD_MIGRATION)
    there = lab.elsewhere
    lab.rig.scribble(stopped)
    ticket = lab.compute.prepare_resize(stopped, LARGER, timeout=lab.patience)
    there.finish_resize(ticket, timeout=lab.patience)
    assert there.destroy(stopped.uuid, timeout=lab.patience)
    lab.compute.revert_resize(stopped, timeout=lab.patience)
    check_shown(lab, stopped, shown(stopped))
    assert lab.rig.scribbled(stopped), "what was on the disk is gone"
    with pytest.raises(MigrationError):
        there.finish_resize(ticket, timeout=lab.patience)
    with pytest.raises(InstanceNotFound):
        there.instance(stopped.uuid, fresh=True)


@covers(Capability.RESIZE, Feature.COLD_MIGRATION, Resize.finish_resize, Resize.confirm_resize)
@needs(Feature.UEFI)
def test_guest_with_uefi_moves_to_another_endpoint(lab: Lab) -> None:
    """A guest that UEFI has started moves like any other, and is started there; nothing of it is left here."""
    moves_after_it_ran(lab, firmware=Firmware.UEFI, memory_bytes=UEFI_MEMORY)


@covers(Capability.RESIZE, Feature.COLD_MIGRATION, Resize.finish_resize, Resize.confirm_resize)
@needs(Feature.TPM)
def test_guest_with_a_tpm_moves_to_another_endpoint(lab: Lab) -> None:
    """A guest whose TPM keeps something moves like any other, and is started there; nothing of it is left here."""
    moves_after_it_ran(lab, tpm=Tpm())


def moves_after_it_ran(lab: Lab, **fields: Any) -> None:
    """See that a guest with these fields, which was on once, moves and starts."""
    lab.require(Feature.COLD_MIGRATION)
    there = lab.elsewhere
    with leaving_nothing(lab, "a guest that has moved"):
        guest = lab.spawn(**fields)
        lab.compute.power_off(guest, mode=PowerOff.HARD, timeout=lab.patience)
        ticket = calls.prepare_resize(lab.compute, guest, lab)
        moved = there.finish_resize(ticket, timeout=lab.patience)
        there.power_on(moved, timeout=lab.patience)
        lab.compute.confirm_resize(guest, timeout=lab.patience)
    check_gone(lab, guest.uuid)
    assert there.instance(guest.uuid, fresh=True).power_state is PowerState.RUNNING
    assert there.destroy(guest.uuid, timeout=lab.patience)


def check_shown(lab: Lab, guest: Instance, wanted: dict[str, object]) -> None:
    """See that everybody sees this of a guest."""
    for compute in (lab.compute, lab.second, lab.other):
        seen = shown(compute.instance(guest, fresh=True))
        assert not (wrong := difference(wanted, seen)), wrong
