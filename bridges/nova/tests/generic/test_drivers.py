"""Nova's own generic driver tests, on the bridge over ``fake``, where what is not implemented is not passed over.

Nova's decorator ``catch_notimplementederror`` lets a test pass whose method is missing. Here it is taken off, and a
method that is missing has to be one that doc/nova-mapping.md says is left out, planned or to follow.
"""

import functools
import traceback
import unittest
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from nova import test
from nova.tests.unit.virt import test_virt_drivers
from nova.tests.unit.virt.test_virt_drivers import catch_notimplementederror

from nova_virt_bridge import shim

CASES = test_virt_drivers._VirtDriverTestCase
NAMES = sorted(name for name in dir(CASES) if name.startswith("test_"))
SWALLOWS = catch_notimplementederror(lambda: None).__code__
HOST = "myhostname"  # as Nova's tests call it
INTERFACE = "nova/virt/driver.py"


def strict_methods(missing: list[str]) -> Iterator[tuple[str, Callable[..., None]]]:
    """Nova's methods without the decorator; what they find not implemented is noted."""
    for name, method in vars(CASES).items():
        if getattr(method, "__code__", None) is SWALLOWS:
            inner = method.__wrapped__
            yield name, noting(inner, missing) if name.startswith("test_") else inner


def noting(method: Callable[..., None], missing: list[str]) -> Callable[..., None]:
    """A test that ends where something is not implemented, and says in which method of which file that was."""

    @functools.wraps(method)
    def strict(case: Any) -> None:
        try:
            method(case)
        except NotImplementedError as error:
            frame = traceback.extract_tb(error.__traceback__)[-1]
            missing.append(frame.name if frame.filename.endswith(INTERFACE) else f"{frame.filename}:{frame.name}")

    return strict


def strict_case(name: str, missing: list[str], cache: Path) -> unittest.TestCase:
    """One of Nova's tests as it is for a driver of ours, which keeps images in this directory."""

    def set_up(case: Any) -> None:
        case.driver_module = "nova.virt.ext.fake"
        CASES.setUp(case)
        flags = {"options": [f"nodes={HOST}"], "node_uuids": "endpoint", "cache_dir": str(cache)}
        case.flags(group="nova_virt", **flags)
        case.connection.init_host(HOST)
        case.addCleanup(case.connection.cleanup_host, HOST)
        case.addCleanup(case.connection.register_event_listener, None)

    namespace = {"setUp": set_up, **dict(strict_methods(missing))}
    case: unittest.TestCase = type("StrictCase", (CASES, test.TestCase), namespace)(name)
    return case


@pytest.fixture
def scheduled(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let Nova's tests make instances as the scheduler leaves them: with a node."""
    make = test_virt_drivers.test_utils.get_test_instance

    def scheduled(context: Any = None, flavor: Any = None, obj: bool = False) -> Any:
        instance = make(context, flavor, obj)
        instance.node = HOST
        return instance

    monkeypatch.setattr(test_virt_drivers.test_utils, "get_test_instance", scheduled)


@pytest.fixture(autouse=True)
def shim_in_place() -> None:
    """The bridge's name in Nova's namespace."""
    shim.place()


def test_the_decorator_is_taken_off() -> None:
    names = {name for name, _ in strict_methods([])}
    assert {"test_spawn", "test_pause", "_check_available_resource_fields"} <= names
    assert "test_events" not in names


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where all these tests keep images."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def cached_images(scheduled: None, stocked_glance: None, run_nova_test: Any, cache: Path) -> Path:
    """The images are in the cache: some of Nova's tests take ``os.unlink`` away, and no image can be fetched then."""
    if not any(cache.iterdir()):
        assert run_nova_test(strict_case("test_spawn", [], cache)).passed
    return cache


@pytest.mark.parametrize("name", NAMES)
def test_generic(page: Any, run_nova_test: Any, judge: Any, cached_images: Path, name: str) -> None:
    missing: list[str] = []
    outcome = run_nova_test(strict_case(name, missing, cached_images))
    explained = page.names("Generic test", "Fails with", "Why")
    for method in missing:
        status = page.names("Method", "Status", "How").get(method, {"Status": "unknown"})["Status"]
        assert status.startswith(("left out", "planned", "to follow")), (
            f"{method} is not implemented; the page says: {status}"
        )
    judge(outcome, explained.get(name))


def test_no_explanation_is_left_over(page: Any) -> None:
    assert set(page.names("Generic test", "Fails with", "Why")) <= set(NAMES)
