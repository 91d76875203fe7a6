"""One option's value: from what a person or program wrote to what the option's type says."""

import math
import os
import re
from collections.abc import Mapping
from typing import Any, Final

from oslo_config import cfg, types

from nova_virt_api.errors import ConfigError

KINDS: Final[tuple[tuple[type[types.ConfigType], tuple[type, ...], str], ...]] = (
    (types.Boolean, (bool, str), "true or false"),
    (types.Integer, (int, str), "a whole number"),
    (types.Number, (int, float, str), "a number"),
    (types.List, (list, tuple, str), "a list"),
    (types.Dict, (Mapping, str), "a mapping"),
    (types.URI, (str,), "a URI"),
    (types.ConfigType, (str, os.PathLike), "text"),
)
"""The first that an option's type belongs to: what may be written for it, and its name for people."""

LONGEST_SHOWN: Final = 80
USERINFO: Final = re.compile(r"(://)[^/@\s]*@")


def convert(option: cfg.Opt, field: str, value: object) -> Any:
    """The value as the option's type has it.

    Args:
        option: the option.
        field: what to call it in an error.
        value: what was given.

    Raises:
        ConfigError: the option does not take it; the text says what it takes and, unless it is secret, what came.
    """
    if option.multi:
        if not isinstance(value, list | tuple):
            raise refused(option, field, value)
        return [convert_one(option, field, member) for member in value]
    return convert_one(option, field, value)


def convert_one(option: cfg.Opt, field: str, value: object) -> Any:
    """One value of an option that may have several."""
    try:
        return typed(option.type, value)
    except (ValueError, TypeError, AttributeError, OverflowError):
        pass  # raised below, outside of this block: the native error repeats the value, which may be secret
    raise refused(option, field, value)


def typed(kind: types.ConfigType, value: object) -> Any:
    """The value after the type's own conversion, which by itself takes nearly anything for text."""
    _, accepted, _ = kind_of(kind)
    if not isinstance(value, accepted) or (isinstance(value, bool) and bool not in accepted):
        raise TypeError
    if isinstance(kind, types.List) and isinstance(value, list | tuple):
        value = [typed(kind.item_type, member) for member in value]
    converted = kind(os.fspath(value) if isinstance(value, os.PathLike) else value)
    if converted is None or (isinstance(converted, float) and not math.isfinite(converted)):
        raise ValueError
    return converted


def refused(option: cfg.Opt, field: str, value: object) -> ConfigError:
    """The error for a value that an option does not take."""
    came = "the value" if option.secret else shown(value)
    hint = "put it in quotes" if isinstance(value, int | float) and allowed(option).startswith("text") else ""
    return ConfigError(field, f"{came} is not allowed, it takes {allowed(option)}", hint=hint)


def allowed(option: cfg.Opt) -> str:
    """What an option takes, in words."""
    kind: Any = option.type
    words = kind_of(kind)[2]
    choices = getattr(kind, "choices", None)
    if choices:
        return f"one of {', '.join(str(choice) for choice in choices)}"
    lowest, highest = getattr(kind, "min", None), getattr(kind, "max", None)
    words += (f" from {lowest}" if lowest is not None else "") + (f" up to {highest}" if highest is not None else "")
    if getattr(kind, "max_length", None):
        words += f" of at most {kind.max_length} characters"
    if getattr(kind, "regex", None):
        words += f" that matches {kind.regex.pattern.strip(chr(92) + 'AZ^$')}"
    return f"a list of values, each {words}" if option.multi else words


def kind_of(kind: types.ConfigType) -> tuple[type[types.ConfigType], tuple[type, ...], str]:
    """The line of :data:`KINDS` for an option's type."""
    return next((line for line in KINDS if isinstance(kind, line[0])), KINDS[-1])


def shown(value: object) -> str:
    """A value for an error or a ``repr``: short, and without the user and password that a URL may hold."""
    text = USERINFO.sub(r"\1***@", repr(value))
    return text if len(text) <= LONGEST_SHOWN else f"{text[: LONGEST_SHOWN - 1]}…"
