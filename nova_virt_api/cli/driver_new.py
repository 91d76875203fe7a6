"""``nova-virt driver new``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from nova_virt_api.cli.command import Command
from nova_virt_api.cli.exit_codes import ExitCode
from nova_virt_api.errors import InvalidSpec
from nova_virt_api.loading import list_drivers
from nova_virt_api.skeleton.distribution import check_name, write_distribution

if TYPE_CHECKING:
    import argparse


class DriverNew(Command):
    """Make the skeleton of a driver: a distribution that installs, loads and is tested by the conformance kit."""

    epilog = "What is left to be written is listed in the README.md of the new directory."

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("name", metavar="NAME", help="The driver's name: lower-case letters and digits.")
        parser.add_argument(
            "--directory", metavar="DIR", type=Path, help="The directory to be made; nova-virt-NAME unless given."
        )

    def take_action(self, parsed_args: argparse.Namespace) -> int:
        name = parsed_args.name
        check_name(name)
        taken = {driver.name: driver.distribution for driver in list_drivers()}
        if name in taken:
            raise InvalidSpec("NAME", name, f"a name that no installed driver has: {taken[name]} offers this one")
        directory = parsed_args.directory or Path(f"nova-virt-{name}")
        write_distribution(name, directory)
        self.say(f"{directory}: made; next: pip install --editable '{directory}[test]', then read its README.md")
        return ExitCode.OK
