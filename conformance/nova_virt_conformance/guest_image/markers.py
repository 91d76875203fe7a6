"""Reads what the guest image tells on its serial console; the protocol is described in doc/reference/guest-image.md."""

from __future__ import annotations

import enum
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from ipaddress import IPv4Interface, IPv6Interface, ip_interface
from typing import Final
from uuid import UUID

from nova_virt_api.model.spec import Firmware

MARK: Final = "nova-virt-guest: "
"""What every line of the protocol begins with."""

# What firmware and shells send to steer a terminal (ECMA-48's control sequences), and what noise on a line may hold.
STEERING: Final = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]|[\x00-\x1f\x7f]")


class Stop(enum.Enum):
    """The orderly ways in which the guest ends."""

    POWEROFF = "poweroff"
    REBOOT = "reboot"
    HALT = "halt"


class SeedSource(enum.Enum):
    """Where the guest found its first-boot data."""

    NOCLOUD = "nocloud"
    CONFIG_DRIVE = "config-2"
    NONE = "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class GuestDisk:
    """A disk, CD or floppy drive as the guest sees it.

    Args:
        name: the guest's own name of it, e.g. ``vda``.
        size_bytes: 0 for a drive without a medium.
        bus: ``virtio``, ``virtio-scsi``, ``sata``, ``ide``, ``nvme``, ``xen``, ``floppy`` or ``scsi``.
        serial: None if the hypervisor gave it none.
    """

    name: str
    size_bytes: int
    bus: str
    serial: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class GuestNic:
    """A network card as the guest sees it.

    Args:
        interface: the guest's own name of it, e.g. ``eth0``.
        mac: its hardware address, in lower case.
        model: ``virtio``, ``e1000``, ``e1000e``, ``rtl8139``, ``vmxnet3``, ``xen``, or the name of the kernel's driver.
    """

    interface: str
    mac: str
    model: str


@dataclass(frozen=True, slots=True, kw_only=True)
class GuestAddress:
    """An address that the guest gave one of its network cards; link-local ones count."""

    interface: str
    mac: str
    address: IPv4Interface | IPv6Interface


@dataclass(frozen=True, slots=True, kw_only=True)
class GuestSeed:
    """The first-boot data that the guest read.

    Args:
        source: where it was.
        instance_id: None if there is none.
        hostname: the host name that the guest took.
        user_data_sha256: of the user data's bytes, in lower-case hexadecimal; None if there is none.
        network_config_sha256: the same of NoCloud's ``network-config`` or the config drive's ``network_data.json``.
    """

    source: SeedSource
    instance_id: str | None
    hostname: str
    user_data_sha256: str | None
    network_config_sha256: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class GuestReport:
    """What the guest told since it last started; None where it has not told (yet).

    Args:
        boots: how many starts the log shows; 0 if it begins after the last one.
        kernel: the release of its kernel.
        firmware: what started it.
        uuid: the machine's SMBIOS UUID.
        cpus: how many it sees.
        memory_bytes: what its kernel has left for use, less than the machine's memory.
        disks: as they are at the log's end, plugging and resizing included.
        nics: as they are at the log's end.
        addresses: as they are at the log's end.
        seed: its first-boot data.
        ssh_keys: the public keys in its metadata, each as type and base64 text without the comment.
        agent_running: whether the guest agent started; None for a machine without the agent's channel, too.
        user_data_exit: the exit code of user data that is a script.
        ready: the boot is over.
        passwords_of: whose passwords the agent set, in this order.
        power_button: the ACPI power button was pressed.
        stopping: the guest announced its end.
        unreadable: lines with the protocol's mark that are damaged or of an unknown kind.
    """

    boots: int = 0
    kernel: str | None = None
    firmware: Firmware | None = None
    uuid: UUID | None = None
    cpus: int | None = None
    memory_bytes: int | None = None
    disks: tuple[GuestDisk, ...] = ()
    nics: tuple[GuestNic, ...] = ()
    addresses: tuple[GuestAddress, ...] = ()
    seed: GuestSeed | None = None
    ssh_keys: tuple[str, ...] = ()
    agent_running: bool | None = None
    user_data_exit: int | None = None
    ready: bool = False
    passwords_of: tuple[str, ...] = ()
    power_button: bool = False
    stopping: Stop | None = None
    unreadable: tuple[str, ...] = ()

    @classmethod
    def read(cls, log: bytes) -> GuestReport:
        """Read a console log, whole or cut anywhere; whatever is not of the protocol is passed over.

        A last line without its end is left for the next time, since the guest may still be writing it.
        """
        report = cls()
        for line in _marked_lines(log):
            report = report._after(line)
        return report

    def _after(self, line: str) -> GuestReport:
        kind, _, fields = line.partition(" ")
        if kind in GRAMMAR:
            pattern, reader = GRAMMAR[kind]
            if match := re.fullmatch(pattern, fields):
                try:
                    return reader(self, *match.groups())
                except ValueError:  # of the shape, but no address, UUID or firmware
                    pass
        return replace(self, unreadable=(*self.unreadable, line))


