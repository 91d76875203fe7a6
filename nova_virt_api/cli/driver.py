"""``nova-virt driver list`` and ``driver show``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nova_virt_api.cli.output import Lister, ShowOne
from nova_virt_api.cli.report import one_line
from nova_virt_api.errors import VirtError
from nova_virt_api.loading import list_drivers, load_driver

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable, Sequence

    from nova_virt_api.driver.driver import Driver


class DriverList(Lister):
    """List the installed drivers, without loading any."""

    expendable = ("requires",)

    def take_action(self, parsed_args: argparse.Namespace) -> tuple[Sequence[str], Iterable[Sequence[Any]]]:
        rows = [
            (
                driver.name,
                driver.distribution,
                driver.version,
                driver.requires,
                None if driver.problem is None else driver.problem.public_message,
            )
            for driver in list_drivers()
        ]
        return ("name", "distribution", "version", "requires", "problem"), rows


class DriverShow(ShowOne):
    """Show a driver: its options, and what it can do at the endpoint if that can be reached."""

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("name", metavar="NAME", help="The driver.")

    def take_action(self, parsed_args: argparse.Namespace) -> tuple[Sequence[str], Sequence[Any]]:
        self.about(parsed_args.name)
        loaded = load_driver(parsed_args.name)
        fields: dict[str, Any] = {
            "name": loaded.name,
            "distribution": loaded.distribution,
            "version": loaded.version,
            "roles": sorted(roles_of(loaded.driver_class)),
            "options": options_of(loaded.driver_class),
            **self._endpoint(parsed_args.name),
        }
        return self.dict2columns(fields)

    def _endpoint(self, name: str) -> dict[str, Any]:
        """What the endpoint says; why there is no answer, if there is none."""
        options = self.app.options
        if options.driver is None and options.profile is None:
            options.driver = name
        try:
            if self.app.connection.driver_name() != name:
                return {"endpoint": f"not asked: the options name another driver, {self.app.connection.driver_name()}"}
            capabilities = self.compute.capabilities()
        except VirtError as error:
            return {"endpoint": one_line(f"not reached: {error.message}")}
        answers = {what.value: answer for what, answer in capabilities.answers.items()}
        return {
            "endpoint": f"{capabilities.backend} {capabilities.backend_version}".strip(),
            "available": sorted(name for name, answer in answers.items() if answer.available),
            "unavailable": {name: answer.reason for name, answer in sorted(answers.items()) if not answer.available},
        }


def roles_of(driver_class: type[Driver]) -> list[str]:
    """The roles that a driver's class has, by name."""
    found = (getattr(base, "capability", None) for base in driver_class.__mro__)
    return list({capability.value for capability in found if capability is not None})


def options_of(driver_class: type[Driver]) -> dict[str, Any]:
    """The driver's options by name: what each is for, and its default if it has one that is no secret."""
    options: dict[str, Any] = {}
    for option in driver_class.options():
        default = "(secret)" if option.secret else option.default
        told = {} if option.default is None else {"default": default}
        options[option.dest] = {**told, "help": one_line(option.help or "")}
    return options
