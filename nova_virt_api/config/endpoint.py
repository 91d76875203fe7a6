"""Put together what a driver is built with. Nothing is opened here."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Protocol

from oslo_config import cfg

from nova_virt_api.config import common_options, directories, secret_reference
from nova_virt_api.config.file_access import READABLE_BY_OTHERS, refuse_access_by_others
from nova_virt_api.config.options import Options
from nova_virt_api.config.profile import Profile, read_profile
from nova_virt_api.config.value import convert
from nova_virt_api.driver.endpoint import Endpoint, Manage
from nova_virt_api.errors import ConfigError, DriverBug
from nova_virt_api.model.secret import Secret

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from nova_virt_api.driver.driver import Driver

LOG: Final = logging.getLogger(__name__)


class Loaded(Protocol):
    """What the loader found."""

    @property
    def name(self) -> str:
        """The name that the driver was found under."""

    @property
    def driver_class(self) -> type[Driver]:
        """Its class."""


@dataclass(frozen=True, slots=True)
class Given:
    """A value that somebody wrote for an option.

    Args:
        value: the value.
        field: what to call the option in an error.
        where: file and line, if it is from a profile.
    """

    value: Any
    field: str
    where: str = ""

    def placed(self, error: ConfigError) -> ConfigError:
        """The error with the place that the value is from."""
        if not self.where:
            return error
        message = error.message.removeprefix(f"{error.field}: ")
        return ConfigError(error.field, f"{message} ({self.where})", hint=error.hint)


def read_endpoint(
    driver: Loaded,
    *,
    profile: Profile | str | None = None,
    config: cfg.ConfigOpts | None = None,
    values: Mapping[str, Any] | None = None,
) -> Endpoint:
    """The endpoint that keywords, a profile or a program's own configuration describe.

    A keyword wins over the profile or ``config``, these win over the option's default. None as a keyword, and null in
    a profile, mean: not given. Options that are secret come as ``Secret``; references in them are followed now.

    Args:
        driver: the loaded driver.
        profile: a profile or its name; None takes none, whatever the environment says.
        config: the program's own configuration, not to be mixed with a profile. The driver's options are in the group
            named after it, the common ones in ``nova_virt``; they are registered if they are not. It is not changed
            otherwise.
        values: keywords: options of the driver, and ``owner``, ``manage``, ``cache_dir``, ``state_dir``.

    Raises:
        ConfigError: names the option, what it takes and, for a profile, file and line; never a secret.
        DriverBug: the driver's options are not usable.
    """
    chosen = read_profile(profile) if isinstance(profile, str) else profile
    if chosen is not None and config is not None:
        raise ConfigError("config", "a profile and a configuration cannot be given together")
    if chosen is not None and chosen.driver != driver.name:
        raise ConfigError("profile", f"profile {chosen.name!r} is for driver {chosen.driver!r}, not {driver.name!r}")
    own = options_of(driver)
    given = gather(driver.name, {**by_dest(common_options.COMMON), **by_dest(own)}, chosen, values or {})
    common = Options(read(common_options.COMMON, common_options.GROUP, given, chosen, config))
    return Endpoint(
        driver=driver.name,
        options=Options(read(own, driver.name, given, chosen, config)),
        owner=common.owner,
        manage=Manage(common.manage),
        cache_dir=directories.absolute("cache_dir", common.cache_dir) if common.cache_dir else directories.cache_dir(),
        state_dir=directories.absolute("state_dir", common.state_dir) if common.state_dir else directories.state_dir(),
    )


def options_of(driver: Loaded) -> Sequence[cfg.Opt]:
    """The driver's own options."""
    options = tuple(driver.driver_class.options())
    taken = by_dest(options).keys() & by_dest(common_options.COMMON).keys()
    if taken:
        raise DriverBug(f"driver {driver.name!r} declares options that every driver has: {', '.join(sorted(taken))}")
    return options


def by_dest(options: Sequence[cfg.Opt]) -> dict[str, cfg.Opt]:
    """The options by the name that Python code calls them, with their deprecated names."""
    names = {option.dest: option for option in options}
    for option in options:
        for old in option.deprecated_opts:
            names.setdefault((old.name or "").replace("-", "_"), option)
    return names


