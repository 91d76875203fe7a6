"""The page names every method of Nova's interface, and says of each what is true."""

import ast
import functools
import importlib
import inspect
import pkgutil
import re
import textwrap
from collections.abc import Iterator
from typing import Any

import pytest
from nova.virt.driver import ComputeDriver

import nova_virt_api.driver
import nova_virt_api.model
from nova_virt_bridge.driver import BridgeDriver

COLUMNS = ("Method", "Status", "How")
PLANNED = re.compile(r"planned: ([A-Z]\w+)\.(\w+)")
TO_FOLLOW = re.compile(r"to follow: ([A-Z]\w+)\.(\w+)")
METHODS = sorted(name for name, _ in inspect.getmembers(ComputeDriver, inspect.isroutine) if not name.startswith("_"))


def status(page: Any, method: str) -> str:
    """What the page says of a method."""
    found: str = page.names(*COLUMNS)[method]["Status"]
    return found


def overridden(method: str) -> bool:
    """Whether the bridge has a method of its own."""
    return inspect.getattr_static(BridgeDriver, method) is not inspect.getattr_static(ComputeDriver, method)


def raises_not_implemented(method: str) -> bool:
    """Whether Nova's own method does nothing but say that it is not there."""
    source = textwrap.dedent(inspect.getsource(getattr(ComputeDriver, method)))
    return any(
        isinstance(node, ast.Raise) and "NotImplementedError" in ast.dump(node) for node in ast.walk(ast.parse(source))
    )


@functools.cache
def contract() -> dict[str, type]:
    """The classes of the contract: the driver, its roles, and all that crosses it."""
    return dict(classes(nova_virt_api.driver)) | dict(classes(nova_virt_api.model))


def classes(package: Any) -> Iterator[tuple[str, type]]:
    """The classes that a package's modules define."""
    for module in pkgutil.iter_modules(package.__path__, f"{package.__name__}."):
        yield from inspect.getmembers(importlib.import_module(module.name), inspect.isclass)


def test_every_method_of_nova_is_there_and_no_other(page: Any) -> None:
    assert sorted(page.names(*COLUMNS)) == METHODS
    assert len(METHODS) == 108, "Nova has changed its interface: look again at what the page says in its first lines"


def test_the_bridge_offers_nothing_that_nova_does_not_ask_for(page: Any) -> None:
    parts = {part for part in BridgeDriver.__mro__ if part.__module__.startswith("nova_virt_bridge")}
    overrides = {name for part in parts for name in vars(part) if name in METHODS}
    assert overrides == {name for name in METHODS if status(page, name) == "done"}


@pytest.mark.parametrize("method", METHODS)
def test_its_status_is_true(page: Any, method: str) -> None:
    told = status(page, method)
    if told == "done":
        assert overridden(method)
        return
    assert not overridden(method), f"the bridge has it, and the page says: {told}"
    if told == "Nova's":
        assert not raises_not_implemented(method), "Nova's own method only raises NotImplementedError"
    elif told == "left out":
        assert raises_not_implemented(method), "Nova's own method does something: its status is \"Nova's\""
    else:
        assert PLANNED.fullmatch(told) or TO_FOLLOW.fullmatch(told), f"a status that nobody knows: {told}"


def test_what_is_planned_is_not_in_the_contract_yet(page: Any) -> None:
    for method, row in page.names(*COLUMNS).items():
        if planned := PLANNED.fullmatch(row["Status"]):
            holder, verb = planned.groups()
            there = contract().get(holder)
            assert not hasattr(there, verb), f"{holder}.{verb} has come: let the bridge's {method} use it"


def test_what_is_to_follow_is_in_the_contract(page: Any) -> None:
    for row in page.rows(*COLUMNS):
        if follows := TO_FOLLOW.fullmatch(row["Status"]):
            holder, verb = follows.groups()
            assert hasattr(contract()[holder], verb), f"the contract has no {holder}.{verb}"


def test_all_that_is_planned_is_listed(page: Any) -> None:
    listed = page.names("Verb", "What", "Comes with")
    for row in page.rows(*COLUMNS):
        if planned := PLANNED.fullmatch(row["Status"]):
            assert planned.group(1) in listed


def test_each_method_says_how(page: Any) -> None:
    short = {row["Method"] for row in page.rows(*COLUMNS) if len(row["How"]) < 5}
    assert not short
