"""Writes to a running guest's disk as its operating system would: through the device, by QEMU's monitor."""

from __future__ import annotations

from typing import Any

from lxml import etree

from nova_virt_conformance.outcome import NotVerified
from nova_virt_libvirt.backup.xml import guest_disks


def fill(native: Any, domain: Any, offset: int, length: int, byte: int) -> None:
    """Fill a stretch of a guest's boot disk.

    Raises:
        NotVerified: the guest is off, or has no disk.
    """
    import libvirt_qemu

    if not domain.isActive():
        raise NotVerified("only guests that run write to their disks here")
    definition = domain.XMLDesc(0)
    disks = guest_disks(native, definition)
    if not disks:
        raise NotVerified("the guest has no disk")
    target = disks[0].target
    alias = etree.fromstring(definition).xpath(f"string(devices/disk[target/@dev='{target}']/alias/@name)")
    device = f"/machine/peripheral/{alias}"
    device += "/virtio-backend" if alias.startswith("virtio-") else ""
    command = f'qemu-io -d {device} "write -P {byte} {offset} {length}"'
    told = libvirt_qemu.qemuMonitorCommand(domain, command, libvirt_qemu.VIR_DOMAIN_QEMU_MONITOR_COMMAND_HMP)
    assert not told.strip(), told  # noqa: S101 - the monitor says something only when it could not do it