def gather(
    driver: str, known: Mapping[str, cfg.Opt], profile: Profile | None, keywords: Mapping[str, Any]
) -> dict[str, Given]:
    """What was written, by option; keywords win over the profile."""
    written: list[tuple[str, Given]] = []
    if profile is not None:
        written += [
            (name, Given(value, f"profiles.{profile.name}.{name}", profile.where(name)))
            for name, value in profile.values.items()
        ]
    written += [(name, Given(value, name)) for name, value in keywords.items()]
    given: dict[str, Given] = {}
    for name, entry in written:
        if name not in known:
            raise entry.placed(unknown(driver, entry.field, name, known))
        option = known[name]
        if name != option.dest:
            LOG.warning("option %s of driver %s is now called %s", name, driver, option.dest)
        if entry.value is not None:
            given[option.dest] = entry
    return given


def unknown(driver: str, field: str, name: str, known: Mapping[str, cfg.Opt]) -> ConfigError:
    """The error for an option that is not there. Its value is not shown: it may be a secret with a slip in its name."""
    from difflib import get_close_matches

    names = sorted({option.dest for option in known.values()})
    close = get_close_matches(name, names, n=1)
    hint = f"did you mean {close[0]!r}?" if close else f"there are: {', '.join(names)}"
    return ConfigError(field[:100], f"driver {driver!r} has no such option", hint=hint)


def read(
    options: Sequence[cfg.Opt],
    group: str,
    given: Mapping[str, Given],
    profile: Profile | None,
    config: cfg.ConfigOpts | None,
) -> dict[str, Any]:
    """The options' values: what was given, else the program's configuration, else the default."""
    if config is not None:
        register(config, options, group)
    values: dict[str, Any] = {}
    for option in options:
        if option.dest in given:
            value = read_given(option, given[option.dest], profile)
        else:
            value = read_default(option, group, config)
        if value is None and option.required:
            raise ConfigError(option.dest, f"must be given for driver {group!r}", hint=option.help or "")
        values[option.dest] = value
    return values


def read_given(option: cfg.Opt, entry: Given, profile: Profile | None) -> Any:
    """An option's value out of what was written for it."""
    value = entry.value.value if isinstance(entry.value, Manage) else entry.value
    try:
        if not option.secret:
            return convert(option, entry.field, value)
        if entry.where and isinstance(value, str) and profile is not None and profile.file is not None:
            refuse_access_by_others(profile.file, READABLE_BY_OTHERS, f"it holds {entry.field}, and others can read it")
        return secret(option, entry.field, secret_reference.resolve(entry.field, value))
    except ConfigError as error:
        problem = error
    raise entry.placed(problem) from problem.__cause__


def secret(option: cfg.Opt, field: str, value: Secret) -> Secret:
    """A secret whose text the option's type takes."""
    return Secret(str(convert(option, field, value.reveal())))


def read_default(option: cfg.Opt, group: str, config: cfg.ConfigOpts | None) -> Any:
    """An option's value in the program's configuration, or its default."""
    if config is None:
        value = None if option.default is None else convert(option, option.dest, option.default)
    else:
        value = configured(option, group, config)
    return Secret(str(value)) if option.secret and value is not None else value


def configured(option: cfg.Opt, group: str, config: cfg.ConfigOpts) -> Any:
    """An option's value in the program's configuration."""
    field = f"[{group}] {option.name}"
    try:
        return config[group][option.dest]
    except (cfg.Error, ValueError) as error:
        reason = "has a value that is not allowed" if option.secret else " ".join(str(error).split())
    raise ConfigError(field, reason)


def register(config: cfg.ConfigOpts, options: Sequence[cfg.Opt], group: str) -> None:
    """Make the options known to the program's configuration."""
    try:
        config.register_opts(list(options), group=group)
    except cfg.DuplicateOptError as error:
        raise ConfigError(f"[{group}]", f"the program uses an option of another meaning here: {error}") from error
