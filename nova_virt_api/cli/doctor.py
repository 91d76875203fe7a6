"""``nova-virt doctor``: what is in the way of using a hypervisor, and what to do about it."""

from __future__ import annotations

import json
import logging
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Final

from nova_virt_api.cli.command import Command
from nova_virt_api.cli.connection import EMBEDDED, Connection, profile_of
from nova_virt_api.cli.exit_codes import ExitCode
from nova_virt_api.cli.report import one_line
from nova_virt_api.compute.guard import guarded
from nova_virt_api.errors import ConfigError, DriverNotFound, VirtError
from nova_virt_api.loading import list_drivers, load_driver

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator, Sequence

    from nova_virt_api.driver.health_check import Check

LOG: Final = logging.getLogger(__name__)
LIBVIRT_HINT: Final = (
    "pip install nova-virt-libvirt; it compiles libvirt-python, which needs: apt install gcc pkg-config python3-dev"
    " libvirt-dev; or apt install python3-libvirt and use a virtual environment made with --system-site-packages"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What one check found.

    Args:
        driver: the driver that it is about.
        check: what was looked at.
        ok: whether it is fine.
        found: what was found.
        fix: what to do about it; empty if it is fine.
    """

    driver: str
    check: str
    ok: bool
    found: str
    fix: str = ""


class Doctor(Command):
    """Look whether hypervisors can be used, and say how to mend what cannot."""

    epilog = "Without --driver, --profile and a profile that is the default, every installed driver is looked at."

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("-f", "--format", choices=("text", "json"), default="text", help="Text, or JSON.")

    def take_action(self, parsed_args: argparse.Namespace) -> int:
        findings = []
        stdout = self.app.stdout
        for finding in self._findings():
            findings.append(finding)
            if parsed_args.format == "text":
                stdout.write(as_text(finding))
                stdout.flush()
        if parsed_args.format == "json":
            stdout.write(json.dumps([asdict(finding) for finding in findings], indent=2) + "\n")
        return ExitCode.OK if all(finding.ok for finding in findings) else ExitCode.FAILED

    def _findings(self) -> Iterator[Finding]:
        options = self.app.options
        if options.driver or options.profile or self._has_default():
            yield from self._about(self.app.connection.driver_name(), self.app.connection)
            return
        names = list(dict.fromkeys(driver.name for driver in list_drivers()))
        for name in names:
            chosen = type(options)(**{**vars(options), "driver": name})
            connection = Connection(chosen, self.app.report)
            try:
                yield from self._about(name, connection)
            finally:
                connection.close()
        if set(names) <= {EMBEDDED}:
            yield Finding(
                driver="libvirt",
                check="driver",
                ok=False,
                found="no driver for a real hypervisor is installed",
                fix=LIBVIRT_HINT,
            )

    def _has_default(self) -> bool:
        """Whether a profile says what other commands use."""
        try:
            return profile_of(None).name is not None
        except ConfigError as error:  # there are profiles, and none is chosen
            self.app.report.error(error)
            return False

    def _about(self, name: str, connection: Connection) -> Iterator[Finding]:
        """Whether a driver can be loaded; what it says of its endpoint; whether that can be opened."""
        try:
            loaded = load_driver(name)
        except VirtError as error:
            yield failure(name, "driver", error)
            return
        yield Finding(driver=name, check="driver", ok=True, found=f"{loaded.distribution} {loaded.version}")
        try:
            driver = connection.unopened()
        except VirtError as error:
            yield failure(name, "options", error)
            return
        try:
            checks: Sequence[Check] = guarded("doctor", None, driver.doctor)
        except VirtError as error:
            yield failure(name, "checks", error)
            checks = ()
        for check in checks:
            yield Finding(driver=name, check=check.name, ok=check.ok, found=check.found, fix=check.fix)
        try:
            capabilities = connection.compute.capabilities()
        except VirtError as error:
            yield failure(name, "connection", error)
        else:
            found = f"{capabilities.backend} {capabilities.backend_version}"
            yield Finding(driver=name, check="connection", ok=True, found=found)


def failure(driver: str, check: str, error: VirtError) -> Finding:
    """A finding out of an error, whose cause ``--debug`` shows."""
    LOG.debug("%s: %s", driver, check, exc_info=error)
    hint = error.hint
    if isinstance(error, DriverNotFound) and driver == "libvirt":
        hint = LIBVIRT_HINT
    return Finding(driver=driver, check=check, ok=False, found=error.message, fix=hint)


def as_text(finding: Finding) -> str:
    """A finding for people, its remedy on a line of its own; what works and could be better is a note."""
    verdict = "FAIL" if not finding.ok else "note" if finding.fix else "ok"
    line = f"{verdict:<4}  {finding.driver:<10} {finding.check:<14} {one_line(finding.found)}\n"
    return line if not finding.fix else f"{line}      to do: {one_line(finding.fix)}\n"
