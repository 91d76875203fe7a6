"""Broken reads, events, errors, secrets and connections."""

import dataclasses
import logging
import socket
import threading
from collections.abc import Sequence
from typing import Any

from nova_virt_api.capability import Capability, Feature
from nova_virt_api.driver.endpoint import Endpoint
from nova_virt_api.driver.operation import Operation
from nova_virt_api.errors import InstanceExists, InstanceNotFound, InvalidState, StateAfter, StorageError, Unavailable
from nova_virt_api.events import Changed, DriverEvent, Emit, Gap, Subscription
from nova_virt_api.fake.driver import FakeDriver
from nova_virt_api.fake.state import HOLDS_MEMORY
from nova_virt_api.model.capabilities import AVAILABLE, Capabilities, unavailable
from nova_virt_api.model.console import ConsoleAddress, ConsoleKind, TcpConsole
from nova_virt_api.model.identity import InstanceRef
from nova_virt_api.model.instance import Condition, DiskPolicy, Instance, PowerState
from nova_virt_api.model.place import Inventory, StoragePool
from nova_virt_api.model.record import Record
from nova_virt_api.model.spec import InstanceSpec

LOG = logging.getLogger("broken_driver")


class ReachesOutWhenMade(FakeDriver):
    """Asks the network before it is opened."""

    caught_by = "test_driver_does_no_io_before_open"

    def __init__(self, endpoint: Endpoint) -> None:
        super().__init__(endpoint)
        socket.getaddrinfo("127.0.0.1", 0)


class CannotBeClosedUnopened(FakeDriver):
    """Closing it after a failed open raises."""

    caught_by = "test_close_after_failed_open"

    def close(self) -> None:
        if self.connection._opened is None and self.endpoint.options.refuse:
            raise AttributeError("'NoneType' object has no attribute 'close'")
        super().close()


class FailsToOpenWithoutAHint(FakeDriver):
    """Does not say what to do about an endpoint that does not answer."""

    caught_by = "test_failed_open_says_what_to_do"

    def open(self) -> None:
        try:
            super().open()
        except Unavailable as error:
            raise Unavailable(error.message) from error


class ForgetsARole(FakeDriver):
    """Has no answer for a role of its class."""

    caught_by = "test_every_role_of_the_class_has_an_answer"

    def capabilities(self, node: str | None = None) -> Capabilities:
        said = super().capabilities(node)
        answers = dict(said.answers)
        del answers[Capability.CONSOLE_LOG]
        return dataclasses.replace(said, answers=answers)


class GivesNoReason(FakeDriver):
    """Says that something is unavailable, and not why."""

    caught_by = "test_unavailable_has_a_reason"

    def capabilities(self, node: str | None = None) -> Capabilities:
        said = super().capabilities(node)
        return dataclasses.replace(said, answers={**said.answers, Feature.EXTRAS: unavailable("")})


class MergesWhatItPromisedToTell(FakeDriver):
    """Declares every transition and tells every second one."""

    caught_by = "test_every_transition_is_told"

    def events(self, emit: Emit) -> Subscription:
        told: list[DriverEvent] = []

        def merge(event: DriverEvent) -> None:
            told.append(event)
            if len(told) % 4 or not isinstance(event, Changed):
                emit(event)

        return super().events(merge)


class TakesAnyNode(FakeDriver):
    """Answers for a node that is not there."""

    caught_by = "test_inventory_of_an_unknown_node"

    def inventory(self, node: str | None = None) -> Inventory:
        return super().inventory(None)


class CountsNothing(FakeDriver):
    """Shows nothing as used."""

    caught_by = "test_used_counts_a_guest"

    def inventory(self, node: str | None = None) -> Inventory:
        found = super().inventory(node)
        return dataclasses.replace(found, resources=tuple(dataclasses.replace(one, used=0) for one in found.resources))


class ForgetsWhichProcessorsAreDedicated(FakeDriver):
    """Has processors to dedicate, and does not say which."""

    caught_by = "test_cells_of_a_node"

    def inventory(self, node: str | None = None) -> Inventory:
        found = super().inventory(node)
        return dataclasses.replace(found, cells=tuple(dataclasses.replace(cell, dedicated=()) for cell in found.cells))


class MakesUpTraits(FakeDriver):
    """Names traits as nobody else does."""

    caught_by = "test_resource_classes_and_traits_have_placements_names"

    def inventory(self, node: str | None = None) -> Inventory:
        return dataclasses.replace(super().inventory(node), traits=("fast",))


