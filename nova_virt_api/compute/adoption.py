"""Taking over many guests at once, with a report that says what became of each."""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeAlias

from nova_virt_api.compute.face import GuestLike, reference
from nova_virt_api.compute.guard import guarded
from nova_virt_api.errors import Cancelled, HookFailed, InvalidSpec, StateAfter, VirtError
from nova_virt_api.model.instance import Instance

if TYPE_CHECKING:
    from nova_virt_api.compute.operation import DriverSide, Operation
    from nova_virt_api.driver.adopt import Adopt
    from nova_virt_api.driver.driver import Driver
    from nova_virt_api.model.identity import InstanceRef

GuestChoice: TypeAlias = Iterable[GuestLike] | Callable[[Instance], bool]
"""The guests that are meant, or a function that says of each guest whether it is."""

STAGE: Final = "choose guests"


class AdoptionOutcome(enum.Enum):
    """What became of one guest."""

    ADOPTED = "adopted"
    ADOPTABLE = "adoptable"
    """It would have been adopted; this was a dry run."""

    OWNED = "owned"
    """It was this connection's own already."""

    REFUSED = "refused"


@dataclass(frozen=True, slots=True, kw_only=True)
class Adoption:
    """What became of one guest that was to be adopted.

    Args:
        guest: the guest that was meant.
        outcome: what became of it.
        instance: the guest as it is now; None where there is no such guest.
        error: why it was refused.
    """

    guest: InstanceRef
    outcome: AdoptionOutcome
    instance: Instance | None = None
    error: VirtError | None = None


class Adopting:
    """One adoption of many guests: chooses them from one listing, then takes over each by a verb of its own.

    Args:
        driver: the opened driver.
        role: the same, as the role.
        adopt: begins the adoption of one guest, to be done within so many seconds.
        guests: the guests, or what chooses them.
        dry_run: only tell what would become of each.
    """

    def __init__(
        self,
        driver: Driver,
        role: Adopt,
        adopt: Callable[[InstanceRef, float], Operation[Instance]],
        guests: GuestChoice,
        *,
        dry_run: bool,
    ) -> None:
        self._driver = driver
        self._role = role
        self._adopt = adopt
        self._dry_run = dry_run
        self._choose = guests if callable(guests) else None
        self._named = () if callable(guests) else named(guests)

    def run(self, op: DriverSide) -> tuple[Adoption, ...]:
        """Do it.

        Raises:
            HookFailed: the function that chooses raised.
            Cancelled: it was cancelled before each guest had its turn.
        """
        op.stage(STAGE)
        known = {instance.uuid: instance for instance in self._driver.instances(fresh=True)}
        refs = self._named if self._choose is None else self._chosen(self._choose, known.values())
        there = [(ref, known.get(ref.uuid)) for ref in refs]
        op.stage("check guests" if self._dry_run else "adopt guests")
        if self._dry_run:
            return tuple(self._checked(op, place, there) for place in range(len(there)))
        return self._adopted(op, there)

    def _chosen(self, choose: Callable[[Instance], bool], guests: Iterable[Instance]) -> tuple[InstanceRef, ...]:
        try:
            return tuple(guest.ref for guest in guests if choose(guest))
        except Exception as error:
            raise HookFailed(STAGE, str(error) or type(error).__name__) from error

    def _checked(self, op: DriverSide, place: int, guests: list[tuple[InstanceRef, Instance | None]]) -> Adoption:
        ref, instance = guests[place]
        op.checkpoint()
        op.progress(place, len(guests))
        if instance is not None and instance.owned:
            return Adoption(guest=ref, outcome=AdoptionOutcome.OWNED, instance=instance)
        try:
            guarded("adopt", ref, lambda: self._role.check_adoptable(ref))
        except VirtError as error:
            return Adoption(guest=ref, outcome=AdoptionOutcome.REFUSED, instance=instance, error=error)
        return Adoption(guest=ref, outcome=AdoptionOutcome.ADOPTABLE, instance=instance)

    def _adopted(self, op: DriverSide, guests: list[tuple[InstanceRef, Instance | None]]) -> tuple[Adoption, ...]:
        under_way = {
            ref.uuid: self._adopt(ref, op.remaining()) for ref, found in guests if found is None or not found.owned
        }

        def stop() -> None:
            for operation in under_way.values():
                operation.cancel()

        op.on_cancel(stop)
        report: list[Adoption] = []
        for ref, instance in guests:
            op.progress(len(report), len(guests))
            report.append(settled(ref, instance, under_way.get(ref.uuid)))
        done = sum(entry.outcome is AdoptionOutcome.ADOPTED for entry in report)
        if any(isinstance(entry.error, Cancelled) for entry in report):
            after = StateAfter.CHANGED if done else StateAfter.UNCHANGED
            raise Cancelled(f"cancelled after {done} of {len(report)} guests were adopted", state_after=after)
        return tuple(report)


def settled(ref: InstanceRef, instance: Instance | None, operation: Operation[Instance] | None) -> Adoption:
    """What became of a guest, once that is known."""
    if operation is None:
        return Adoption(guest=ref, outcome=AdoptionOutcome.OWNED, instance=instance)
    try:
        return Adoption(guest=ref, outcome=AdoptionOutcome.ADOPTED, instance=operation.result())
    except VirtError as error:
        return Adoption(guest=ref, outcome=AdoptionOutcome.REFUSED, instance=instance, error=error)


def named(guests: Iterable[GuestLike]) -> tuple[InstanceRef, ...]:
    """The guests that a caller named, each once.

    Raises:
        InvalidSpec: something among them names no guest.
    """
    if isinstance(guests, str) or not isinstance(guests, Iterable):
        raise InvalidSpec("guests", guests, "several guests, or a function that chooses them")
    refs = [reference(guest) for guest in guests]
    return tuple({ref.uuid: ref for ref in refs}.values())
