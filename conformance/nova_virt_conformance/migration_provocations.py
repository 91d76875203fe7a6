"""How errors of the role LiveMigration are brought about, and how its phases are called one by one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final
from uuid import uuid4

from nova_virt_api.driver.live_migration import LiveMigration
from nova_virt_api.errors import (
    Busy,
    InstanceExists,
    InstanceNotFound,
    InvalidSpec,
    InvalidState,
    MigrationError,
    NoCapacity,
    StorageError,
    VirtError,
)
from nova_virt_api.model.identity import InstanceRef
from nova_virt_api.model.instance import PowerState
from nova_virt_api.model.ticket import Move, Ticket
from nova_virt_conformance.scene import NOWHERE, Recipe, Scene

if TYPE_CHECKING:
    from nova_virt_api.compute.compute import Compute
    from nova_virt_api.model.instance import Instance
    from nova_virt_conformance.lab import Lab


class Phases:
    """The phases of one guest's move, each as an operation of its own.

    Args:
        lab: where.
        guest: the guest.
    """

    def __init__(self, lab: Lab, guest: Instance | InstanceRef) -> None:
        self._lab = lab
        self.guest = guest if isinstance(guest, InstanceRef) else guest.ref

    def _at(self, compute: Compute, verb: Callable[[Any, Any], Any]) -> Any:
        return compute.perform(self.guest, LiveMigration, verb, timeout=self._lab.patience)

    def check_destination(self, **more: Any) -> Ticket:
        """Ask the destination."""
        return self._ticket(self._lab.elsewhere, lambda role, op: role.check_destination(self.guest, op, **more))

    def check_source(self, ticket: Ticket) -> Ticket:
        """Ask the source."""
        return self._ticket(self._lab.compute, lambda role, op: role.check_source(self.guest, ticket, op))

    def prepare(self, ticket: Ticket, **more: Any) -> Ticket:
        """Prepare the destination."""
        return self._ticket(self._lab.elsewhere, lambda role, op: role.prepare(ticket, op, **more))

    def prepared(self) -> Ticket:
        """All that comes before the move."""
        return self.prepare(self.check_source(self.check_destination()))

    def migrate(self, ticket: Ticket) -> None:
        """Move it."""
        self._at(self._lab.compute, lambda role, op: role.migrate(self.guest, ticket, op))

    def finish_source(self, ticket: Ticket) -> None:
        """Tidy up at the source."""
        self._at(self._lab.compute, lambda role, op: role.finish_source(self.guest, ticket, op))

    def finish_destination(self) -> Any:
        """Tidy up at the destination."""
        return self._at(self._lab.elsewhere, lambda role, op: role.finish_destination(self.guest, op))

    def rollback_source(self, ticket: Ticket) -> None:
        """Take it back at the source."""
        self._at(self._lab.compute, lambda role, op: role.rollback_source(self.guest, ticket, op))

    def rollback_destination(self, ticket: Ticket) -> None:
        """Take it back at the destination."""
        self._at(self._lab.elsewhere, lambda role, op: role.rollback_destination(ticket, op))

    def _ticket(self, compute: Compute, verb: Callable[[Any, Any], Any]) -> Ticket:
        """A ticket that went through another process's hands."""
        given: Ticket = self._at(compute, verb)
        return Ticket.decode(given.encode())


AT_DESTINATION: Final = frozenset(
    f"LiveMigration.{name}" for name in ("prepare", "finish_destination", "rollback_destination")
)
"""Phases that work at the destination."""


# --- guests -----------------------------------------------------------------------------------------------------------


@contextmanager
def unknown_guest(lab: Lab, method: str, _: type[VirtError]) -> Iterator[Scene]:
    """A guest that is not there, by a ticket of one that is."""
    phases = Phases(lab, lab.guest(PowerState.RUNNING))
    nobody = Phases(lab, InstanceRef(uuid=uuid4()))
    if method == "LiveMigration.check_source":
        ticket = replace(phases.check_destination(), guest=nobody.guest.uuid)
        yield Scene(lambda: nobody.check_source(ticket))
    elif method == "LiveMigration.migrate":
        ticket = phases.prepared()
        yield Scene(lambda: nobody.migrate(replace(ticket, guest=nobody.guest.uuid)))
    else:
        yield Scene(nobody.finish_destination)


@contextmanager
def stopped_guest(lab: Lab, method: str, _: type[VirtError]) -> Iterator[Scene]:
    """A guest that does not run, or not any more."""
    guest = lab.guest(PowerState.RUNNING)
    phases = Phases(lab, guest)
    ticket = phases.check_destination() if method == "LiveMigration.check_source" else phases.prepared()
    lab.rig.enter(guest, PowerState.SHUTDOWN)
    call = phases.check_source if method == "LiveMigration.check_source" else phases.migrate
    yield Scene(lambda: call(ticket), lab.compute.instance(guest, fresh=True))


@contextmanager
def same_uuid_there(lab: Lab, method: str, _: type[VirtError]) -> Iterator[Scene]:
    """A destination that has another guest of this uuid."""
    spec = lab.spec()
    guest = lab.compute.spawn(spec, timeout=lab.patience)
    phases = Phases(lab, guest)
    if method == "LiveMigration.prepare":
        ticket = phases.check_source(phases.check_destination())
        lab.elsewhere.spawn(lab.spec(uuid=spec.uuid), timeout=lab.patience)
        yield Scene(lambda: phases.prepare(ticket), guest)
        return
    lab.elsewhere.spawn(lab.spec(uuid=spec.uuid), timeout=lab.patience)
    unless = "the endpoint takes it for the guest itself, which could change its node"
    yield Scene(phases.check_destination, guest, unless=unless)


