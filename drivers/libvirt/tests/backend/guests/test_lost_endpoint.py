"""An endpoint that goes away in the middle of a spawn."""

from typing import Any

import pytest

from nova_virt_api.driver.operation import Stage
from nova_virt_api.errors import ConnectionLost, StateAfter, Unavailable
from nova_virt_api.model.cloud_init import CloudInit


def test_error_names_what_was_left_and_the_same_spawn_uses_it(
    make_spec: Any, driver: Any, run: Any, spawn: Any, daemon: Any, traces: Any, raw: Any
) -> None:
    spec = make_spec(cloud_init=CloudInit(), power_on=True)
    try:
        with pytest.raises((ConnectionLost, Unavailable)) as caught:
            run(driver.spawn, spec, hooks={Stage.BEFORE_START: lambda _: daemon.do("stop")})
    finally:
        daemon.do("start")
    assert caught.value.state_after is StateAfter.CHANGED
    named = {leftover.name for leftover in caught.value.leftovers}
    assert named == traces.volumes(spec.uuid) | {spec.name}
    assert {leftover.name for leftover in driver.leftovers()} == named
    guest = spawn(spec)
    assert guest.uuid == spec.uuid
    assert driver.leftovers() == []
