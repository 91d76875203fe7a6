"""The page says what becomes of every error, as the bridge's tables have it."""

import enum
import inspect
from typing import Any

import pytest
from nova import exception

import nova_virt_api as virt
import nova_virt_bridge.errors
from nova_virt_api import errors

COLUMNS = ("Error", "While", "Nova's exception", "What Nova does")
TABLES = (
    *("guest", "build", "stop", "destroy", "running", "console", "attach", "detach"),
    *("volume", "detach_volume", "move", "check", "host", "start"),
)


class State(enum.Enum):
    """A state that a guest is in."""

    OFF = "off"


ARGUMENTS: dict[type[errors.VirtError], tuple[Any, ...]] = {
    errors.Ambiguous: ("two of them", ("one", "other")),
    errors.ConfigError: ("option", "is wrong"),
    errors.HookFailed: ("before_start", "it raised"),
    errors.ImageRejected: ("debian", "not what was promised"),
    errors.InvalidSpec: ("vcpus", 0, "a positive number"),
    errors.InvalidState: (State.OFF, (State.OFF,)),
    errors.MigrationError: ("prepare", "the other end does not answer"),
    errors.NotSupported: (virt.Capability.PAUSE,),
}
"""What constructors want that take more than a message."""


def sample(kind: type[errors.VirtError]) -> errors.VirtError:
    """An error of this class."""
    if issubclass(kind, errors.DriverLoadError):
        return kind("libvirt", "cannot be loaded")
    return kind(*ARGUMENTS.get(kind, ("something happened",)))


def table(name: str) -> nova_virt_bridge.errors.Table:
    """One of the bridge's tables."""
    found: nova_virt_bridge.errors.Table = getattr(nova_virt_bridge.errors, name.upper())
    return found


def own_rows(name: str) -> list[type[errors.VirtError]]:
    """Which errors a table treats otherwise than the table for guests does."""
    inherited = () if name == "guest" else table("guest")
    return [kind for kind, make in table(name) if (kind, make) not in inherited]


def test_every_row_of_the_tables_is_there_and_no_other(page: Any) -> None:
    told = {(row["Error"].strip("`"), row["While"]) for row in page.rows(*COLUMNS)}
    assert told == {(kind.__name__, name) for name in TABLES for kind in own_rows(name)}


def test_there_is_no_table_that_is_not_looked_at() -> None:
    tables = [
        name.lower()
        for name, value in vars(nova_virt_bridge.errors).items()
        if name.isupper() and isinstance(value, tuple)
    ]
    assert sorted(tables) == sorted(TABLES)


@pytest.mark.parametrize("name", TABLES)
def test_every_error_becomes_what_the_page_says(page: Any, name: str) -> None:
    told = {row["Error"].strip("`"): row["Nova's exception"] for row in page.rows(*COLUMNS) if row["While"] == name}
    for kind in own_rows(name):
        became = nova_virt_bridge.errors.translated(sample(kind), table(name), None)
        assert f"`{type(became).__name__}`" in told[kind.__name__]


@pytest.mark.parametrize("name", TABLES)
def test_no_error_is_left_untranslated(name: str) -> None:
    for _, kind in inspect.getmembers(errors, inspect.isclass):
        if issubclass(kind, errors.VirtError):
            became = nova_virt_bridge.errors.translated(sample(kind), table(name), None)
            assert isinstance(became, exception.NovaException | NotImplementedError)
