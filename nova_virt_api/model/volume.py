"""Volumes of a storage service: what a guest uses of them, and who a node is to the service."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from nova_virt_api.capability import Feature
from nova_virt_api.model.check import check, check_text, check_type
from nova_virt_api.model.device_tag import DeviceAddress, check_tag
from nova_virt_api.model.disk import DiskBus
from nova_virt_api.model.image import ImageFormat
from nova_virt_api.model.secret import Secret
from nova_virt_api.model.volume_connection import CONNECTIONS, NEEDED, VolumeConnection

SERIAL: Final = re.compile(r"[A-Za-z0-9_-]{1,20}")
"""A virtio disk's serial number has twenty characters (VIRTIO 1.2, section 5.2.6)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LuksEncryption:
    """What is on the volume is encrypted with LUKS, outside of the guest, which sees it in clear.

    Args:
        passphrase: opens the volume, which was formatted before.
    """

    passphrase: Secret

    def __post_init__(self) -> None:
        check(isinstance(self.passphrase, Secret), "passphrase", type(self.passphrase).__name__, "a Secret")


@dataclass(frozen=True, slots=True, kw_only=True)
class Volume:
    """A volume that a guest uses and that outlives it.

    Args:
        id: the storage service's id for it.
        connection: how it is reached.
        boot: whether the guest boots from it; then it comes before the guest's own disks.
        bus: on which bus the guest sees it; None takes what suits the endpoint best.
        encryption: how what is on it is encrypted; None for not at all, or inside of the guest.
        shared: whether other guests use it at the same time; their systems have to agree on who writes.
        read_only: whether the guest may only read it.
        serial: the serial number that the guest sees, by which programs there find it, in place of its id: 1 to 20
            letters, digits, ``_`` or ``-``.
        tag: what programs in the guest are to know it by, with its address in their first-boot data: 1 to 60 characters
            without ``/`` and ``,``.
    """

    id: str
    connection: VolumeConnection
    boot: bool = False
    bus: DiskBus | None = None
    encryption: LuksEncryption | None = None
    shared: bool = False
    read_only: bool = False
    serial: str | None = None
    tag: str | None = None

    def __post_init__(self) -> None:
        check_text("id", self.id, 255)
        names = ", ".join(kind.__name__ for kind in CONNECTIONS)
        check_type("connection", self.connection, CONNECTIONS, f"one of: {names}")
        for field in ("boot", "shared", "read_only"):
            check_type(field, getattr(self, field), bool, "True or False")
        if self.bus is not None:
            check_type("bus", self.bus, DiskBus, "a DiskBus")
        if self.encryption is not None:
            check_type("encryption", self.encryption, LuksEncryption, "a LuksEncryption")
            raw = getattr(self.connection, "format", ImageFormat.RAW) is ImageFormat.RAW
            check(raw, "encryption", self.encryption, "encryption of volumes in raw format only")
        if self.serial is not None:
            good = isinstance(self.serial, str) and SERIAL.fullmatch(self.serial) is not None
            check(good, "serial", self.serial, "1 to 20 letters, digits, '_' or '-'")
        check_tag(self.tag)

    def features(self) -> Iterator[tuple[Feature, str]]:
        """What an endpoint must declare for this volume, each with the field that asks for it."""
        if (needed := NEEDED.get(type(self.connection))) is not None:
            yield needed, "connection"
        if self.bus is not None:
            yield Feature.VOLUME_BUS, "bus"
        if self.encryption is not None:
            yield Feature.VOLUME_ENCRYPTION, "encryption"
        if self.shared:
            yield Feature.VOLUME_SHARED, "shared"
        if self.read_only:
            yield Feature.VOLUME_READ_ONLY, "read_only"
        if self.serial is not None:
            yield Feature.VOLUME_SERIAL, "serial"
        if self.tag is not None:
            yield Feature.VOLUME_TAG, "tag"


@dataclass(frozen=True, slots=True, kw_only=True)
class AttachedVolume:
    """A volume that a guest uses, as the endpoint knows it.

    Args:
        id: the storage service's id for it.
        device: the endpoint's name for the guest's disk, e.g. ``vdb``; the guest may number its disks otherwise.
        bus: on which bus the guest sees it; None when not known.
        boot: whether the guest boots from it.
        encrypted: whether what is on it is decrypted outside of the guest.
        shared: whether other guests may use it at the same time.
        read_only: whether the guest may only read it.
        serial: the serial number by which the guest knows it; None when not known. A bus may show only its beginning.
        tag: the tag that the guest is told of it; None for none.
        address: where the guest's system finds it; None when not known.
    """

    id: str
    device: str | None = None
    bus: DiskBus | None = None
    boot: bool = False
    encrypted: bool = False
    shared: bool = False
    read_only: bool = False
    serial: str | None = None
    tag: str | None = None
    address: DeviceAddress | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class VolumeConnector:
    """Who a node is to a storage service.

    Args:
        node: name of the node.
        iscsi_initiator: its iSCSI qualified name; None when it has none.
        wwpns: port names of its fibre channel adapters.
        wwnns: node names of these.
        addresses: IP addresses that it reaches storage from, as far as known.
        nqn: its NVMe qualified name; None when it has none.
        nvme_host_id: the uuid that goes with it; None when it has none.
        system_uuid: uuid of its machine; None when not known.
        multipath: whether it reaches a volume that it connects over all paths that there are.
    """

    node: str
    iscsi_initiator: str | None = None
    wwpns: tuple[str, ...] = ()
    wwnns: tuple[str, ...] = ()
    addresses: tuple[str, ...] = ()
    nqn: str | None = None
    nvme_host_id: str | None = None
    system_uuid: str | None = None
    multipath: bool = False
