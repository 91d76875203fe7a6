"""libvirt's domain states as ours."""

from typing import Final

import libvirt

from nova_virt_api.model.instance import PowerState

POWER_STATES: Final = {
    libvirt.VIR_DOMAIN_NOSTATE: PowerState.NOSTATE,
    libvirt.VIR_DOMAIN_RUNNING: PowerState.RUNNING,
    libvirt.VIR_DOMAIN_BLOCKED: PowerState.RUNNING,
    libvirt.VIR_DOMAIN_PAUSED: PowerState.PAUSED,
    libvirt.VIR_DOMAIN_SHUTDOWN: PowerState.RUNNING,  # being shut down, not yet off
    libvirt.VIR_DOMAIN_SHUTOFF: PowerState.SHUTDOWN,
    libvirt.VIR_DOMAIN_CRASHED: PowerState.CRASHED,
    libvirt.VIR_DOMAIN_PMSUSPENDED: PowerState.SUSPENDED,
}

NATIVE_NAMES: Final = {
    libvirt.VIR_DOMAIN_NOSTATE: "no state",
    libvirt.VIR_DOMAIN_RUNNING: "running",
    libvirt.VIR_DOMAIN_BLOCKED: "idle",
    libvirt.VIR_DOMAIN_PAUSED: "paused",
    libvirt.VIR_DOMAIN_SHUTDOWN: "in shutdown",
    libvirt.VIR_DOMAIN_SHUTOFF: "shut off",
    libvirt.VIR_DOMAIN_CRASHED: "crashed",
    libvirt.VIR_DOMAIN_PMSUSPENDED: "pmsuspended",
}
"""The words of ``virsh``."""

ACTIVE: Final = frozenset({PowerState.RUNNING, PowerState.PAUSED, PowerState.NOSTATE})
"""States in which the guest may have addresses."""


def power_state(state: int, *, saved: bool) -> PowerState:
    """What a domain's state means.

    Args:
        state: a ``virDomainState``.
        saved: whether its memory is kept in a managed save image, which it goes on from when it is started.
    """
    if state == libvirt.VIR_DOMAIN_SHUTOFF and saved:
        return PowerState.SUSPENDED
    return POWER_STATES.get(state, PowerState.NOSTATE)


def native_name(state: int, *, saved: bool) -> str:
    """Libvirt's own word for a domain's state."""
    name = NATIVE_NAMES.get(state, f"state {state}")
    return f"{name}, saved" if saved else name
