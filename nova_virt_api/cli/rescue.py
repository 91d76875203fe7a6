"""``nova-virt rescue`` and ``unrescue``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nova_virt_api.cli.command import Command, add_guest, add_timeout
from nova_virt_api.cli.connection import reference
from nova_virt_api.cli.create import add_image
from nova_virt_api.cli.given_image import given_image

if TYPE_CHECKING:
    import argparse

    from nova_virt_api.model.secret import Secret


class Rescue(Command):
    """Start a rescue system in a guest's place, with the guest's own disks at hand."""

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        add_guest(parser)
        add_image(parser, "The rescue system; the endpoint's own if not given.")
        parser.add_argument(
            "--password",
            metavar="REFERENCE",
            help="What the rescue system lets its user in with: env:NAME, file:PATH or keyring:SERVICE/USER.",
        )
        add_timeout(parser)

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        image, password = given_image(parsed_args), given_password(parsed_args.password)
        guest, submit = self.guest(parsed_args.guest), self.compute.submit
        self.finish(
            lambda reached: submit.rescue(
                guest, image=image, password=password, timeout=parsed_args.timeout, on_progress=reached
            )
        )
        self.say(f"{guest.name} is rescued")


class Unrescue(Command):
    """Stop the rescue system and start the guest from its own disk."""

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        add_guest(parser)
        add_timeout(parser)

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        guest, submit = self.guest(parsed_args.guest), self.compute.submit
        self.finish(lambda reached: submit.unrescue(guest, timeout=parsed_args.timeout, on_progress=reached))
        self.say(f"{guest.name} is running")


def given_password(text: str | None) -> Secret | None:
    """The password that a reference leads to.

    Raises:
        ConfigError: it leads nowhere, or is the password itself.
    """
    if text is None:
        return None
    from nova_virt_api.config.secret_reference import resolve

    return resolve("--password", reference("--password", text))
