"""What lies in a fake world: guests, volumes, ports, images. All frozen; a change puts a new object in place."""

from dataclasses import dataclass, field, replace
from ipaddress import IPv4Address
from typing import Final
from uuid import UUID

from nova_virt_api.fake.backed_up import Backups
from nova_virt_api.fake.kept import Kept
from nova_virt_api.fake.machine import ORDINARY, Machine
from nova_virt_api.fake.outside_port import OutsidePort
from nova_virt_api.fake.resizing import Resizing
from nova_virt_api.model.diagnostics import Incident
from nova_virt_api.model.disk import DiskBus, DiskCache
from nova_virt_api.model.image import ImageFormat
from nova_virt_api.model.instance import HEALTHY, Health, Lifecycle, PowerState
from nova_virt_api.model.labels import NO_LABELS, Labels
from nova_virt_api.model.limits import DiskLimits, NicLimits
from nova_virt_api.model.nic import Nic, NicModel
from nova_virt_api.model.nic_binding import NicBinding
from nova_virt_api.model.record import Phase, Record
from nova_virt_api.model.spec import Firmware
from nova_virt_api.toolkit.device_list import TaggedDevice

LIFECYCLES: Final = {Phase.BUILDING: Lifecycle.BUILDING, Phase.DELETING: Lifecycle.DELETING}

STORED: Final = "stored volume"
"""Kind of a volume that no guest owns."""

LOG_LIMIT: Final = 64 * 1024
"""Bytes of console output that are kept of each guest."""

