"""``nova-virt password set``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nova_virt_api.cli.command import Command, add_guest, add_timeout
from nova_virt_api.cli.connection import reference

if TYPE_CHECKING:
    import argparse


class PasswordSet(Command):
    """Change a user's password inside a guest, by the guest's agent."""

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        add_guest(parser)
        parser.add_argument(
            "password",
            metavar="REFERENCE",
            help="Where the new password is: env:NAME, file:PATH or keyring:SERVICE/USER.",
        )
        parser.add_argument("--user", metavar="NAME", help="Whose; the administrator's if not given.")
        add_timeout(parser)

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        from nova_virt_api.config.secret_reference import resolve

        password = resolve("password", reference("password", parsed_args.password))
        guest, submit, user = self.guest(parsed_args.guest), self.compute.submit, parsed_args.user
        self.finish(
            lambda reached: submit.set_password(
                guest, password, user=user, timeout=parsed_args.timeout, on_progress=reached
            )
        )
        self.say(f"the password of {user or 'the administrator'} is set in {guest.name}")
