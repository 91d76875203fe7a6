"""The machine that Ironic deploys: a libvirt domain that nothing but its emulated BMC switches on.

It has no disk and nothing to start from until media are inserted, as new hardware. Source: libvirt's domain XML format.
"""

import os
import uuid
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import libvirt
from lxml import etree
from lxml.builder import E

from tools.ironic.installation import NotInstalledError

PREFIX: Final = "nova-virt-ironic-"
IMAGES: Final = Path("/var/lib/libvirt/images")
MEMORY_MIB: Final = 256
UNDEFINE: Final = libvirt.VIR_DOMAIN_UNDEFINE_NVRAM | libvirt.VIR_DOMAIN_UNDEFINE_MANAGED_SAVE


class Machine:
    """A domain that is off, and a storage pool for the media that its BMC inserts; both are there during the `with`.

    Both are made and removed by libvirt, so this needs no more rights than to use it.

    Args:
        uri: of the libvirt; its QEMU must reach this process's loopback interface.
        serial_port: of the loopback interface; the machine's serial line connects to it at each start.
    """

    def __init__(self, uri: str, serial_port: int) -> None:
        self.uri = uri
        self.uuid = str(uuid.uuid4())
        self.name = f"{PREFIX}{os.getpid()}-{self.uuid[:8]}"
        tail = uuid.UUID(self.uuid).bytes[:3]
        self.mac = "52:54:00:" + ":".join(f"{byte:02x}" for byte in tail)
        self._serial_port = serial_port

    def __enter__(self) -> Self:
        try:
            self._libvirt = libvirt.open(self.uri)
        except libvirt.libvirtError as error:
            raise NotInstalledError(f"no libvirt answers at {self.uri}: run tools/backend_libvirt") from error
        try:
            remove_abandoned(self._libvirt)
            self._make()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Remove the machine with its media and its firmware's variables."""
        remove(self._libvirt, self.name)
        self._libvirt.close()

    def media(self) -> list[str]:
        """The names of the media in its pool, inserted or left there."""
        pool = self._libvirt.storagePoolLookupByName(self.name)
        pool.refresh()
        return sorted(volume.name() for volume in pool.listAllVolumes())

    def inserted(self) -> list[str]:
        """The files of the media that the machine would start with."""
        xml = self._libvirt.lookupByUUIDString(self.uuid).XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE)
        return [str(source) for source in etree.fromstring(xml).xpath("devices/disk/source/@file")]

    def is_on(self) -> bool:
        """Whether it runs, as libvirt sees it."""
        return bool(self._libvirt.lookupByUUIDString(self.uuid).isActive())

    def _make(self) -> None:
        pool = self._libvirt.storagePoolDefineXML(pool_xml(self.name))
        pool.build()
        pool.create()
        self._libvirt.defineXML(domain_xml(self.name, self.uuid, self.mac, self._serial_port))


def pool_xml(name: str) -> str:
    """A directory of its own, below the one from which the hypervisor's user may read."""
    return etree.tostring(E.pool(E.name(name), E.target(E.path(str(IMAGES / name))), type="dir"), encoding="unicode")


def domain_xml(name: str, identity: str, mac: str, serial_port: int) -> str:
    """A UEFI machine without disks, with a network card that reaches nobody but its own DHCP server."""
    secure_boot = E.firmware(E.feature(enabled="no", name="secure-boot"))
    serial = E.source(
        E.reconnect(enabled="yes", timeout="1"), mode="connect", host="127.0.0.1", service=str(serial_port)
    )
    domain = E.domain(
        E.name(name),
        E.uuid(identity),
        E.memory(str(MEMORY_MIB), unit="MiB"),
        E.vcpu("1"),
        E.os(E.type("hvm", arch="x86_64", machine="q35"), secure_boot, firmware="efi"),
        E.features(E.acpi(), E.apic()),
        E.devices(
            E.controller(type="sata"),
            E.controller(type="usb", model="none"),
            E.serial(serial, E.protocol(type="raw"), E.target(port="0"), type="tcp"),
            E.interface(E.mac(address=mac), E.model(type="virtio"), type="user"),
            E.memballoon(model="none"),
        ),
        type="qemu",
    )
    return etree.tostring(domain, encoding="unicode")


def remove_abandoned(connection: libvirt.virConnect) -> None:
    """Remove what processes left that were killed: its name tells whose it was."""
    for name in set(names(connection)):
        owner = name.removeprefix(PREFIX).partition("-")[0]
        if owner.isdecimal() and not Path("/proc", owner).exists():
            remove(connection, name)


def names(connection: libvirt.virConnect) -> Iterator[str]:
    """The names of all machines and pools of this kind."""
    for thing in (*connection.listAllDomains(), *connection.listAllStoragePools()):
        if thing.name().startswith(PREFIX):
            yield thing.name()


def remove(connection: libvirt.virConnect, name: str) -> None:
    """Remove a machine and its pool, as far as they are there."""
    for domain in connection.listAllDomains():
        if domain.name() == name:
            if domain.isActive():
                domain.destroy()
            domain.undefineFlags(UNDEFINE)
    for pool in connection.listAllStoragePools():
        if pool.name() == name:
            remove_pool(pool)


def remove_pool(pool: libvirt.virStoragePool) -> None:
    """Remove a pool with its directory and what is in it."""
    if pool.isActive():
        pool.refresh()
        for volume in pool.listAllVolumes():
            volume.delete()
        pool.destroy()
    pool.delete()
    pool.undefine()