class HidesForeignGuests(FakeDriver):
    """Lists owned guests only."""

    caught_by = "test_foreign_guests_are_listed"

    def instances(self, *, fresh: bool = False) -> Sequence[Instance]:
        return [guest for guest in super().instances(fresh=fresh) if guest.owner is not None]


class ListsNewObjects(FakeDriver):
    """Makes every guest anew in every listing."""

    caught_by = "test_unchanged_guests_are_the_same_objects"

    def instances(self, *, fresh: bool = False) -> Sequence[Instance]:
        return [dataclasses.replace(guest) for guest in super().instances(fresh=fresh)]


class AsksForEachGuest(FakeDriver):
    """Lists guests with a request for each."""

    caught_by = "test_listing_is_bulk"

    def instances(self, *, fresh: bool = False) -> Sequence[Instance]:
        return [self.instance(guest.ref, fresh=fresh) for guest in super().instances(fresh=fresh)]


class ReadsWhatWas(FakeDriver):
    """Goes on listing what it listed first, unless it is asked to look."""

    caught_by = "test_reads_see_all_earlier_changes"
    listed: Sequence[Instance] | None = None

    def instances(self, *, fresh: bool = False) -> Sequence[Instance]:
        if fresh or self.listed is None:
            self.listed = super().instances(fresh=fresh)
        return self.listed


class LeavesOutHungGuests(FakeDriver):
    """Does not list a guest that does not answer."""

    caught_by = "test_hung_guest_delays_nothing"

    def instances(self, *, fresh: bool = False) -> Sequence[Instance]:
        found = super().instances(fresh=fresh)
        return [guest for guest in found if guest.health.condition is not Condition.UNRESPONSIVE]


class LosesEvents(FakeDriver):
    """Never tells that a guest stopped."""

    caught_by = "test_life_of_a_guest_reaches_a_watcher"

    def events(self, emit: Emit) -> Subscription:
        def lose(event: DriverEvent) -> None:
            if not (isinstance(event, Changed) and event.instance.power_state is PowerState.SHUTDOWN):
                emit(event)

        return super().events(lose)


class TellsOfTheWrongGuest(FakeDriver):
    """Tells every change as one of the oldest guest."""

    caught_by = "test_final_state_survives_many_changes"

    def events(self, emit: Emit) -> Subscription:
        def mistake(event: DriverEvent) -> None:
            if isinstance(event, Changed):
                oldest = self.instances()[:1] or [event.instance]
                event = Changed(dataclasses.replace(event.instance, uuid=oldest[0].uuid))
            emit(event)

        return super().events(mistake)


class TellsNoGap(FakeDriver):
    """Does not tell that events were lost."""

    caught_by = "test_gap_after_a_lost_connection"

    def events(self, emit: Emit) -> Subscription:
        def hide(event: DriverEvent) -> None:
            if not isinstance(event, Gap):
                emit(event)

        return super().events(hide)


class GoesOnTelling(FakeDriver):
    """Delivers events after its subscription was closed."""

    caught_by = "test_closed_subscription_delivers_nothing"

    def events(self, emit: Emit) -> Subscription:
        super().events(emit)
        return NeverClosed()


class NeverClosed:
    """A subscription that nothing ends."""

    def close(self) -> None:
        """Do nothing."""


class Storms(FakeDriver):
    """Tells of guests that did not change, again and again."""

    caught_by = "test_nothing_is_told_of_nothing"

    def events(self, emit: Emit) -> Subscription:
        for _ in range(20):
            for guest in self.instances():
                emit(Changed(guest))
        return super().events(emit)


class TellsInItsOwnWords(FakeDriver):
    """Emits what is no event of the contract."""

    caught_by = "test_events_can_be_sent"

    def events(self, emit: Emit) -> Subscription:
        def translate(event: DriverEvent) -> None:
            emit(event)
            if isinstance(event, Changed):
                emit(("changed", event.instance.name))  # type: ignore[arg-type]

        return super().events(translate)


class LetsNativeErrorsOut(FakeDriver):
    """Lets a native exception out for a guest that is not there."""

    caught_by = "test_unknown_guest"

    def instance(self, guest: InstanceRef, *, fresh: bool = False) -> Instance:
        try:
            return super().instance(guest, fresh=fresh)
        except InstanceNotFound as error:
            raise KeyError(str(guest)) from error


