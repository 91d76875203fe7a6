"""Leftovers while others are at work: what changes between the looks at volumes, guests and claims."""

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest

from nova_virt_api.driver.operation import Stage
from nova_virt_api.errors import HookFailed
from nova_virt_api.model.identity import InstanceRef
from nova_virt_libvirt.leftovers import Leftovers

PATIENCE = 30.0


def left(driver: Any, meanwhile: Callable[[], object]) -> set[UUID]:
    """The guests of which something is left, if this happens once volumes and guests are listed."""

    def instances() -> Any:
        guests = driver.site.instances()
        meanwhile()
        return guests

    return {leftover.uuid for leftover in Leftovers(replace(driver.site, instances=instances)).find()}


class Held:
    """A spawn that waits in a hook until it may go on, or fail."""

    def __init__(self, pool: ThreadPoolExecutor, stage: Stage, spawn: Callable[..., Any], spec: Any, by: Any) -> None:
        self._reached, self._go_on = threading.Event(), threading.Event()
        self._fault: Exception | None = None
        self.outcome: Future[Any] = pool.submit(spawn, spec, by=by, hooks={stage: self._hook})
        assert self._reached.wait(PATIENCE)

    def end(self, fault: Exception | None = None) -> None:
        """Let it go on, and wait for its end."""
        self._fault = fault
        self._go_on.set()
        self.outcome.exception(PATIENCE)

    def _hook(self, _: Any) -> None:
        self._reached.set()
        assert self._go_on.wait(PATIENCE)
        if self._fault is not None:
            raise self._fault


def test_guest_that_goes_meanwhile_has_left_nothing(
    spawn: Any, make_spec: Any, make_driver: Any, driver: Any, traces: Any
) -> None:
    spec = make_spec()
    with ThreadPoolExecutor(1) as pool:
        held = Held(pool, Stage.DISKS_READY, spawn, spec, make_driver())
        assert traces.volumes(spec.uuid)
        assert left(driver, lambda: held.end(RuntimeError("no cable"))) == set()
        with pytest.raises(HookFailed):
            held.outcome.result()
    assert traces.of(spec.uuid) == []


def test_guest_that_is_finished_meanwhile_is_no_leftover(
    spawn: Any, make_spec: Any, make_driver: Any, driver: Any
) -> None:
    spec = make_spec()
    with ThreadPoolExecutor(1) as pool:
        held = Held(pool, Stage.BEFORE_START, spawn, spec, make_driver())
        assert left(driver, held.end) == set()
        held.outcome.result()
    assert driver.instance(InstanceRef(uuid=spec.uuid)).owned