def _marked_lines(log: bytes) -> Iterator[str]:
    """Yield the complete lines of the protocol, without their mark."""
    *lines, _unfinished = log.decode("utf-8", "replace").split("\n")
    for line in lines:
        plain = STEERING.sub("", line)
        if plain.startswith(MARK):
            yield plain.removeprefix(MARK)


def _known(value: str) -> str | None:
    return None if value == "none" else value


def _boot(report: GuestReport, kernel: str, firmware: str, uuid: str) -> GuestReport:
    known = _known(uuid)
    return GuestReport(
        boots=report.boots + 1, kernel=kernel, firmware=Firmware(firmware), uuid=UUID(known) if known else None
    )


def _cpus(report: GuestReport, count: str) -> GuestReport:
    return replace(report, cpus=int(count))


def _memory(report: GuestReport, kibibytes: str) -> GuestReport:
    return replace(report, memory_bytes=int(kibibytes) * 1024)


def _disk(report: GuestReport, name: str, size: str, bus: str, serial: str) -> GuestReport:
    disk = GuestDisk(name=name, size_bytes=int(size), bus=bus, serial=_known(serial))
    return replace(report, disks=(*_without_disk(report, name), disk))


def _disk_gone(report: GuestReport, name: str) -> GuestReport:
    return replace(report, disks=_without_disk(report, name))


def _without_disk(report: GuestReport, name: str) -> tuple[GuestDisk, ...]:
    return tuple(disk for disk in report.disks if disk.name != name)


def _seed(
    report: GuestReport, source: str, instance_id: str, hostname: str, user_data: str, network_config: str
) -> GuestReport:
    seed = GuestSeed(
        source=SeedSource(source),
        instance_id=_known(instance_id),
        hostname=hostname,
        user_data_sha256=_known(user_data),
        network_config_sha256=_known(network_config),
    )
    return replace(report, seed=seed)


def _ssh_key(report: GuestReport, key: str) -> GuestReport:
    return replace(report, ssh_keys=(*report.ssh_keys, key))


def _nic(report: GuestReport, interface: str, mac: str, model: str) -> GuestReport:
    others = tuple(nic for nic in report.nics if nic.interface != interface)
    return replace(report, nics=(*others, GuestNic(interface=interface, mac=mac, model=model)))


def _nic_gone(report: GuestReport, interface: str) -> GuestReport:
    return replace(
        report,
        nics=tuple(nic for nic in report.nics if nic.interface != interface),
        addresses=tuple(address for address in report.addresses if address.interface != interface),
    )


def _address(report: GuestReport, interface: str, mac: str, text: str) -> GuestReport:
    told = GuestAddress(interface=interface, mac=mac, address=ip_interface(text))

    def stays(known: GuestAddress) -> bool:
        if known.interface != interface or known.address.version != told.address.version:
            return True
        return known.address.version == 6 and known != told  # a new lease takes the place of the one before

    return replace(report, addresses=(*filter(stays, report.addresses), told))


def _agent(report: GuestReport, state: str) -> GuestReport:
    return replace(report, agent_running=state == "running")


def _user_data(report: GuestReport, code: str) -> GuestReport:
    return replace(report, user_data_exit=int(code))


def _ready(report: GuestReport) -> GuestReport:
    return replace(report, ready=True)


def _password(report: GuestReport, user: str) -> GuestReport:
    return replace(report, passwords_of=(*report.passwords_of, user))


def _power_button(report: GuestReport) -> GuestReport:
    return replace(report, power_button=True)


def _poweroff(report: GuestReport) -> GuestReport:
    return replace(report, stopping=Stop.POWEROFF)


def _reboot(report: GuestReport) -> GuestReport:
    return replace(report, stopping=Stop.REBOOT)


def _halt(report: GuestReport) -> GuestReport:
    return replace(report, stopping=Stop.HALT)


DIGEST: Final = r"([0-9a-f]{64}|none)"
MAC: Final = r"((?:[0-9a-f]{2}:){5}[0-9a-f]{2})"
GRAMMAR: Final[dict[str, tuple[str, Callable[..., GuestReport]]]] = {
    "boot": (r"(\S+) (\S+) uuid=(\S+)", _boot),
    "cpus": (r"(\d+)", _cpus),
    "memory": (r"(\d+)KiB", _memory),
    "disk": (r"(\S+) (\d+) (\S+) serial=(\S+)", _disk),
    "disk-gone": (r"(\S+)", _disk_gone),
    "seed": (
        rf"(\S+) instance-id=(\S+) hostname=(\S+) user-data-sha256={DIGEST} network-config-sha256={DIGEST}",
        _seed,
    ),
    "ssh-key": (r"(\S+ AAAA[A-Za-z0-9+/]+=*)", _ssh_key),
    "nic": (rf"(\S+) {MAC} (\S+)", _nic),
    "nic-gone": (r"(\S+)", _nic_gone),
    "address": (rf"(\S+) {MAC} (\S+/\d+)", _address),
    "agent": (r"(running|failed)", _agent),
    "user-data": (r"exit=(\d+)", _user_data),
    "ready": ("", _ready),
    "password": (r"(\S+)", _password),
    "power-button": ("", _power_button),
    "poweroff": ("", _poweroff),
    "reboot": ("", _reboot),
    "halt": ("", _halt),
}
"""Each kind of line: what stands after the kind, and what the groups in it do to the report."""