@contextmanager
def not_moved(lab: Lab, method: str, _: type[VirtError]) -> Iterator[Scene]:
    """A guest that has not left, or arrived; or a ticket that does not lead on from there."""
    guest = lab.guest(PowerState.RUNNING)
    phases = Phases(lab, guest)
    wrong = Ticket(move=Move.RESIZE, guest=guest.uuid, driver=lab.target.driver, driver_version="1", content="{}")
    calls: dict[str, Callable[[], Any]] = {
        "LiveMigration.check_source": lambda: phases.check_source(wrong),
        "LiveMigration.prepare": lambda: phases.prepare(wrong),
        "LiveMigration.migrate": lambda: phases.migrate(wrong),
        "LiveMigration.rollback_source": lambda: phases.rollback_source(wrong),
        "LiveMigration.rollback_destination": lambda: phases.rollback_destination(wrong),
    }
    if method == "LiveMigration.finish_source":
        ticket = phases.prepared()
        yield Scene(lambda: phases.finish_source(ticket), guest)
    else:
        yield Scene(calls[method], guest)


@contextmanager
def not_arrived(lab: Lab, _: str, __: type[VirtError]) -> Iterator[Scene]:
    """A guest for which only room was made, and that is asked for at the destination."""
    phases = Phases(lab, lab.guest(PowerState.RUNNING))
    phases.prepared()
    unless = "until it comes, the endpoint has no such guest"

    def finish() -> None:
        try:
            phases.finish_destination()
        except InstanceNotFound:
            return

    yield Scene(finish, unless=unless)


@contextmanager
def unknown_node(lab: Lab, _: str, __: type[VirtError]) -> Iterator[Scene]:
    """A node that is not there."""
    phases = Phases(lab, lab.guest(PowerState.RUNNING))
    yield Scene(lambda: phases.check_destination(node=NOWHERE))


@contextmanager
def parts_of_a_host(lab: Lab, _: str, __: type[VirtError]) -> Iterator[Scene]:
    """Processors that are named for a guest which has none of its host for itself."""
    guest = lab.guest(PowerState.RUNNING)
    phases = Phases(lab, guest)
    ticket = phases.check_source(phases.check_destination())
    yield Scene(lambda: phases.prepare(ticket, host_cpus=(0,)), guest)


@contextmanager
def refused(lab: Lab, method: str, error: type[VirtError]) -> Iterator[Scene]:
    """A backend that has no room, or is busy."""
    guest = lab.guest(PowerState.RUNNING)
    phases = Phases(lab, guest)
    ticket = phases.check_destination()
    if method != "LiveMigration.check_source":
        ticket = phases.check_source(ticket)
    if method not in ("LiveMigration.check_source", "LiveMigration.prepare"):
        ticket = phases.prepare(ticket)
    if "finish" in method:
        phases.migrate(ticket)
    calls: dict[str, Callable[[], Any]] = {
        "LiveMigration.check_source": lambda: phases.check_source(ticket),
        "LiveMigration.prepare": lambda: phases.prepare(ticket),
        "LiveMigration.migrate": lambda: phases.migrate(ticket),
        "LiveMigration.finish_source": lambda: phases.finish_source(ticket),
        "LiveMigration.finish_destination": phases.finish_destination,
        "LiveMigration.rollback_destination": lambda: phases.rollback_destination(ticket),
    }
    with lab.rig.provoke(lab.elsewhere if method in AT_DESTINATION else lab.compute, method, error, guest):
        yield Scene(calls[method], guest)


OF_MIGRATION: Final[dict[tuple[str, type[VirtError]], Recipe]] = {
    ("LiveMigration.check_destination", InstanceExists): same_uuid_there,
    ("LiveMigration.check_destination", InvalidSpec): unknown_node,
    ("LiveMigration.check_source", InstanceNotFound): unknown_guest,
    ("LiveMigration.check_source", InvalidState): stopped_guest,
    ("LiveMigration.check_source", MigrationError): not_moved,
    ("LiveMigration.check_source", Busy): refused,
    ("LiveMigration.finish_destination", Busy): refused,
    ("LiveMigration.finish_destination", InstanceNotFound): unknown_guest,
    ("LiveMigration.finish_destination", MigrationError): not_arrived,
    ("LiveMigration.finish_source", MigrationError): not_moved,
    ("LiveMigration.finish_source", StorageError): refused,
    ("LiveMigration.migrate", Busy): refused,
    ("LiveMigration.migrate", InstanceNotFound): unknown_guest,
    ("LiveMigration.migrate", InvalidState): stopped_guest,
    ("LiveMigration.migrate", MigrationError): not_moved,
    ("LiveMigration.prepare", InstanceExists): same_uuid_there,
    ("LiveMigration.prepare", InvalidSpec): parts_of_a_host,
    ("LiveMigration.prepare", MigrationError): not_moved,
    ("LiveMigration.prepare", NoCapacity): refused,
    ("LiveMigration.prepare", StorageError): refused,
    ("LiveMigration.rollback_destination", MigrationError): not_moved,
    ("LiveMigration.rollback_destination", StorageError): refused,
    ("LiveMigration.rollback_source", MigrationError): not_moved,
}
"""Ways that serve one method."""
