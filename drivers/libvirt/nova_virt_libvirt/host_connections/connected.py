"""Volumes that the host connects for a guest: written down, connected, found again, and disconnected by the last user.

The guest's mark tells of a volume from before it is connected until it is disconnected, so whoever comes after a dead
caller takes it off; what is secret is kept by libvirt. A volume that several guests of this host use is one device,
which goes with the last of them.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from uuid import UUID

import libvirt
from lxml import etree
from lxml.builder import E

from nova_virt_api.errors import Busy, StateAfter, VirtError, VolumeError
from nova_virt_api.model.host_connection import HostConnection
from nova_virt_api.model.leftover import Leftover
from nova_virt_api.model.volume_connection import BlockVolume, FileVolume
from nova_virt_libvirt.definition import PARSER
from nova_virt_libvirt.devices.volume_disk import label_of
from nova_virt_libvirt.errors import translated
from nova_virt_libvirt.host_connections.note import Connected, HostConnectionNote, forget, remember
from nova_virt_libvirt.metadata import read_mark
from nova_virt_libvirt.volumes.secrets import HOST, define_secret, read_host_secret, remove_host_secret

if TYPE_CHECKING:
    from collections.abc import Mapping

    from nova_virt_api.model.volume import Volume
    from nova_virt_libvirt.host_connections.initiator import Device, Initiator


def noted(connection: HostConnection) -> Connected:
    """What is written down of a volume before it is connected."""
    return Connected(protocol=connection.protocol, properties=connection.properties)


class ConnectedVolumes:
    """The volumes that the host connects for one guest, whose claim is held.

    Args:
        connection: a connection to the endpoint.
        initiator: makes the devices.
        native: the guest.
    """

    def __init__(self, connection: libvirt.virConnect, initiator: Initiator, native: libvirt.virDomain) -> None:
        self._connection = connection
        self._initiator = initiator
        self._native = native
        self._uuid = UUID(bytes=native.UUID())

    def note(self) -> Mapping[str, Connected]:
        """All of them by id, connected or not."""
        with translated("look at the volumes that the guest's host connects"):
            return HostConnectionNote.of(read_mark(self._native)).volumes

    def begin(self, volume: Volume, connection: HostConnection) -> None:
        """Write down that a volume, which the guest does not use yet, is going to be connected.

        Raises:
            VolumeError: somebody had connected it otherwise, which cannot be undone.
        """
        known, wanted = self.note().get(volume.id), noted(connection)
        if known is not None and not known.is_same(wanted):
            self.release(volume.id)
        keep_secrets(self._connection, self._uuid, volume.id, connection)
        if known is None or not known.is_same(wanted):
            with translated("mark the guest's volume"):
                remember(self._native, volume.id, wanted)

    def connect(self, volume_id: str) -> Device:
        """Connect a volume that is written down. Idempotent.

        Raises:
            VolumeError: it cannot be connected, or is not written down any more.
        """
        with self._initiator.alone(volume_id):
            known = self.note().get(volume_id)
            if known is None:
                raise VolumeError(f"volume {volume_id} was detached meanwhile", hint="attach it again")
            hidden = self._hidden(volume_id)
            device = self._initiator.connect(volume_id, known.protocol, json.loads(known.properties), hidden)
            with translated("mark the guest's volume as connected"):
                remember(self._native, volume_id, replace(known, device=device.told))
        return device

    def connect_all(self) -> None:
        """Connect all that are written down and that the guest uses, and let its definition say where each is now.

        What somebody dead has left written down may be another host's by now.

        Raises:
            VolumeError: one cannot be connected.
        """
        noted_ids, used = self.note(), self._used()
        for volume_id in noted_ids:
            if volume_id not in used:
                continue
            device = self.connect(volume_id)
            with translated("say where the guest's volume is"):
                point(self._native, volume_id, device)

    def extend(self, volume_id: str) -> None:
        """Let the host see how large a volume is now; nothing happens to one that it does not connect.

        Raises:
            VolumeError: the host does not see it.
        """
        if (known := self.note().get(volume_id)) is not None:
            self._initiator.extend(volume_id, known.protocol, json.loads(known.properties), self._hidden(volume_id))

    def release(self, volume_id: str, *, force: bool = False) -> None:
        """Disconnect a volume that the guest does not use any more, unless another does. Idempotent.

        Args:
            volume_id: the volume.
            force: also one that does not answer any more.

        Raises:
            VolumeError: it cannot be disconnected.
        """
        if volume_id not in self.note():
            return
        if refusal := self._initiator.refusal:
            raise VolumeError(f"volume {volume_id} cannot be disconnected from here", hint=refusal)
        with self._initiator.alone(volume_id):
            known = self.note().get(volume_id)
            if known is None:
                return
            if not self._has_others(volume_id, known):
                properties, hidden = json.loads(known.properties), self._hidden(volume_id)
                try:
                    self._initiator.disconnect(volume_id, known.protocol, properties, known.device, hidden, force=force)
                except VolumeError as error:
                    error.leftovers, error.state_after = (leftover_of(self._uuid, volume_id),), StateAfter.CHANGED
                    raise
            with translated("mark the guest's volume as disconnected"):
                forget(self._native, volume_id)
            remove_host_secret(self._connection, self._uuid, volume_id)

    def release_all(self) -> None:
        """Disconnect all of a guest that is removed, as many as can be.

        Raises:
            VolumeError: some cannot be disconnected; tells why of the first.
        """
        failed: list[VirtError] = []
        for volume_id in self.note():
            try:
                self.release(volume_id, force=True)
            except VolumeError as error:
                failed.append(error)
            except Busy as error:  # of the volume, not of the guest
                left = (leftover_of(self._uuid, volume_id),)
                failed.append(VolumeError(error.message, hint=error.hint, leftovers=left))
        if failed:
            raise failed[0]

    def _used(self) -> set[str]:
        """The ids of volumes that are disks of the guest when it is started next, or are being swapped for one."""
        with translated("look at the guest's volumes"):
            definition = etree.fromstring(self._native.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE), PARSER)
        labels = [label for disk in definition.iterfind("devices/disk") if (label := label_of(disk)) is not None]
        return {label.id for label in labels} | {label.into for label in labels if label.into is not None}

    def _hidden(self, volume_id: str) -> dict[str, Any]:
        """What of a connection is secret."""
        hidden = read_host_secret(self._connection, self._uuid, volume_id)
        return json.loads(hidden) if hidden else {}

    def _has_others(self, volume_id: str, known: Connected) -> bool:
        """Whether another guest of this host has the same volume, or is about to."""
        with translated("look for other users of the volume"):
            for native in self._connection.listAllDomains(0):
                if native.UUID() != self._native.UUID():
                    others = volumes_of_mark(native)
                    if volume_id in others or any(known.is_same(other) for other in others.values()):
                        return True
        return False


def volumes_of_mark(native: libvirt.virDomain) -> Mapping[str, Connected]:
    """The volumes that the host connects for a guest; none for one that is gone."""
    try:
        return HostConnectionNote.of(read_mark(native)).volumes
    except libvirt.libvirtError as error:
        if error.get_error_code() != libvirt.VIR_ERR_NO_DOMAIN:
            raise
        return {}


def keep_secrets(connection: libvirt.virConnect, guest: UUID, volume_id: str, wanted: HostConnection) -> None:
    """Let libvirt keep what of a connection is secret."""
    if wanted.secrets is not None:
        define_secret(connection, guest, volume_id, HOST, wanted.secrets.reveal().encode())


def leftover_of(guest: UUID, volume_id: str) -> Leftover:
    """A volume that is still connected."""
    return Leftover(uuid=guest, kind="connection", name=volume_id)


def not_yet(volume: Volume) -> Volume:
    """A volume whose device is not known yet, as it stands in the definition of a guest that is being made."""
    name = hashlib.sha256(volume.id.encode()).hexdigest()[:16]
    return replace(volume, connection=BlockVolume(path=f"/dev/disk/by-id/nova-virt-{name}"))


def as_device(volume: Volume, device: Device) -> Volume:
    """A volume as the device of the host that it is now."""
    way = BlockVolume(path=device.path) if device.is_block else FileVolume(path=device.path)
    return replace(volume, connection=way)


def source_of(device: Device) -> etree._Element:
    """The ``<source>`` of a disk that is such a device."""
    return E.source(dev=device.path) if device.is_block else E.source(file=device.path)


def point(native: libvirt.virDomain, volume_id: str, device: Device) -> None:
    """Let a guest's definition say where a volume is."""
    definition = etree.fromstring(native.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE), PARSER)
    for disk in definition.iterfind("devices/disk"):
        label, source = label_of(disk), disk.find("source")
        if label is None or label.id != volume_id or source is None:
            continue
        wanted = source_of(device)
        if dict(source.attrib).items() >= dict(wanted.attrib).items():
            continue
        for name in ("dev", "file", "index"):
            source.attrib.pop(name, None)
        source.attrib.update(dict(wanted.attrib))
        disk.set("type", "block" if device.is_block else "file")
        native.updateDeviceFlags(etree.tostring(disk, encoding="unicode"), libvirt.VIR_DOMAIN_AFFECT_CONFIG)
