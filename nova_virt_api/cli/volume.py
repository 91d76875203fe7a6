"""``nova-virt volume connector``, ``list``, ``attach``, ``detach``, ``extend`` and ``swap``."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from nova_virt_api.cli import storage_volume
from nova_virt_api.cli.command import Command, add_guest, add_node, add_timeout
from nova_virt_api.cli.output import Lister, ShowOne
from nova_virt_api.model.instance import Scope
from nova_virt_api.specfile.reader import read_volume
from nova_virt_api.specfile.size import parse_size

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable, Sequence

    from nova_virt_api.compute.compute import Compute
    from nova_virt_api.model.volume import AttachedVolume

COLUMNS: Final = ("id", "device", "bus", "boot", "encrypted", "shared", "read_only", "serial", "tag", "address")
STORED: Final = "stored:"
FILE_HELP: Final = "YAML file that describes it, as under 'volumes' of a spec file; '-' reads standard input."


class VolumeConnectorShow(ShowOne):
    """Show who a node is to a storage service."""

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        add_node(parser)

    def take_action(self, parsed_args: argparse.Namespace) -> tuple[Sequence[str], Sequence[Any]]:
        connector = self.compute.volume_connector(parsed_args.node)
        fields = {
            "node": connector.node,
            "iscsi_initiator": connector.iscsi_initiator,
            "wwpns": list(connector.wwpns),
            "wwnns": list(connector.wwnns),
            "addresses": list(connector.addresses),
            "nqn": connector.nqn,
            "nvme_host_id": connector.nvme_host_id,
            "system_uuid": connector.system_uuid,
            "multipath": connector.multipath,
        }
        return self.dict2columns(fields)


class VolumeList(Lister):
    """List the volumes that a guest uses; without a guest, those that the endpoint keeps in its pools."""

    expendable = ("serial", "address", "boot", "encrypted", "tag", "owner", "allocation_bytes", "guests")

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("guest", metavar="GUEST", nargs="?", help="Name or uuid of the guest.")
        parser.add_argument("--all", action="store_true", help="Of the pools, also the volumes of others.")

    def take_action(self, parsed_args: argparse.Namespace) -> tuple[Sequence[str], Iterable[Sequence[Any]]]:
        if parsed_args.guest is None:
            found = self.compute.stored_volumes(scope=Scope.ALL if parsed_args.all else Scope.OWNED)
            return storage_volume.COLUMNS, [storage_volume.values_of(volume) for volume in found]
        return COLUMNS, [values_of(volume) for volume in self.compute.volumes(self.guest(parsed_args.guest))]


class VolumeAttach(ShowOne):
    """Let a guest use a volume of a storage service."""

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        add_guest(parser)
        parser.add_argument("file", metavar="FILE", help=f"{FILE_HELP} Or {STORED}NAME for a volume of a pool.")
        parser.add_argument("--tag", metavar="TAG", help="What programs in the guest are to know it by.")
        add_timeout(parser)

    def take_action(self, parsed_args: argparse.Namespace) -> tuple[Sequence[str], Sequence[Any]]:
        guest, submit = self.guest(parsed_args.guest), self.compute.submit
        if parsed_args.file.startswith(STORED):
            name = parsed_args.file.removeprefix(STORED)
            volume = storage_volume.find_stored(self.compute, name, scope=Scope.ALL).attachable()
        else:
            volume = read_volume(parsed_args.file)
        if parsed_args.tag is not None:
            volume = replace(volume, tag=parsed_args.tag)
        attached = self.finish(
            lambda reached: submit.attach_volume(guest, volume, timeout=parsed_args.timeout, on_progress=reached)
        )
        return COLUMNS, values_of(attached)


class VolumeDetach(Command):
    """Take a volume away from a guest; what is on it stays."""

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        add_guest(parser)
        add_volume(parser)
        add_timeout(parser)

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        guest, submit = self.guest(parsed_args.guest), self.compute.submit
        volume = id_of(parsed_args.volume, self.compute)
        was_there = volume in [attached.id for attached in self.compute.volumes(guest)]
        self.finish(
            lambda reached: submit.detach_volume(guest, volume, timeout=parsed_args.timeout, on_progress=reached)
        )
        self.say(f"{guest.name} has no volume {parsed_args.volume}{'' if was_there else ', and had none'}")


class VolumeExtend(Command):
    """Let a guest see that a volume has grown."""

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        add_guest(parser)
        add_volume(parser)
        parser.add_argument("size", metavar="SIZE", help="How large it is now, e.g. 20G.")
        add_timeout(parser)

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        guest, submit = self.guest(parsed_args.guest), self.compute.submit
        volume = id_of(parsed_args.volume, self.compute)
        size = parse_size("SIZE", parsed_args.size)
        self.finish(
            lambda reached: submit.extend_volume(guest, volume, size, timeout=parsed_args.timeout, on_progress=reached)
        )
        self.say(f"{guest.name} sees volume {parsed_args.volume} with {parsed_args.size}")


class VolumeSwap(ShowOne):
    """Copy a volume to another while the guest uses it, and let the guest use the other from then on."""

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        add_guest(parser)
        add_volume(parser)
        parser.add_argument("file", metavar="FILE", help=f"The other one: {FILE_HELP}")
        add_timeout(parser)

    def take_action(self, parsed_args: argparse.Namespace) -> tuple[Sequence[str], Sequence[Any]]:
        guest, submit = self.guest(parsed_args.guest), self.compute.submit
        volume, other = id_of(parsed_args.volume, self.compute), read_volume(parsed_args.file)
        swapped = self.finish(
            lambda reached: submit.swap_volume(guest, volume, other, timeout=parsed_args.timeout, on_progress=reached)
        )
        return COLUMNS, values_of(swapped)


def add_volume(parser: argparse.ArgumentParser) -> None:
    """The argument that names a volume of the guest."""
    text = f"Its id; 'volume list GUEST' shows it. Or {STORED}NAME for a volume of a pool."
    parser.add_argument("volume", metavar="VOLUME", help=text)


def id_of(volume: str, compute: Compute) -> str:
    """The id of a volume that was named in the way that ``volume attach`` understands."""
    if not volume.startswith(STORED):
        return volume
    return str(storage_volume.find_stored(compute, volume.removeprefix(STORED), scope=Scope.ALL).id)


def values_of(volume: AttachedVolume) -> tuple[Any, ...]:
    """A volume in plain values, in the order of the columns."""
    bus = volume.bus.value if volume.bus is not None else None
    flags = (volume.boot, volume.encrypted, volume.shared, volume.read_only)
    address = volume.address.text if volume.address is not None else None
    return (volume.id, volume.device, bus, *flags, volume.serial, volume.tag, address)
