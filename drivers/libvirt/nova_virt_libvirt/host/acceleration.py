"""Which domain type new guests get: KVM where it really works, emulation elsewhere.

That libvirt lists KVM and that /dev/kvm opens does not mean that a guest can run: on nested or restricted hosts QEMU
dies when it sets up the processor. Only a guest that starts proves it.
"""

import logging
import secrets
import threading
from contextlib import suppress
from typing import Any, Final

import libvirt
from lxml import etree
from lxml.builder import E

from nova_virt_api.errors import VirtError
from nova_virt_libvirt.errors import message_of, translated
from nova_virt_libvirt.host.emulator import ARCHITECTURE, MACHINE

LOG: Final = logging.getLogger(__name__)
PREFIX: Final = "nova-virt-probe-"

_lock = threading.Lock()
_proven: dict[str, str | None] = {}
"""By the host's uuid: None if KVM works there, else why not."""


def choose(configured: str, native: Any, host: str, listed: frozenset[str]) -> str:
    """The domain type for new guests.

    Args:
        configured: the option ``virt_type``.
        native: the connection.
        host: the host's uuid; what was found there once holds as long as this process lives.
        listed: the domain types that libvirt lists.

    Raises:
        ConnectionLost: the connection broke during the probe.
    """
    if configured != "auto":
        return configured
    return "kvm" if why_no_kvm(native, host, listed) is None else "qemu"


def why_no_kvm(native: Any, host: str, listed: frozenset[str]) -> str | None:
    """Why KVM cannot be used there; None if it can. Starts a guest without disks for a moment to find out.

    Raises:
        ConnectionLost: the connection broke during the probe.
    """
    if "kvm" not in listed:
        return "libvirt lists no KVM on this host"
    with _lock:  # two probes at once would be one too many; each ends within seconds
        if host not in _proven:
            _proven[host] = probe(native)
            if _proven[host] is not None:
                LOG.info("KVM does not work on host %s, guests are emulated: %s", host, _proven[host])
        return _proven[host]


def probe(native: Any) -> str | None:
    """Start a guest with KVM and stop it; why it failed, or None. It vanishes with the connection whatever happens.

    Raises:
        ConnectionLost: the connection broke.
    """
    try:
        with translated("probe KVM"):
            domain = native.createXML(probe_xml(), libvirt.VIR_DOMAIN_START_AUTODESTROY)
            running = domain.state()[0] == libvirt.VIR_DOMAIN_RUNNING
            with suppress(libvirt.libvirtError):  # it died by itself
                domain.destroy()
    except VirtError as error:
        if error.retryable:
            raise
        cause = error.__cause__
        return message_of(cause) if isinstance(cause, libvirt.libvirtError) else error.message
    return None if running else "a guest that was started with it did not run on"


def probe_xml() -> str:
    """A guest that needs nothing and can do nothing."""
    domain = E.domain(
        E.name(PREFIX + secrets.token_hex(4)),
        E.description("nova-virt looks whether KVM works on this host; gone in a moment"),
        E.memory("16", unit="MiB"),
        E.vcpu("1"),
        E.os(E.type("hvm", arch=ARCHITECTURE, machine=MACHINE)),
        E.cpu(mode="host-passthrough", check="none"),
        E.on_poweroff("destroy"),
        E.on_reboot("destroy"),
        E.on_crash("destroy"),
        E.devices(E.memballoon(model="none"), E.video(E.model(type="none"))),
        type="kvm",
    )
    return etree.tostring(domain, encoding="unicode")
