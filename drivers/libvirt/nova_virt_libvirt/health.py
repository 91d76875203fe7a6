"""How well libvirt gets on with a guest's QEMU, as far as it tells without asking that QEMU."""

from typing import Any, Final

import libvirt

from nova_virt_api.errors import StateAfter, Timeout
from nova_virt_api.model.instance import HEALTHY, Condition, Health
from nova_virt_libvirt.errors import translated
from nova_virt_libvirt.native_call import SILENT

SILENT_MILLISECONDS: Final = 5000
"""A QEMU answers its monitor within milliseconds; after this time it counts as hung."""

NO_MONITOR: Final = frozenset(
    {libvirt.VIR_ERR_NO_SUPPORT, libvirt.VIR_ERR_OPERATION_INVALID, libvirt.VIR_ERR_NO_DOMAIN}
)
"""Answers of a driver without monitors, and for a guest that was stopped or removed just now."""


def health_of(domain: Any) -> Health:
    """Health of a running ``virDomain``.

    ``virDomainGetControlInfo`` looks at libvirt's own books only: whether the monitor broke, and since when a command
    has been waiting for an answer. A hung QEMU that nobody has asked anything looks fine.

    Raises:
        libvirt.libvirtError: the connection broke.
    """
    try:
        state, _, milliseconds = domain.controlInfo(0)
    except libvirt.libvirtError as error:
        if error.get_error_code() in NO_MONITOR:
            return HEALTHY
        raise
    if state == libvirt.VIR_DOMAIN_CONTROL_ERROR:
        return Health(Condition.DEGRADED, "libvirt has lost the monitor of the guest's QEMU")
    if state == libvirt.VIR_DOMAIN_CONTROL_OCCUPIED and milliseconds > SILENT_MILLISECONDS:
        return Health(Condition.UNRESPONSIVE, "the guest's QEMU does not answer its monitor")
    return HEALTHY


def refuse_silent(domain: Any, what: str) -> None:
    """Refuse to ask a QEMU that is known to hang, or each caller would wait anew and leave a request behind.

    Args:
        domain: the ``virDomain``, over a connection that no hung guest can hold up.
        what: what it would be asked for.

    Raises:
        Timeout: it hangs.
    """
    with translated(what):
        health = health_of(domain)
    if health.condition is Condition.UNRESPONSIVE:
        raise Timeout(what, f"{what}: {health.reason}", hint=SILENT, state_after=StateAfter.UNCHANGED)
