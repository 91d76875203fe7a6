"""Our ``fake`` driver, behind the bridge, in the place of Nova's fake driver."""

import os
import sys
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from nova.tests.functional.integrated_helpers import InstanceHelperMixin
from nova.virt import fake

from nova_virt_bridge import shim

PASTE = ("etc/nova/api-paste.ini",)
WAITS = ("_wait_for_service_parameter", "_wait_for_server_parameter", "_wait_for_state_change", "_wait_for_assert")
LOOPS = ("_wait_for_instance_action_event", "_wait_for_migration_status", "_wait_for_log")
"""Waits that nobody can tell how often to look."""
TRIES, MORE_TRIES = 10, 120


@pytest.fixture
def api_paste(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let Nova's test fixtures find the file that pip puts under the prefix; they look beside the package."""
    from nova.conf import paths

    beside = paths.state_path_def

    def state_path_def(*parts: str) -> str:
        found: str = os.path.join(sys.prefix, *parts) if parts == PASTE else beside(*parts)  # noqa: PTH118 - as Nova does
        return found

    monkeypatch.setattr(paths, "state_path_def", state_path_def)


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let Nova's tests wait longer for what comes in the end: five seconds are not enough for a busy machine."""
    for wait in WAITS:
        method = getattr(InstanceHelperMixin, wait)
        assert TRIES in method.__defaults__
        defaults = tuple(MORE_TRIES if default == TRIES else default for default in method.__defaults__)
        monkeypatch.setattr(method, "__defaults__", defaults)
    for wait in LOOPS:
        method = getattr(InstanceHelperMixin, wait)
        assert TRIES in method.__code__.co_consts
        constants = tuple(MORE_TRIES if constant == TRIES else constant for constant in method.__code__.co_consts)
        monkeypatch.setattr(method, "__code__", method.__code__.replace(co_consts=constants))


class World:
    """A world of our own for each compute host of a test."""

    def __init__(self) -> None:
        self._name = f"nova-{uuid.uuid4().hex}"

    def options(self, host: str) -> list[str]:
        """What a host's endpoint is connected with: what Nova's fake driver has, and its name for the node."""
        node = "fake-mini" if host == "compute" else host
        return [f"world={self._name}-{host}", f"nodes={node}", "dedicated_cpus=0"]


@pytest.fixture
def in_place_of_nova(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let ``nova.virt.fake.FakeDriver`` be the bridge, and all that Nova derives from it, too.

    So tests that name one of these drivers, or replace one of its methods, mean the bridge without knowing it.
    """
    world = World()
    ours: Any = shim.driver_class("fake")

    class FakeDriver(ours):
        """The bridge over ``fake``."""

        def __init__(self, virtapi: Any, read_only: bool = False) -> None:
            super().__init__(virtapi)

        def init_host(self, host: str) -> None:
            from nova.conf import CONF

            CONF.set_override("options", world.options(host), "nova_virt")
            CONF.set_override("node_uuids", "endpoint", "nova_virt")  # all hosts of a test share one file compute_id
            super().init_host(host)

    theirs = fake.FakeDriver
    derived = [kind for kind in vars(fake).values() if isinstance(kind, type) and theirs in kind.__bases__]
    assert fake.SmallFakeDriver in derived
    monkeypatch.setattr(fake, "FakeDriver", FakeDriver)
    for kind in derived:
        kind.__bases__ = (FakeDriver,)
    yield
    for kind in derived:
        kind.__bases__ = (theirs,)
