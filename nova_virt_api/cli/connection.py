"""From the command's global options to an open endpoint."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from nova_virt_api.errors import ConfigError

if TYPE_CHECKING:
    import argparse

    from nova_virt_api.cli.report import Report
    from nova_virt_api.compute.compute import Compute
    from nova_virt_api.config import Profile
    from nova_virt_api.driver.driver import Driver

EMBEDDED: Final = "fake"
REFERENCES: Final = ("env", "file", "keyring")


class Connection:
    """The endpoint that the global options name; opened when it is first asked for.

    Args:
        options: the global options.
        report: where to say that nothing was named.
    """

    def __init__(self, options: argparse.Namespace, report: Report) -> None:
        self._options = options
        self._report = report
        self._compute: Compute | None = None

    @property
    def compute(self) -> Compute:
        """The open endpoint."""
        if self._compute is None:
            from nova_virt_api.compute.connect import connect

            self._compute = connect(**self.settings())
        return self._compute

    def unopened(self) -> Driver:
        """The driver, not opened."""
        from nova_virt_api.compute.connect import make_driver

        return make_driver(**self.settings())

    def driver_name(self) -> str:
        """The driver that the options, a profile or the lack of both name."""
        options = self._options
        return options.driver or str(profile_of(options.profile).driver)

    def settings(self) -> dict[str, Any]:
        """The keywords for ``connect``."""
        options = self._options
        profile = None if options.driver and not options.profile else profile_of(options.profile)
        driver = options.driver or str(profile and profile.driver)
        values = driver_options(driver, options.driver_options)
        if driver == EMBEDDED and "persist" not in values and (profile is None or "persist" not in profile.values):
            values["persist"] = True
        if not options.driver and profile is not None and profile.name is None:
            self._say_that_nothing_was_named()
        return {
            "driver": options.driver,
            "profile": options.profile,
            "owner": options.owner,
            "manage": options.manage,
            **values,
        }

    def forget(self) -> None:
        """Do not wait for what is under way when the command ends."""
        self._compute = None

    def close(self) -> None:
        """Disconnect."""
        if self._compute is not None:
            compute, self._compute = self._compute, None
            compute.close(cancel=True)

    def _say_that_nothing_was_named(self) -> None:
        if not self._options.quiet:
            self._report.note(
                "this is 'fake', whose guests exist only in a file;"
                " choose with --driver NAME or a profile ('nova-virt driver list')"
            )


def profile_of(name: str | None) -> Profile:
    """The profile of that name, or the one to take without a name."""
    from nova_virt_api.config import read_profile

    return read_profile(name)


def driver_options(driver: str, given: list[str]) -> dict[str, Any]:
    """The driver's options out of ``key=value`` texts.

    A secret is taken by reference only: a command line is seen by everybody on the machine.

    Raises:
        ConfigError: one is not of that form, is given twice, or is a secret written out.
        DriverLoadError: the driver, which tells what is secret, cannot be loaded.
    """
    values: dict[str, Any] = {}
    for text in given:
        key, equals, value = text.partition("=")
        name = key.strip().replace("-", "_")
        if not equals or not name:
            raise ConfigError("--option", "must be of the form KEY=VALUE", hint="e.g. --option uri=qemu:///system")
        if name in values:
            raise ConfigError(f"--option {name}", "is given twice")
        values[name] = value
    secret = secret_options(driver) if values else frozenset()
    return {
        name: reference(f"--option {name}", value, f"{name}=") if name in secret else value
        for name, value in values.items()
    }


def secret_options(driver: str) -> frozenset[str]:
    """Names of the driver's options that are secret."""
    from nova_virt_api.loading import load_driver

    return frozenset(option.dest for option in load_driver(driver).driver_class.options() if option.secret)


def reference(option: str, value: str, before: str = "") -> dict[str, str]:
    """Where a secret is, out of ``env:NAME``, ``file:PATH`` or ``keyring:SERVICE/USER``.

    Args:
        option: the option that it is given by.
        value: what was given.
        before: what stands before the value on the command line.

    Raises:
        ConfigError: the secret itself was given.
    """
    kind, colon, place = value.partition(":")
    if kind not in REFERENCES or not colon:
        raise ConfigError(
            option,
            "a secret does not belong on a command line, which everybody on this machine sees",
            hint=f"{before}env:NAME, {before}file:PATH or {before}keyring:SERVICE/USER",
        )
    return {kind: place}
