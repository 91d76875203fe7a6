"""Moving running guests to another endpoint, and from node to node."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from nova_virt_api.capability import Capability, Feature
from nova_virt_api.driver.driver import Driver
from nova_virt_api.driver.live_migration import LiveMigration
from nova_virt_api.errors import Cancelled, InstanceNotFound, NotSupported
from nova_virt_api.model.instance import Instance, Lifecycle, PowerState
from nova_virt_api.model.ticket import LARGEST_TICKET
from nova_virt_conformance.covers import covers
from nova_virt_conformance.lab import Lab
from nova_virt_conformance.migration_provocations import Phases
from nova_virt_conformance.suite.secrets import look
from nova_virt_conformance.verb import difference

if TYPE_CHECKING:
    from nova_virt_api.compute.operation import Operation

STAYS = ("uuid", "name", "owner", "power_state", "lifecycle", "vcpus", "memory_bytes", "labels")


def stays(guest: Instance) -> dict[str, Any]:
    """What of a guest a move does not change."""
    return {name: getattr(guest, name) for name in STAYS}


def check_gone_over(lab: Lab, guest: Instance) -> None:
    """See that a guest is at the other endpoint as it was here, and that nothing of it is here."""
    moved = lab.elsewhere.instance(guest, fresh=True)
    assert not (changed := difference(stays(guest), stays(moved))), changed
    with pytest.raises(InstanceNotFound):
        lab.compute.instance(guest, fresh=True)
    check_nothing_left(lab, guest)


def check_stayed(lab: Lab, guest: Instance) -> None:
    """See that a guest is here as it was, and that nothing of it is at the other endpoint."""
    seen = lab.compute.instance(guest, fresh=True)
    assert not (changed := difference(stays(guest), stays(seen))), changed
    with pytest.raises(InstanceNotFound):
        lab.elsewhere.instance(guest, fresh=True)
    check_nothing_left(lab, guest)


def check_nothing_left(lab: Lab, guest: Instance) -> None:
    """See that neither end lists remains of a guest."""
    left = [
        str(one) for compute in (lab.compute, lab.elsewhere) for one in compute.leftovers() if one.uuid == guest.uuid
    ]
    assert not left, f"left behind: {', '.join(left)}"


@covers(
    Capability.LIVE_MIGRATION,
    LiveMigration.check_destination,
    LiveMigration.check_source,
    LiveMigration.prepare,
    LiveMigration.migrate,
    LiveMigration.finish_source,
    LiveMigration.finish_destination,
)
def test_running_guest_moves(lab: Lab) -> None:
    """A running guest moves to another endpoint, where it goes on running, and leaves nothing; it can come back."""
    guest = lab.spawn(labels={"conformance": "moves"})
    moved = lab.compute.live_migrate(guest, to=lab.elsewhere, timeout=lab.patience)
    assert moved == lab.elsewhere.instance(guest, fresh=True)
    check_gone_over(lab, guest)
    lab.elsewhere.live_migrate(guest, to=lab.compute, timeout=lab.patience)
    check_stayed(lab, guest)


@covers(Capability.LIVE_MIGRATION, LiveMigration.migrate)
def test_moved_guest_did_not_start_anew(lab: Lab) -> None:
    """A move does not start the guest again, neither there nor on its way back."""
    guest = lab.guest(PowerState.RUNNING)
    boots = lab.rig.boots(guest)
    lab.compute.live_migrate(guest, to=lab.elsewhere, timeout=lab.patience)
    back = lab.elsewhere.live_migrate(guest, to=lab.compute, timeout=lab.patience)
    assert lab.rig.boots(back) == boots


@covers(Capability.LIVE_MIGRATION, LiveMigration.migrate)
def test_paused_guest_moves_and_stays_paused(lab: Lab) -> None:
    """A guest whose CPUs stand still moves too, and they stand still there."""
    guest = lab.guest(PowerState.PAUSED)
    lab.compute.live_migrate(guest, to=lab.elsewhere, timeout=lab.patience)
    check_gone_over(lab, guest)


@covers(
    Capability.LIVE_MIGRATION,
    LiveMigration.prepare,
    LiveMigration.migrate,
    LiveMigration.finish_source,
    LiveMigration.finish_destination,
)
def test_each_phase_may_be_repeated(lab: Lab) -> None:
    """The phases share only the text of a small ticket without secrets; each may be called again."""
    guest = lab.guest(PowerState.RUNNING)
    phases = Phases(lab, guest)
    ticket = phases.check_source(phases.check_destination())
    phases.prepare(ticket)
    ticket = phases.prepare(ticket)
    assert len(ticket.encode().encode()) <= LARGEST_TICKET
    look(lab, [ticket.encode()])
    for _ in range(2):
        phases.migrate(ticket)
    for _ in range(2):
        phases.finish_source(ticket)
    for _ in range(2):
        phases.finish_destination()
    check_gone_over(lab, guest)


@covers(Capability.LIVE_MIGRATION, LiveMigration.migrate, LiveMigration.finish_destination)
def test_finish_in_either_order(lab: Lab) -> None:
    """After the move the ends are finished in any order."""
    guest = lab.guest(PowerState.RUNNING)
    phases = Phases(lab, guest)
    ticket = phases.prepared()
    phases.migrate(ticket)
    assert phases.finish_destination().lifecycle is Lifecycle.READY
    phases.finish_source(ticket)
    check_gone_over(lab, guest)


@covers(Capability.LIVE_MIGRATION, LiveMigration.rollback_source, LiveMigration.rollback_destination)
def test_rollback_leaves_the_guest_as_it_was(lab: Lab) -> None:
    """What was prepared is taken back at both ends, any number of times."""
    guest = lab.guest(PowerState.RUNNING)
    phases = Phases(lab, guest)
    ticket = phases.prepared()
    for _ in range(2):
        phases.rollback_source(ticket)
        phases.rollback_destination(ticket)
    check_stayed(lab, guest)


@covers(Capability.LIVE_MIGRATION, LiveMigration.prepare, Driver.destroy)
def test_destroy_at_the_destination_takes_what_was_prepared(lab: Lab) -> None:
    """When the ticket is lost, destroying the guest at the destination rolls back there; the guest stays."""
    guest = lab.guest(PowerState.RUNNING)
    Phases(lab, guest).prepared()
    lab.elsewhere.destroy(guest.uuid, timeout=lab.patience)
    check_stayed(lab, guest)


@covers(Capability.LIVE_MIGRATION, LiveMigration.migrate)
def test_cancelled_move(lab: Lab) -> None:
    """A move that is cancelled leaves the guest as it was, or comes too late and completes."""
    guest = lab.guest(PowerState.RUNNING)

    def cancel(operation: Operation[Any]) -> None:
        if operation.counters[0]:
            operation.cancel()

    operation = lab.compute.submit.live_migrate(guest, to=lab.elsewhere, timeout=lab.patience, on_progress=cancel)
    try:
        operation.result()
    except Cancelled:
        check_stayed(lab, guest)
    else:
        check_gone_over(lab, guest)


@covers(Capability.LIVE_MIGRATION, LiveMigration.migrate)
def test_hastened_move(lab: Lab) -> None:
    """A move that is to be completed now is completed."""
    guest = lab.guest(PowerState.RUNNING)

    def hasten(operation: Operation[Any]) -> None:
        if operation.counters[0]:
            operation.complete_now()

    lab.compute.submit.live_migrate(guest, to=lab.elsewhere, timeout=lab.patience, on_progress=hasten).result()
    check_gone_over(lab, guest)


@covers(Capability.LIVE_MIGRATION, Feature.MIGRATE_WITHIN, LiveMigration.migrate)
def test_guest_changes_its_node(lab: Lab) -> None:
    """A running guest moves to another node of its endpoint and is otherwise as it was."""
    guest = lab.guest(PowerState.RUNNING)
    other = next(node.name for node in lab.compute.nodes() if node.name != guest.node and node.maintenance is None)
    moved = lab.compute.migrate(guest, node=other, timeout=lab.patience)
    assert moved.node == other
    assert not (changed := difference(stays(guest), stays(moved))), changed


@covers(Capability.LIVE_MIGRATION)
def test_where_guests_cannot_change_their_node(lab: Lab) -> None:
    """An endpoint that does not declare it refuses to move guests between nodes."""
    if lab.compute.capabilities().has(Feature.MIGRATE_WITHIN):
        return
    guest = lab.guest(PowerState.RUNNING)
    with pytest.raises(NotSupported):
        lab.compute.migrate(guest, timeout=lab.patience)
    assert lab.compute.instance(guest, fresh=True) == guest
