"""What something leaves behind: nothing new, nothing gone, a guest as it was."""

from __future__ import annotations

from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, Final

from nova_virt_conformance.outcome import NotVerified

if TYPE_CHECKING:
    from collections.abc import Iterator
    from uuid import UUID

    from nova_virt_conformance.lab import Lab

SHOWN: Final = (
    "uuid",
    "name",
    "owner",
    "power_state",
    "lifecycle",
    "native_id",
    "node",
    "vcpus",
    "memory_bytes",
    "labels",
)
"""What of an :class:`Instance` stays as it is while nobody touches the guest."""


@contextmanager
def leaving_nothing(lab: Lab, what: str) -> Iterator[None]:
    """What is done inside may leave nothing on the backend, and take nothing away.

    Args:
        lab: where.
        what: what is done, for the error.

    Raises:
        AssertionError: something was left, or is gone.
        NotVerified: the rig cannot look.
    """
    before = frozenset(lab.rig.backend_objects())
    yield
    after = frozenset(lab.rig.backend_objects())
    assert not after - before, f"{what} left behind: {', '.join(sorted(after - before))}"
    assert not before - after, f"{what} took away: {', '.join(sorted(before - after))}"


@contextmanager
def leaving_as_is(lab: Lab, guest: UUID, what: str) -> Iterator[None]:
    """What is done inside may change nothing of a guest, neither in the listing nor in the backend's own eyes.

    Args:
        lab: where.
        guest: the guest.
        what: what is done, for the error.

    Raises:
        AssertionError: something changed.
    """
    before = picture(lab, guest)
    yield
    after = picture(lab, guest)
    changed = [f"{name} from {before[name]} to {after[name]}" for name in before if before[name] != after[name]]
    assert not changed, f"{what} changed {'; '.join(changed)}"


def picture(lab: Lab, guest: UUID) -> dict[str, Any]:
    """All that can be seen of a guest and does not change by itself."""
    seen = lab.compute.instance(guest, fresh=True)
    shown = {name: getattr(seen, name) for name in SHOWN}
    with suppress(NotVerified):
        shown["hardware"] = lab.rig.hardware(guest)
    with suppress(NotVerified):
        shown["backend objects"] = sorted(lab.rig.backend_objects())
    return shown


def check_gone(lab: Lab, guest: UUID) -> None:
    """See that the API knows nothing of a guest any more."""
    assert not present(lab, guest), "the guest is still there"
    left = [str(leftover) for leftover in lab.compute.leftovers() if leftover.uuid == guest]
    assert not left, f"the driver lists what is left of the guest: {', '.join(left)}"


def present(lab: Lab, guest: UUID) -> bool:
    """Whether the guest is listed."""
    return any(seen.uuid == guest for seen in lab.compute.instances(fresh=True))
