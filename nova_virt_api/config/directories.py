"""Where this user's files are, after the XDG Base Directory Specification. Nothing is made here."""

import os
from pathlib import Path
from typing import Final

from nova_virt_api.errors import ConfigError

APPLICATION: Final = "nova-virt"


def config_dir() -> Path:
    """The directory of the profiles: ``~/.config/nova-virt`` unless ``XDG_CONFIG_HOME`` says otherwise."""
    return base("XDG_CONFIG_HOME", ".config") / APPLICATION


def cache_dir() -> Path:
    """The directory of images that can be fetched again: ``~/.cache/nova-virt`` unless ``XDG_CACHE_HOME`` differs."""
    return base("XDG_CACHE_HOME", ".cache") / APPLICATION


def state_dir() -> Path:
    """The directory of what must stay: ``~/.local/state/nova-virt`` unless ``XDG_STATE_HOME`` says otherwise."""
    return base("XDG_STATE_HOME", ".local/state") / APPLICATION


def base(variable: str, default: str) -> Path:
    """A base directory; as the specification asks, a variable that is empty or not absolute does not count."""
    value = os.environ.get(variable, "")
    return Path(value) if Path(value).is_absolute() else absolute(variable, f"~/{default}")


def absolute(field: str, path: str) -> Path:
    """A path with ``~`` filled in, made absolute.

    Raises:
        ConfigError: there is no such home directory.
    """
    try:
        return Path(path).expanduser().absolute()
    except RuntimeError as error:
        raise ConfigError(field, "the home directory is not known", hint="give an absolute path") from error
