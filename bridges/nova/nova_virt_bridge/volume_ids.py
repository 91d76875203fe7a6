"""Under which id the endpoint knows a volume.

Cinder moves a volume between its back ends by another volume, which takes over the id of the first when the guest uses
it. The endpoint knows it by the id that it had then. That is written down in a label of the guest: nothing else of it
stays in Nova, as Cinder's word of a volume is asked for anew time and again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import nova_virt_api as virt

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from uuid import UUID

PREFIX: Final = "nova.volume."


def known_as(compute: virt.Compute, guest: UUID, volume_id: str) -> str:
    """The endpoint's id for a volume that Nova has under this one; the same for one that it has not."""
    there = {volume.id for volume in compute.volumes(guest)}
    noted = compute.instance(guest).labels.get(PREFIX + volume_id, "").split()
    return next((known for known in (volume_id, *noted) if known in there), volume_id)


def note(compute: virt.Compute, guest: UUID, volume_id: str, known: Sequence[str], *, timeout: float) -> None:
    """Write down that what Nova has under this id is one of these: of two, before one becomes the other."""
    relabel(compute, guest, {PREFIX + volume_id: " ".join(known)}, timeout=timeout)


def forget(compute: virt.Compute, guest: UUID, volume_id: str, *, timeout: float) -> None:
    """Forget what was written down of a volume that the guest does not have any more."""
    relabel(compute, guest, {PREFIX + volume_id: None}, timeout=timeout)


def relabel(compute: virt.Compute, guest: UUID, changes: Mapping[str, str | None], *, timeout: float) -> None:
    """Change some labels of a guest, None takes one away; the others stay."""
    now = dict(compute.instance(guest).labels)
    then = {key: value for key, value in (now | dict(changes)).items() if value is not None}
    if then != now:
        compute.update(guest, virt.InstanceUpdate(labels=then), timeout=timeout)