INCIDENT_LIMIT: Final = 20
"""Incidents that are kept of each guest."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Attachment:
    """A storage service's volume that a guest uses.

    Args:
        id: the service's id for it.
        boot: whether the guest boots from it.
        kind: how it is reached, in a word.
        bus: on which bus the guest sees it.
        encrypted: whether it is decrypted outside of the guest.
        shared: whether other guests may use it too.
        read_only: whether the guest may only read it.
        serial: the serial number that the guest sees.
        tag: what the guest is told of it.
        place: where the guest finds it: a number that none of its other volumes has.
        size_bytes: how large the guest was last told that it is; None if it was not.
    """

    id: str
    boot: bool
    kind: str
    bus: DiskBus = DiskBus.VIRTIO
    encrypted: bool = False
    shared: bool = False
    read_only: bool = False
    serial: str = ""
    tag: str | None = None
    place: int = 0
    size_bytes: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SharedDirectory:
    """A directory of its host that a guest uses.

    Args:
        tag: by what the guest asks for it.
        path: where it is on the host.
        read_only: whether the guest may only read.
    """

    tag: str
    path: str
    read_only: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Guest:
    """A guest as the fake hypervisor knows it.

    Args:
        native_id: the hypervisor's id, never used twice in a world.
        native_uuid: the hypervisor's uuid; a caller's spec chooses it.
        name: unique in the world.
        mark: the guest's record as it is written on the guest itself; a copy of the guest has a copy of it.
        power_state: whether it runs.
        node: the host that it lives on.
        vcpus: virtual CPUs.
        memory_bytes: memory.
        plugged_bytes: how much of it the guest was given while it ran.
        labels: the caller's pairs.
        disks: pool and name of its volumes, the one to boot from first.
        ports: names of its ports.
        firmware: what starts it.
        machine: what it is beside that.
        hostname: what it calls itself while booting.
        boots: how often it was started.
        ready_at: when the running boot is over, in seconds since the epoch; None when it is over or nothing runs.
        log: what it printed; None when the hypervisor keeps no log of it.
        health: what the hypervisor says about it.
        obeys: whether it stops when asked.
        has_agent: whether an agent connects once it has booted.
        passwords: whose passwords its agent has set, in this order.
        quiesced: whether its file systems are at rest because somebody asked for that.
        at_rest: whether they are for a snapshot that is being made, or whose maker is gone.
        attached: the volumes of a storage service that it uses.
        shared: the directories of its host that it uses.
        rescue: what the rescue system was made from that runs in its place; None when it is not rescued.
        torn: whether its boot disk is written anew, or was and not to its end.
        started_at: when it was started last, in seconds since the epoch.
        interrupts: how often it was interrupted for a crash dump.
        incidents: what happened to it, the latest first.
        points: its checkpoints, in the order in which they were taken.
        points_made: how many checkpoints it ever had.
        came_from: id of the checkpoint that it comes from.
        resizing: what it was before a resize that is neither confirmed nor reverted.
        attached_before: the volumes of a storage service that it used then.
        machine_before: what it was then.
        arrived: token of the resize or live migration by which it came from another world.
        moving: token of the live migration by which it is leaving.
        backups: what is known of its backups.
        told: what it was told of its devices when it was started last, or made.
    """

    native_id: str
    native_uuid: UUID
    name: str
    mark: Record | None = None
    power_state: PowerState = PowerState.SHUTDOWN
    node: str
    vcpus: int
    memory_bytes: int
    plugged_bytes: int = 0
    labels: Labels = NO_LABELS
    disks: tuple[tuple[str, str], ...] = ()
    ports: tuple[str, ...] = ()
    firmware: Firmware = Firmware.BIOS
    machine: Machine = ORDINARY
    hostname: str = ""
    boots: int = 0
    ready_at: float | None = None
    log: bytes | None = b""
    health: Health = HEALTHY
    obeys: bool = True
    has_agent: bool = False
    passwords: tuple[str, ...] = ()
    quiesced: bool = False
    at_rest: bool = False
    attached: tuple[Attachment, ...] = ()
    shared: tuple[SharedDirectory, ...] = ()
    rescue: str | None = None
    torn: bool = False
    started_at: float | None = None
    interrupts: int = 0
    incidents: tuple[Incident, ...] = ()
    points: tuple[Kept, ...] = ()
    points_made: int = 0
    came_from: str | None = None
    resizing: Resizing | None = None
    attached_before: tuple[Attachment, ...] = ()
    machine_before: Machine | None = None
    arrived: str | None = None
    moving: str | None = None
    backups: Backups = field(default_factory=Backups)
    told: tuple[TaggedDevice, ...] = ()

    @property
    def least_memory_bytes(self) -> int:
        """What it had before it was given more while it ran."""
        return self.memory_bytes - self.plugged_bytes

    @property
    def own_disks(self) -> tuple[tuple[str, str], ...]:
        """Its disks without the media that were made for its firmware and its first boot."""
        return tuple(key for key in self.disks if "-disk" in key[1])

    @property
    def record(self) -> Record | None:
        """The mark, unless it was copied here from another guest."""
        return self.mark if self.mark is not None and self.mark.native_id == self.native_id else None

    @property
    def uuid(self) -> UUID:
        """The identity that the API shows."""
        record = self.record
        return self.native_uuid if record is None else record.uuid

    @property
    def owner(self) -> str | None:
        """Who made it through the API."""
        record = self.record
        return None if record is None else record.owner

    @property
    def lifecycle(self) -> Lifecycle:
        """Where it stands in the life that the API gives it."""
        record = self.record
        if record is not None and record.phase is not Phase.READY:
            return LIFECYCLES[record.phase]
        if self.rescue is not None:
            return Lifecycle.RESCUED
        if self.moving is not None:
            return Lifecycle.MIGRATING
        if self.resizing is not None:
            return Lifecycle.RESIZE_PENDING
        return Lifecycle.ERROR if self.torn else Lifecycle.READY

    @property
    def finished(self) -> bool:
        """Whether its spawn is done and no destroy has begun."""
        record = self.record
        return record is None or record.phase is Phase.READY

    @property
    def boot_disk(self) -> tuple[str, str] | None:
        """The one of its own disks that it boots from."""
        from_volume = any(attachment.boot for attachment in self.attached)
        return self.own_disks[0] if self.own_disks and not from_volume else None

    def booted(self, now: float, seconds: float) -> "Guest":
        """The guest right after it was started; its firmware and kernel have printed."""
        lines = (
            f"[    0.000000] fake-bios: {self.name} ({self.uuid}), boot {self.boots + 1}",
            f"[    0.100000] fake-bios: {self.vcpus} vCPU, {self.memory_bytes // 1024**2} MiB",
            *(() if self.rescue is None else (f"[    0.150000] rescue system: {self.rescue}",)),
            *(f"[    0.200000] volume{index}: {volume.id}" for index, volume in enumerate(self.attached)),
            *(f"[    0.200000] disk{index}: {name}" for index, (_, name) in enumerate(self.own_disks)),
            *(f"[    0.300000] eth{index}: {name}" for index, name in enumerate(self.ports)),
        )
        awake = self.thawed()
        started = replace(awake, power_state=PowerState.RUNNING, boots=self.boots + 1, health=HEALTHY, started_at=now)
        printed = started.met(Incident(at=now, kind="start", message=f"boot {started.boots}")).printed(lines)
        return replace(printed, ready_at=now + seconds) if seconds else printed.settled()

    def settled(self) -> "Guest":
        """The guest when its boot is over: it prompts for a login and has its addresses."""
        hostname = "rescue" if self.rescue is not None else self.hostname or self.name
        return replace(self, ready_at=None).printed(("", f"{hostname} login: "))

    @property
    def frozen(self) -> bool:
        """Whether its file systems are at rest."""
        return self.quiesced or self.at_rest

    def thawed(self) -> "Guest":
        """The guest, writing again."""
        return replace(self, quiesced=False, at_rest=False)

    def stopped(self, to: PowerState = PowerState.SHUTDOWN) -> "Guest":
        """The guest without a boot in progress, in a state in which it does not run."""
        return replace(self, power_state=to, ready_at=None)

    def met(self, incident: Incident) -> "Guest":
        """The guest after something happened to it."""
        return replace(self, incidents=(incident, *self.incidents)[:INCIDENT_LIMIT])

    def printed(self, lines: tuple[str, ...]) -> "Guest":
        """The guest after it printed these lines."""
        if self.log is None:
            return self
        return replace(self, log=(self.log + "\n".join(lines).encode() + b"\n")[-LOG_LIMIT:])


@dataclass(frozen=True, slots=True, kw_only=True)
class Volume:
    """Something in a storage pool.

    Args:
        pool: the pool.
        name: unique in the pool; carries the guest's uuid.
        kind: ``disk``, ``seed``, ``nvram``, ``memory``, ``checkpoint``, ``image``, ``image copy``, ``kept disk``,
            ``stored volume`` or ``unfinished volume``.
        size_bytes: what it takes from the pool.
        uuid: the guest that it was made for, or the id of a volume that no guest owns; None for an image.
        owner: whose that is; None for a guest without a mark.
        content: what is on it, in words.
        image: what image it was made from, in words; empty where it was made from none.
        bus: the bus on which the guest sees it; None for what is no disk.
        limits: how fast the guest may use it.
        cache: how the host caches it.
        discard: whether space that the guest discards is given back.
        serial: the serial number that the guest sees.
        tag: what the guest is told of it.
        written: what the guest wrote onto it since it was made, each with its offset.
        base: name of the copy of an image in its pool that it is based on; empty where it stands alone.
        made_at: when a copy of an image was made, in seconds since the epoch.
        title: what people call a volume that no guest owns.
        origin: what that was made from: a digest, or ``blank``.
        format: how that is kept.
    """

    pool: str
    name: str
    kind: str
    size_bytes: int
    uuid: UUID | None = None
    owner: str | None = None
    content: str = ""
    image: str = ""
    bus: DiskBus | None = None
    written: tuple[tuple[int, bytes], ...] = ()
    limits: DiskLimits | None = None
    cache: DiskCache | None = None
    discard: bool = True
    serial: str | None = None
    tag: str | None = None
    base: str = ""
    made_at: float = 0.0
    title: str = ""
    origin: str = ""
    format: ImageFormat | None = None

    @property
    def key(self) -> tuple[str, str]:
        """Pool and name."""
        return self.pool, self.name

    @property
    def identity(self) -> UUID:
        """The id of a volume that no guest owns."""
        if self.uuid is None:
            raise ValueError(f"{self.name} is a {self.kind}")
        return self.uuid

    @property
    def belongs(self) -> bool:
        """Whether it lives and dies with its guest."""
        return self.kind not in {"image", "image copy", "kept disk", STORED}


@dataclass(frozen=True, slots=True, kw_only=True)
class Port:
    """A guest's connection to a network.

    Args:
        name: unique in the world; carries the guest's uuid.
        index: number of the port, never used twice in a world; MAC and IP address follow from it.
        network: the network.
        uuid: the guest that it was made for.
        owner: whose guest that is; None for a guest without a mark.
        mac: MAC address.
        model: the network card that the guest sees.
        vif_id: a network service's id for it.
        limits: how fast the guest may use it.
        queues: how many of the guest's CPUs may work on it at the same time.
        mtu: largest packet in bytes; None for the network's.
        link_up: whether the cable is plugged in.
        tag: what the guest is told of it.
        outside: the port of a switch outside of the world's networks; these then have no part in it.
    """

    name: str
    index: int
    network: str
    uuid: UUID
    owner: str | None = None
    mac: str
    model: NicModel = NicModel.VIRTIO
    vif_id: str | None = None
    limits: NicLimits | None = None
    queues: int = 1
    mtu: int | None = None
    link_up: bool = True
    tag: str | None = None
    outside: OutsidePort | None = None

    @property
    def binding(self) -> NicBinding | None:
        """The port of a switch outside of the world's networks, as it was asked for."""
        return None if self.outside is None else self.outside.binding

    @property
    def ip(self) -> IPv4Address:
        """The guest's address there: 192.0.2.1 to .254 first (RFC 5737), then 198.18.0.0/15 (RFC 2544)."""
        documentation = IPv4Address("192.0.2.1") + self.index
        return documentation if self.index < 254 else IPv4Address("198.18.0.1") + (self.index - 254)


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """A guest with what it is made of.

    Args:
        guest: the guest.
        volumes: its volumes, the one to boot from first.
        ports: its ports.
    """

    guest: Guest
    volumes: tuple[Volume, ...]
    ports: tuple[Port, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """An image that the hypervisor has.

    Args:
        name: what ``Native`` names it by.
        virtual_size_bytes: size of the disk that a guest sees.
        volume: pool and name of the volume that holds it; None for an image that was there from the start.
    """

    name: str
    virtual_size_bytes: int
    volume: tuple[str, str] | None = None


def nic_of(port: Port) -> Nic:
    """What would have to be asked for to get a port like this one."""
    network = port.network if port.binding is None else None
    return Nic(
        mac=port.mac,
        model=port.model,
        vif_id=port.vif_id,
        network=network,
        binding=port.binding,
        tag=port.tag,
    )


def mac_of(index: int) -> str:
    """The MAC address that a port gets unless the spec names one; 52:54:00 is QEMU's prefix."""
    return "52:54:00:" + ":".join(f"{byte:02x}" for byte in index.to_bytes(3, "big"))
