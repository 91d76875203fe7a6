"""Where a secret is: in place, or in a file, an environment variable or the keyring. Read when an endpoint is made."""

import os
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any, Final

from nova_virt_api.config.directories import absolute
from nova_virt_api.errors import ConfigError, InvalidSpec
from nova_virt_api.model.secret import Secret

LARGEST: Final = 65536
"""Bytes of a secret's file; anything longer is taken for a wrong path."""

FORMS: Final = "text, or one of {file: PATH}, {env: NAME}, {keyring: SERVICE/USER}"


def resolve(field: str, value: object) -> Secret:
    """The secret that a value is or refers to.

    Args:
        field: the option's name for errors.
        value: text, a :class:`Secret`, or a mapping of one key: ``file``, ``env`` or ``keyring``.

    Raises:
        ConfigError: the reference leads nowhere or is none; the text never shows a value.
    """
    if isinstance(value, Secret):
        return value
    if isinstance(value, str):
        return secret_of(field, value)
    if not isinstance(value, Mapping) or len(value) != 1:
        raise ConfigError(field, f"the value is not allowed, it takes {FORMS}")
    (kind, place), *_ = value.items()
    if kind not in READERS or not isinstance(place, str) or not place:
        raise ConfigError(field, f"the reference is not allowed, it takes {FORMS}")
    return secret_of(field, READERS[kind](field, place))


def secret_of(field: str, text: str) -> Secret:
    """The secret that a text is.

    Raises:
        ConfigError: it cannot be written down, e.g. as it comes from an environment variable that is no UTF-8.
    """
    try:
        return Secret(text)
    except InvalidSpec as error:
        raise ConfigError(field, f"the value is not allowed, it takes {error.allowed}") from error


def from_file(field: str, path: str) -> str:
    """The text of a file without the newline at its end."""
    file = absolute(field, path)
    try:
        with file.open("rb") as stream:
            content = stream.read(LARGEST + 1)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise ConfigError(field, f"its file {file} cannot be read: {reason}") from error
    try:
        text = content.decode().removesuffix("\n").removesuffix("\r")
    except UnicodeDecodeError:
        text = ""
    if not text or len(content) > LARGEST:
        raise ConfigError(field, f"its file {file} holds no text of 1 to {LARGEST} bytes")
    return text


def from_environment(field: str, name: str) -> str:
    """The value of an environment variable."""
    text = os.environ.get(name, "")
    if not text:
        raise ConfigError(field, f"its environment variable {name} is not set", hint=f"set {name}")
    return text


def from_keyring(field: str, place: str) -> str:
    """A password of the user's keyring; the last slash parts the service from the user."""
    service, _, user = place.rpartition("/")
    if not service or not user:
        raise ConfigError(field, f"its keyring entry {place!r} is not of the form SERVICE/USER")
    try:
        keyring: Any = import_module("keyring")
    except ImportError as error:
        raise ConfigError(field, "the package keyring is not installed", hint="pip install keyring") from error
    try:
        text: str | None = keyring.get_password(service, user)
    except Exception as error:  # each keyring backend has errors of its own
        raise ConfigError(field, f"the keyring does not answer ({type(error).__name__})", hint="unlock it") from error
    if not text:
        raise ConfigError(field, f"the keyring has no entry {place!r}", hint=f"keyring set {service} {user}")
    return text


READERS: Final[dict[object, Callable[[str, str], str]]] = {
    "file": from_file,
    "env": from_environment,
    "keyring": from_keyring,
}
"""The key of a reference, and what follows it."""