class RaisesWhatItDoesNotDocument(FakeDriver):
    """Refuses to read the log of a stopped guest, which no author of a program expects."""

    caught_by = "test_console_log_can_be_sent"

    def console_log(self, guest: InstanceRef, max_bytes: int) -> bytes:
        if self.instance(guest).power_state not in HOLDS_MEMORY:
            raise InvalidState(PowerState.SHUTDOWN, [PowerState.RUNNING])
        return super().console_log(guest, max_bytes)


class SaysUnchanged(FakeDriver):
    """Says that nothing was changed when a destroy stopped half-way, and names no leftovers."""

    caught_by = "test_documented_error"

    def destroy(
        self, guest: InstanceRef, op: Operation, *, disks: DiskPolicy = DiskPolicy.DELETE, foreign: bool = False
    ) -> bool:
        try:
            return super().destroy(guest, op, disks=disks, foreign=foreign)
        except StorageError as error:
            error.state_after, error.leftovers = StateAfter.UNCHANGED, ()
            raise


class RaisesWhatCannotBeKept(FakeDriver):
    """Hangs a lock on its errors, so that they can neither be copied nor sent."""

    caught_by = "test_documented_error"

    def instance(self, guest: InstanceRef, *, fresh: bool = False) -> Instance:
        try:
            return super().instance(guest, fresh=fresh)
        except InstanceNotFound as error:
            vars(error)["lock"] = threading.Lock()
            raise


class LogsItsPassword(FakeDriver):
    """Writes its password into the log when it connects."""

    caught_by = "test_failed_open_shows_no_secret"

    def open(self) -> None:
        LOG.debug("connecting with password %s", self.endpoint.options.password.reveal())
        super().open()


class LogsTickets(FakeDriver):
    """Writes console tickets into the log."""

    caught_by = "test_console_ticket_is_not_shown"

    def console(self, guest: InstanceRef, kind: ConsoleKind) -> ConsoleAddress:
        address = super().console(guest, kind)
        if isinstance(address, TcpConsole) and address.ticket is not None:
            LOG.debug("the ticket is %s", address.ticket.reveal())
        return address


class QuotesUserData(FakeDriver):
    """Puts first-boot data, and the password in it, into an error."""

    caught_by = "test_user_data_is_not_shown"

    def spawn(self, spec: InstanceSpec, op: Operation) -> Instance:
        try:
            return super().spawn(spec, op)
        except InstanceExists as error:
            data = spec.cloud_init.user_data.splitlines() if spec.cloud_init else []
            raise InstanceExists(f"{error.message}: {data}", hint=error.hint) from error


class AnswersInItsOwnTypes(FakeDriver):
    """Returns a type that no other process knows."""

    caught_by = "test_reads_can_be_sent"

    def storage_pools(self) -> Sequence[StoragePool]:
        return [OwnPool(**fields_of(pool)) for pool in super().storage_pools()]


@dataclasses.dataclass(frozen=True, kw_only=True)
class OwnPool(StoragePool):
    """A pool with a handle on it."""

    handle: Any = None


def fields_of(pool: StoragePool) -> dict[str, Any]:
    """All fields with their values."""
    return {field.name: getattr(pool, field.name) for field in dataclasses.fields(pool)}


class KnowsItsCallersObjects(FakeDriver):
    """Takes a request for the same only if it is the same object, which it never is from another process."""

    caught_by = "test_request_that_was_sent_is_the_same_request"

    def spawn(self, spec: InstanceSpec, op: Operation) -> Instance:
        with self.connection.world.reading() as state:
            record: Record | None = state.records.get(spec.uuid)
        known = KNOWN.setdefault(spec.uuid, spec)
        if record is not None and known is not spec:
            raise InstanceExists(f"guest {spec.uuid} was asked for with another spec", hint="destroy it first")
        return super().spawn(spec, op)


KNOWN: dict[Any, InstanceSpec] = {}
"""The specs seen, by uuid."""


class HasWhatItDenies(FakeDriver):
    """Answers an unavailable feature with a reason, and an available one too."""

    caught_by = "test_unavailable_has_a_reason"

    def capabilities(self, node: str | None = None) -> Capabilities:
        said = super().capabilities(node)
        odd = dataclasses.replace(AVAILABLE, reason="only on Sundays")
        return dataclasses.replace(said, answers={**said.answers, Feature.UEFI: odd})
