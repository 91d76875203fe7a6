"""What a host cannot do although libvirt does not say so, found by a guest that is started natively for a moment."""

from __future__ import annotations

import secrets
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

import libvirt
from lxml import etree
from lxml.builder import E

from nova_virt_api.capability import Feature
from nova_virt_libvirt.errors import message_of

if TYPE_CHECKING:
    from collections.abc import Mapping

NEEDS: Final[Mapping[Feature, str]] = {
    Feature.LOCKED_MEMORY: "libvirtd must be allowed to raise the limit on locked memory (CAP_SYS_RESOURCE)",
    Feature.NIC_LIMITS: "the host's kernel needs the modules sch_htb, sch_sfq and sch_ingress for traffic control",
}
"""What the host needs, for features of which libvirt does not tell whether they work."""


def lacking(native: Any, feature: Feature, network: str | None) -> str | None:
    """Why the host cannot do it; None if it can, or if libvirt itself knows.

    Args:
        native: the connection.
        feature: the feature.
        network: libvirt's name of a network for interfaces.
    """
    if feature not in NEEDS:
        return None
    try:
        domain = native.createXML(trial_xml(feature, network), libvirt.VIR_DOMAIN_START_AUTODESTROY)
    except libvirt.libvirtError as error:
        return f"{NEEDS[feature]}; a guest that was started natively failed: {message_of(error)}"
    with suppress(libvirt.libvirtError):  # it died by itself
        domain.destroy()
    return None


def trial_xml(feature: Feature, network: str | None) -> str:
    """A guest that has the feature and nothing else."""
    devices = E.devices(E.memballoon(model="none"), E.video(E.model(type="none")))
    domain = E.domain(
        E.name(f"nova-virt-rig-{secrets.token_hex(4)}"),
        E.memory("16", unit="MiB"),
        E.vcpu("1"),
        E.os(E.type("hvm", arch="x86_64", machine="q35")),
        devices,
        type="qemu",
    )
    if feature is Feature.LOCKED_MEMORY:
        domain.append(E.memoryBacking(E.locked()))
    elif network is not None:
        limits = E.bandwidth(E.inbound(average="1000"), E.outbound(average="1000"))
        devices.append(E.interface(E.source(network=network), limits, type="network"))
    return etree.tostring(domain, encoding="unicode")
