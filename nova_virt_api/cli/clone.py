"""``nova-virt clone``."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

from nova_virt_api.cli.command import add_guest, add_timeout
from nova_virt_api.cli.create import add_cloud_init
from nova_virt_api.cli.given_image import given_cloud_init
from nova_virt_api.cli.guest_fields import fields_of
from nova_virt_api.cli.output import ShowOne
from nova_virt_api.errors import InstanceExists, InvalidSpec
from nova_virt_api.model.clone import CloneSpec
from nova_virt_api.model.identity import stable_uuid
from nova_virt_api.model.nic import Nic
from nova_virt_api.model.quiesce import Quiesce

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence


class Clone(ShowOne):
    """Make a copy of a guest, and start it."""

    epilog = (
        "A copy gets a new uuid each time; with --repeatable the uuid is made from its name, and the same command again"
        " finds the copy that it made. First-boot data, volumes of a storage service, passed-through devices and"
        " checkpoints of the original are not copied."
    )

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        add_guest(parser)
        parser.add_argument("name", metavar="NAME", help="Name of the copy.")
        networks = parser.add_mutually_exclusive_group()
        networks.add_argument(
            "--network",
            metavar="NAME",
            action="append",
            help="Connect the copy to this network instead of the original's; may be repeated.",
        )
        networks.add_argument(
            "--no-network", dest="network", action="store_const", const=[], help="Connect the copy to no network."
        )
        add_cloud_init(parser)
        parser.add_argument("--no-start", dest="power_on", action="store_false", help="Leave the copy stopped.")
        parser.add_argument(
            "--quiesce",
            choices=tuple(each.value for each in Quiesce),
            default=Quiesce.IF_POSSIBLE.value,
            help="Whether a running guest's agent brings its file systems to rest for the moment of the copy.",
        )
        parser.add_argument("--label", metavar="KEY=VALUE", action="append", default=[], help="May be repeated.")
        identity = parser.add_mutually_exclusive_group()
        identity.add_argument("--uuid", metavar="UUID", help="The copy's uuid.")
        identity.add_argument("--repeatable", action="store_true", help="Make the uuid from the name.")
        add_timeout(parser)

    def take_action(self, parsed_args: argparse.Namespace) -> tuple[Sequence[str], Sequence[Any]]:
        spec, quiesce = requested(parsed_args), Quiesce(parsed_args.quiesce)
        guest, submit = self.guest(parsed_args.guest), self.compute.submit
        for other in self.compute.instances():
            if other.name == spec.name and other.uuid != spec.uuid:
                raise InstanceExists(
                    f"there is a guest of this name already: {other.uuid}",
                    hint=f"take another name, or delete it first: nova-virt delete {other.uuid}",
                )
        copy = self.finish(
            lambda reached: submit.clone(guest, spec, quiesce=quiesce, timeout=parsed_args.timeout, on_progress=reached)
        )
        return self.dict2columns(fields_of(copy))


def requested(arguments: argparse.Namespace) -> CloneSpec:
    """What is asked for.

    Raises:
        InvalidSpec: an option's value is wrong.
    """
    networks: list[str] | None = arguments.network
    return CloneSpec(
        uuid=identity_of(arguments),
        name=arguments.name,
        labels=dict(label_of(text) for text in arguments.label),
        nics=None if networks is None else [Nic(network=network) for network in networks],
        cloud_init=given_cloud_init(arguments),
        power_on=arguments.power_on,
    )


def identity_of(arguments: argparse.Namespace) -> uuid.UUID:
    """The uuid as given, or made from the name, or a new one each time."""
    if arguments.uuid is None:
        return stable_uuid(arguments.name) if arguments.repeatable else uuid.uuid4()
    try:
        return uuid.UUID(arguments.uuid)
    except ValueError as error:
        raise InvalidSpec("--uuid", arguments.uuid, "a uuid") from error


def label_of(text: str) -> tuple[str, str]:
    """A label as typed."""
    key, equals, value = text.partition("=")
    if not equals:
        raise InvalidSpec("--label", text, "KEY=VALUE")
    return key, value
