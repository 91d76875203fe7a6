"""Where a guest is that two hosts may have a domain of."""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING, Any, Final

import libvirt

from nova_virt_libvirt.errors import translated
from nova_virt_libvirt.remains import find_domain

if TYPE_CHECKING:
    from uuid import UUID

RUNNING: Final = libvirt.VIR_DOMAIN_RUNNING
PAUSED: Final = libvirt.VIR_DOMAIN_PAUSED
WAITING: Final = frozenset({libvirt.VIR_DOMAIN_PAUSED_MIGRATION, libvirt.VIR_DOMAIN_PAUSED_STARTING_UP})
"""Why CPUs stand still that have not begun to run there, or have ended to run here."""

STOPPED: Final = WAITING | {libvirt.VIR_DOMAIN_PAUSED_USER}
"""Why the CPUs of a guest stand still that is being moved."""

POSTCOPY: Final = frozenset({libvirt.VIR_DOMAIN_PAUSED_POSTCOPY, libvirt.VIR_DOMAIN_PAUSED_POSTCOPY_FAILED})


class Arrival(enum.Enum):
    """How far a guest has come, as its domain at the destination tells."""

    NONE = "none"
    """There is no domain."""

    COMING = "coming"
    """Its domain waits for memory and disks; it goes when whoever sends them does."""

    SPLIT = "split"
    """Its CPUs run there, or have, and some of its memory is still at the source: neither end is whole."""

    ARRIVED = "arrived"


def arrival(domain: Any) -> Arrival:
    """How far the guest has come that this is the domain of, at the destination; None is no domain."""
    if domain is None:
        return Arrival.NONE
    with translated("look at the guest at the destination"):
        try:
            state, reason = domain.state()
            persistent = bool(domain.isPersistent())
        except libvirt.libvirtError as error:
            if error.get_error_code() == libvirt.VIR_ERR_NO_DOMAIN:
                return Arrival.NONE
            raise
    if (state == PAUSED and reason in POSTCOPY) or (state, reason) == (RUNNING, libvirt.VIR_DOMAIN_RUNNING_POSTCOPY):
        return Arrival.SPLIT
    if not persistent or (state == PAUSED and reason in WAITING):
        return Arrival.COMING
    return Arrival.ARRIVED


def arrived_here(connection: Any, uuid: UUID) -> Arrival:
    """How far the guest has come to this endpoint."""
    with translated(f"look for guest {uuid}"):
        domain = find_domain(connection, uuid)
    return arrival(domain)


def is_moving(domain: Any) -> bool:
    """Whether libvirt works on the guest at the source: it moves it, or does something else that takes time."""
    with translated("look at the guest's job"):
        try:
            return bool(domain.jobInfo()[0] != libvirt.VIR_DOMAIN_JOB_NONE)
        except libvirt.libvirtError as error:
            if error.get_error_code() in (libvirt.VIR_ERR_NO_DOMAIN, libvirt.VIR_ERR_OPERATION_INVALID):
                return False  # it is not there, or does not run
            raise
