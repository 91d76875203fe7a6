"""Errors that name the options of a command in place of the library's fields."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from nova_virt_api.cli.output import size
from nova_virt_api.errors import InvalidSpec
from nova_virt_api.specfile.said import Said

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

SIZES: Final = ("--memory", "--disk-size")
"""Options whose values people give with units, and get back so."""


@contextmanager
def as_options(options: Mapping[str, str]) -> Iterator[None]:
    """Let errors of the block name options.

    Args:
        options: what the command calls a field, by the field's path; a number in brackets after it stays.
    """
    try:
        yield
    except InvalidSpec as error:
        field, bracket, number = error.field.partition("[")
        if field not in options:
            raise
        option, value = options[field], error.value
        if isinstance(value, int) and option in SIZES:
            value = Said(size(value))
        raise InvalidSpec(f"{option}{bracket}{number}", value, error.allowed, hint=error.hint) from error.__cause__
