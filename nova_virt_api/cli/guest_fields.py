"""A guest in plain values. The names are stable: scripts use them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from nova_virt_api.model.instance import Instance

LISTED: Final = ("name", "uuid", "power_state", "owner", "addresses", "vcpus", "memory_bytes", "labels")
"""The columns of ``list``."""


def fields_of(guest: Instance) -> dict[str, Any]:
    """Everything that is known about a guest."""
    return {
        "name": guest.name,
        "uuid": str(guest.uuid),
        "power_state": guest.power_state.value,
        "lifecycle": guest.lifecycle.value,
        "health": guest.health.condition.value,
        "health_reason": guest.health.reason,
        "owner": guest.owner,
        "owned": guest.owned,
        "addresses": None if guest.addresses is None else [str(address) for address in guest.addresses],
        "vcpus": guest.vcpus,
        "memory_bytes": guest.memory_bytes,
        "labels": dict(guest.labels),
        "node": guest.node,
        "agent": guest.agent,
        "native_id": guest.native_id,
        "native_state": guest.native_state,
        "pending": guest.pending,
    }
