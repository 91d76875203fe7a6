"""Profiles: named endpoints of the user's, in ``~/.config/nova-virt/profiles.yaml``."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from nova_virt_api.config.directories import config_dir
from nova_virt_api.errors import ConfigError

if TYPE_CHECKING:
    from nova_virt_api.config.profile_file import ProfileFile

VARIABLE: Final = "NOVA_VIRT_PROFILE"
EMBEDDED: Final = "fake"
"""The driver that needs nothing but Python; taken where nobody configured anything."""
EXAMPLE: Final = "it may hold: profiles: {lab: {driver: fake}}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """One named endpoint.

    Args:
        name: its name; None for the one that is taken where nothing is configured.
        driver: name of its driver.
        values: its options by name; secrets may still be references. Not printed by ``repr``.
        file: the file that it is from.
        lines: the line of each option in that file.
    """

    name: str | None
    driver: str
    values: Mapping[str, Any] = field(repr=False)
    file: Path | None = None
    lines: Mapping[str, int] = field(default_factory=dict, repr=False)

    def where(self, option: str) -> str:
        """File and line of an option, for errors."""
        return f"{self.file}:{self.lines[option]}" if option in self.lines else str(self.file or "")


def read_profile(name: str | None = None) -> Profile:
    """The profile of that name, or the one that is to be taken without a name.

    Without a name that is the profile which ``NOVA_VIRT_PROFILE`` names, then the file's ``default``; where there are
    no profiles at all, it is the embedded driver ``fake``. Its options are checked by :func:`read_endpoint`.

    Raises:
        ConfigError: no such profile; none was chosen though there are some; or the file is wrong, with file and line.
    """
    if name is not None and not isinstance(name, str):
        raise ConfigError("profile", f"must be a profile's name, got a {type(name).__name__}")
    path = config_dir() / "profiles.yaml"
    wanted = name or os.environ.get(VARIABLE) or None
    if not path.exists():
        if wanted is None:
            return Profile(name=None, driver=EMBEDDED, values={})
        raise ConfigError("profile", f"there is no profile {wanted!r}: {path} does not exist", hint=EXAMPLE)

    from nova_virt_api.config.profile_file import ProfileFile

    profiles = ProfileFile(path)
    chosen = wanted or profiles.default
    if chosen is None and profiles.names:
        raise ConfigError(
            "profile",
            f"none was chosen of those in {path}: {', '.join(profiles.names)}",
            hint=f"name one, set {VARIABLE}, or write default: NAME into the file",
        )
    return Profile(name=None, driver=EMBEDDED, values={}) if chosen is None else profile_in(profiles, chosen)


def profile_in(profiles: "ProfileFile", name: str) -> Profile:
    """A profile of the file."""
    values, lines = profiles.values(name)
    driver = values.pop("driver", None)
    if not isinstance(driver, str):
        where = f"{profiles.path}:{lines['driver']}" if "driver" in lines else str(profiles.path)
        raise ConfigError(f"profiles.{name}.driver", f"must name a driver ({where})", hint="e.g. driver: fake")
    return Profile(name=name, driver=driver, values=values, file=profiles.path, lines=lines)
