"""``nova-virt create``."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from nova_virt_api.cli.command import add_timeout
from nova_virt_api.cli.conditions import WAIT_SECONDS, WORDS, condition
from nova_virt_api.cli.exit_codes import ExitCode
from nova_virt_api.cli.guest_fields import fields_of
from nova_virt_api.cli.output import ShowOne
from nova_virt_api.cli.request import DEFAULT_MEMORY, requested
from nova_virt_api.cli.running import run_wait, time_left
from nova_virt_api.errors import InstanceExists, InvalidSpec
from nova_virt_api.model.cloud_init import CloudInitSource
from nova_virt_api.model.cpu import CpuMode
from nova_virt_api.model.image import ImageFormat
from nova_virt_api.model.spec import Firmware
from nova_virt_api.model.tpm import TpmVersion
from nova_virt_api.specfile import spec_of
from nova_virt_api.specfile.said import Said

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from nova_virt_api.model.spec import InstanceSpec
    from nova_virt_api.specfile import Document


PRIVATE: Final = ("user_data", "metadata", "chap_password", "properties")
"""Fields of a spec file whose text is not repeated."""


class Create(ShowOne):
    """Make a guest, and start it."""

    epilog = (
        "A guest made from options gets a new uuid each time; with --repeatable, or from a spec file, the uuid is made"
        " from the name, and the same command again finds the guest that it made. "
        f"Conditions to wait for: {', '.join(WORDS)}."
    )

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("name", metavar="NAME", nargs="?", help="Name of the guest, unless the spec file has it.")
        parser.add_argument("--spec", metavar="FILE", help="A spec file in YAML, '-' for standard input.")
        add_machine(parser)
        add_disk(parser)
        add_first_boot(parser)
        add_placing(parser)
        parser.add_argument("--label", metavar="KEY=VALUE", action="append", default=[], help="May be repeated.")
        identity = parser.add_mutually_exclusive_group()
        identity.add_argument("--uuid", metavar="UUID", help="The guest's uuid.")
        identity.add_argument("--repeatable", action="store_true", help="Make the uuid from the name.")
        parser.add_argument("--dry-run", action="store_true", help="Check the request and print it as a spec file.")
        parser.add_argument("--wait", metavar="CONDITION", help="Wait until this holds for the guest.")
        add_timeout(
            parser,
            f"Give up after so many seconds, making and waiting together; if not given, making takes as long as it"
            f" takes and waiting {WAIT_SECONDS:g} seconds.",
        )

    def run(self, parsed_args: argparse.Namespace) -> int:
        if not parsed_args.dry_run:
            return super().run(parsed_args)
        document, _ = self._request(parsed_args)
        self.app.stdout.write(as_spec_file(document))
        return ExitCode.OK

    def take_action(self, parsed_args: argparse.Namespace) -> tuple[Sequence[str], Sequence[Any]]:
        began = time.monotonic()
        wanted = condition(parsed_args.wait) if parsed_args.wait else None
        document, spec = self._request(parsed_args)
        submit = self.compute.submit
        limit = time_left(began, parsed_args.timeout)
        try:
            guest = self.finish(lambda reached: submit.spawn(spec, timeout=limit, on_progress=reached))
        except InvalidSpec as error:
            raise document.placed(error) from error.__cause__
        if wanted is not None:
            timeout = WAIT_SECONDS if parsed_args.timeout is None else time_left(began, parsed_args.timeout)
            guest = run_wait(self.app, guest, wanted, timeout) or guest
        return self.dict2columns(fields_of(guest))

    def _request(self, parsed_args: argparse.Namespace) -> tuple[Document, InstanceSpec]:
        """What is asked for, as far as that can be checked without doing anything."""
        document = requested(parsed_args)
        name = document.data.get("name")
        if name is None:
            raise InvalidSpec("NAME", Said("nothing"), "a name, or a spec file that has one")
        self.about(str(name)[:80])
        spec = spec_of(document)
        capabilities = self.compute.capabilities(spec.placement.node)
        for feature, field in spec.features():
            capabilities.require(feature, document.origin(field) or field)
        for other in self.compute.instances():
            if other.name == spec.name and other.uuid != spec.uuid:
                raise InstanceExists(
                    f"there is a guest of this name already: {other.uuid}",
                    hint=f"take another name, or delete it first: nova-virt delete {other.uuid}",
                )
        return document, spec


def add_machine(parser: argparse.ArgumentParser) -> None:
    """What the guest is like."""
    parser.add_argument("--memory", metavar="SIZE", help=f"E.g. 512M or 2G; {DEFAULT_MEMORY} if not given.")
    parser.add_argument("--vcpus", metavar="NUMBER", type=int, help="Virtual CPUs; 1 if not given.")
    parser.add_argument("--max-memory", metavar="SIZE", help="How much 'resize --live' may give it.")
    parser.add_argument("--max-vcpus", metavar="NUMBER", type=int, help="How many 'resize --live' may give it.")
    parser.add_argument(
        "--firmware", choices=[firmware.value for firmware in Firmware], help="The endpoint's usual one if not given."
    )
    parser.add_argument(
        "--secure-boot", action="store_const", const=True, help="Start signed systems only; the firmware is UEFI then."
    )
    parser.add_argument(
        "--tpm", choices=[version.value for version in TpmVersion], help="Add a trusted platform module."
    )
    parser.add_argument(
        "--cpu-model",
        metavar="MODEL",
        help=f"The processor that the guest sees: {', '.join(mode.value for mode in CpuMode)}, or a model that the"
        " hypervisor knows; the endpoint's choice if not given.",
    )
    parser.add_argument(
        "--dedicated-cpus",
        action="store_const",
        const=True,
        help="Give each virtual CPU a processor of the host for itself.",
    )
    parser.add_argument(
        "--no-start", dest="power_on", action="store_const", const=False, help="Leave the guest stopped."
    )


def add_disk(parser: argparse.ArgumentParser) -> None:
    """The boot disk."""
    add_image(parser, "What the boot disk holds first. Without it and with --disk-size the disk is blank.")
    parser.add_argument("--disk-size", metavar="SIZE", help="Size of the boot disk; the image's own if not given.")


def add_image(parser: argparse.ArgumentParser, text: str) -> None:
    """An image."""
    parser.add_argument(
        "--image",
        metavar="IMAGE",
        help=f"{text} A file, an https:// URL, backend:URL for one that the backend fetches itself, native:REF for an"
        " image or template:REF for a machine that the backend has.",
    )
    parser.add_argument(
        "--image-format",
        choices=[image_format.value for image_format in ImageFormat],
        help="What the image is to be; found out if not given.",
    )
    parser.add_argument("--image-checksum", metavar="sha256:DIGEST", help="Checked before the image is used.")


def add_first_boot(parser: argparse.ArgumentParser) -> None:
    """Networks and first-boot data."""
    networks = parser.add_mutually_exclusive_group()
    networks.add_argument(
        "--network",
        metavar="NAME",
        action="append",
        help="Connect to this network; may be repeated. If not given, the endpoint's only one.",
    )
    networks.add_argument("--no-network", dest="network", action="store_const", const=[], help="Connect to no network.")
    parser.add_argument(
        "--vif",
        metavar="ID",
        action="append",
        default=[],
        help="Use this interface that a network service has made; may be repeated.",
    )
    add_cloud_init(parser)


def add_cloud_init(parser: argparse.ArgumentParser) -> None:
    """First-boot data."""
    parser.add_argument("--cloud-init", metavar="FILE", help="User data for cloud-init.")
    parser.add_argument(
        "--cloud-init-source",
        choices=[source.value for source in CloudInitSource],
        help="Where the guest looks for it; the driver's choice if not given.",
    )
    parser.add_argument(
        "--ssh-key", metavar="FILE", action="append", default=[], help="Public keys for cloud-init; may be repeated."
    )


def add_placing(parser: argparse.ArgumentParser) -> None:
    """Where the guest goes."""
    parser.add_argument("--pool", metavar="NAME", help="Storage pool; may be left out where there is one.")
    parser.add_argument("--node", metavar="NAME", help="Node to live on; may be left out where there is one.")


def as_spec_file(document: Document) -> str:
    """The request as a spec file, without what is or may be secret and is written out in it."""
    import yaml

    return yaml.safe_dump(without_secrets(document.data), sort_keys=False, allow_unicode=True)


def without_secrets(value: Any) -> Any:
    """Plain data of a spec file; secrets that are only referred to are left as they are."""
    if isinstance(value, Mapping):
        return {
            key: "(not shown)" if key in PRIVATE and isinstance(member, str) else without_secrets(member)
            for key, member in value.items()
        }
    return [without_secrets(member) for member in value] if isinstance(value, list) else value
