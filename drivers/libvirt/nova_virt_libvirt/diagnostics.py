"""A closer look at one guest, without asking its QEMU, which may hang."""

from typing import Any, Final

import libvirt

from nova_virt_api.driver.diagnostics import Diagnostics
from nova_virt_api.model.diagnostics import Diagnosis
from nova_virt_api.model.identity import InstanceRef
from nova_virt_libvirt.errors import translated
from nova_virt_libvirt.verbs import OnDomains

KINDS: Final = {
    libvirt.VIR_DOMAIN_RUNNING: "VIR_DOMAIN_RUNNING_",
    libvirt.VIR_DOMAIN_PAUSED: "VIR_DOMAIN_PAUSED_",
    libvirt.VIR_DOMAIN_SHUTDOWN: "VIR_DOMAIN_SHUTDOWN_",
    libvirt.VIR_DOMAIN_SHUTOFF: "VIR_DOMAIN_SHUTOFF_",
    libvirt.VIR_DOMAIN_CRASHED: "VIR_DOMAIN_CRASHED_",
}
"""How the names of the reasons for a state begin."""


class LibvirtDiagnostics(OnDomains, Diagnostics):
    """The role Diagnostics."""

    def diagnostics(self, guest: InstanceRef) -> Diagnosis:
        domain = self.domains.find(guest)
        shown = self.domains.instance(guest, fresh=True)
        with translated("look at the guest"):
            native = domain.urgent
            state, reason = native.state()
            *_, nanoseconds = native.info()  # virDomainGetInfo; of a guest that is off, zero
        return Diagnosis(
            health=shown.health,
            native_state=f"{shown.native_state}{in_brackets(reason_of(state, reason))}",
            cpu_seconds=nanoseconds / 1e9 if nanoseconds else None,
        )


def reason_of(state: int, reason: int) -> str:
    """Libvirt's word for why a guest is in a state; empty where it has none."""
    prefix = KINDS.get(state)
    words: dict[Any, str] = {
        value: name.removeprefix(prefix).replace("_", " ").lower()
        for name, value in vars(libvirt).items()
        if prefix is not None and name.startswith(prefix) and not name.endswith("_LAST")
    }
    return words.get(reason, "")


def in_brackets(word: str) -> str:
    """The word as an addition to another."""
    return f" ({word})" if word and word != "unknown" else ""
