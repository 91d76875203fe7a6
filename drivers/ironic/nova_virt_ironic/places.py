"""Which of a spec's places mean something here: the node, and nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nova_virt_api.errors import InvalidSpec

if TYPE_CHECKING:
    from nova_virt_api.model.spec import InstanceSpec

NONE: str = "None: a machine's disks are its own"


def check_places(spec: InstanceSpec) -> None:
    """Refuse places that there are not.

    Raises:
        InvalidSpec: names the field.
    """
    for index, disk in enumerate(spec.disks):
        if disk.pool is not None:
            raise InvalidSpec(f"disks[{index}].pool", disk.pool, NONE)
    if spec.placement.pool is not None:
        raise InvalidSpec("placement.pool", spec.placement.pool, NONE)
    for field in ("folder", "host"):
        value = getattr(spec.placement, field)
        if value is not None:
            raise InvalidSpec(f"placement.{field}", value, "None: the node is all there is to choose")
