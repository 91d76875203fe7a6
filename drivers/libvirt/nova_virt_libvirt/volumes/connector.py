"""Who the hypervisor's host is to storage services: by the name that QEMU logs in with, and by what os-brick says."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nova_virt_api.model.volume import VolumeConnector
from nova_virt_libvirt.volumes.source import initiator_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


def connector(node: str, host: str, told: Mapping[str, Any]) -> VolumeConnector:
    """Who the host is.

    Over many paths, it is the host that logs in to iSCSI targets, by its own name; else QEMU, by a name of its own.

    Args:
        node: name of the host.
        host: its uuid.
        told: what os-brick says of it.
    """
    multipath = bool(told.get("multipath"))
    own_name = told.get("initiator")
    return VolumeConnector(
        node=node,
        iscsi_initiator=str(own_name) if multipath and own_name else initiator_of(host),
        wwpns=texts(told.get("wwpns") or ()),
        wwnns=texts(told.get("wwnns") or ()),
        nqn=text(told.get("nqn")),
        nvme_host_id=text(told.get("nvme_hostid")),
        system_uuid=text(told.get("system uuid")),
        multipath=multipath,
    )


def text(value: Any) -> str | None:
    """A value of os-brick's as text; None for nothing."""
    return str(value) if value else None


def texts(values: Sequence[Any]) -> tuple[str, ...]:
    """Values of os-brick's as text."""
    return tuple(map(str, values))
