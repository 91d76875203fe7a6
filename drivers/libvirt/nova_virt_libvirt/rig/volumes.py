"""Volumes for the conformance kit: files in a storage pool, made natively, that guests are given as a service's."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from contextlib import suppress
from dataclasses import replace
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, Final
from uuid import uuid4

import libvirt
from lxml import etree
from lxml.builder import E
from tenacity import Retrying, retry_if_exception_message, stop_after_attempt

from nova_virt_api.model.disk import DiskBus
from nova_virt_api.model.host_connection import HostConnection
from nova_virt_api.model.secret import Secret
from nova_virt_api.model.units import MiB
from nova_virt_api.model.volume import AttachedVolume, LuksEncryption, Volume
from nova_virt_api.model.volume_connection import FileVolume, NbdVolume
from nova_virt_conformance.outcome import NotVerified

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PREFIX: Final = "conformance-volume-"
SIZE: Final = MiB(8)
PATIENCE: Final = 10.0
BUSES: Final = {bus.value: bus for bus in DiskBus}

MEASURED: Final = Retrying(
    retry=retry_if_exception_message(match=r"(?s).*Unable to get accurate CPU usage"),
    stop=stop_after_attempt(50),
    reraise=True,
)
"""On a busy machine QEMU cannot always tell how long it takes to try a passphrase, and then formats no volume."""


class PoolVolumes:
    """Makes and removes them.

    Args:
        native: the connection to do it with.
        pool: name of the storage pool.
    """

    def __init__(self, native: Any, pool: str) -> None:
        self._native = native
        self._pool = pool

    def new(self) -> Volume:
        """Another one, on a bus that lets go of disks without the help of an operating system."""
        return self._create(str(uuid4()))

    def new_local(self) -> Volume:
        """One that os-brick connects to this machine, where it is already: it needs no adapter and no kernel module."""
        made = self.new()
        native = self._native.storagePoolLookupByName(self._pool).storageVolLookupByName(PREFIX + made.id)
        return replace(made, connection=HostConnection.of("local", {"device_path": native.path()}))

    def _create(self, volume_id: str, *parts: Any) -> Volume:
        definition = E.volume(
            E.name(PREFIX + volume_id),
            E.capacity(str(SIZE), unit="bytes"),
            E.allocation("0"),
            E.target(E.format(type="raw"), *parts),
        )
        pool = self._native.storagePoolLookupByName(self._pool)
        made = pool.createXML(etree.tostring(definition, encoding="unicode"))
        return Volume(id=volume_id, connection=FileVolume(path=made.path()), bus=DiskBus.SCSI)

    def new_encrypted(self) -> Volume:
        """One that libvirt has formatted with LUKS; it needs the passphrase for that as a secret, for a moment."""
        passphrase, volume_id = f"luks{uuid4().hex}", str(uuid4())
        secret = self._native.secretDefineXML(
            etree.tostring(
                E.secret(E.usage(E.volume(PREFIX + volume_id), type="volume"), ephemeral="yes", private="yes"),
                encoding="unicode",
            )
        )
        try:
            secret.setValue(passphrase.encode())
            key = E.secret(type="passphrase", uuid=secret.UUIDString())
            made = MEASURED(self._create, volume_id, E.encryption(key, format="luks"))
        finally:
            secret.undefine()
        return replace(made, encryption=LuksEncryption(passphrase=Secret(passphrase)))

    def has(self, volume: Volume) -> bool:
        """Whether it is there still."""
        return PREFIX + volume.id in self._native.storagePoolLookupByName(self._pool).listVolumes()

    def remove_all(self) -> None:
        """Remove what was made."""
        with suppress(libvirt.libvirtError):  # the pool is gone, and they with it
            pool = self._native.storagePoolLookupByName(self._pool)
            for name in pool.listVolumes():
                if name.startswith(PREFIX):
                    pool.storageVolLookupByName(name).delete(0)


class Exports:
    """Serves files by NBD, on sockets that guests of this machine reach.

    Args:
        directory: where files and sockets are.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._servers: list[subprocess.Popen[bytes]] = []

    def new(self) -> Volume:
        """Another one."""
        server = shutil.which("qemu-nbd")
        if server is None:
            raise NotVerified("this machine has no qemu-nbd (Debian: qemu-utils)")
        volume_id = str(uuid4())
        path, socket = self._directory / f"{PREFIX}{volume_id}", self._directory / f"{volume_id[:8]}.nbd"
        path.touch()
        os.truncate(path, SIZE)
        command = [server, "--socket", str(socket), "--format", "raw", "--persistent", "--shared", "4"]
        self._servers.append(subprocess.Popen([*command, "--export-name", volume_id, str(path)]))
        end = time.monotonic() + PATIENCE
        while not socket.exists():
            if time.monotonic() > end:
                raise TimeoutError(f"not within {PATIENCE:g} s: qemu-nbd listens")
            time.sleep(0.01)
        return Volume(id=volume_id, connection=NbdVolume(socket=str(socket), export=volume_id), bus=DiskBus.SCSI)

    def close(self) -> None:
        """Stop serving."""
        for server in self._servers:
            server.kill()
            server.wait()


def is_volume(disk: Any) -> bool:
    """Whether a ``<disk>`` is such a volume."""
    return volume_id(disk) is not None


def volume_id(disk: Any) -> str | None:
    """Its id, by the name of its file or export; None for another disk."""
    source = disk.find("source")
    if source is not None and source.get("protocol") == "nbd":
        return str(source.get("name"))
    name = PurePath("" if source is None else source.get("file") or "").name
    return name.removeprefix(PREFIX) if name.startswith(PREFIX) else None


def volume_disks(definition: Any) -> Iterator[AttachedVolume]:
    """The volumes that a definition names, as the disks that they are."""
    for disk in definition.iterfind("devices/disk"):
        found = volume_id(disk)
        if found is not None:
            yield AttachedVolume(
                id=found,
                device=disk.find("target").get("dev"),
                bus=BUSES.get(disk.find("target").get("bus")),
                boot=disk.find("boot") is not None,
                encrypted=disk.find("source/encryption") is not None,
                shared=disk.find("shareable") is not None,
                read_only=disk.find("readonly") is not None,
                serial=disk.findtext("serial"),
            )
