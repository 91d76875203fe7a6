"""Ironic tells Nova of a machine that it has switched."""

from typing import Any
from unittest import mock

import pytest
from nova.compute import power_state, task_states, vm_states
from nova.objects import external_event


@pytest.mark.parametrize(
    ("told", "power", "state", "task"),
    [
        (external_event.POWER_ON, power_state.RUNNING, vm_states.ACTIVE, task_states.POWERING_ON),
        (external_event.POWER_OFF, power_state.SHUTDOWN, vm_states.STOPPED, task_states.POWERING_OFF),
    ],
)
def test_the_instance_is_saved_as_the_machine_is(
    driver: Any, instance: Any, told: str, power: int, state: str, task: str
) -> None:
    instance.task_state = task
    with mock.patch.object(type(instance), "save") as save:
        driver.power_update_event(instance, told)
    save.assert_called_once_with(expected_task_state=task)
    assert (instance.power_state, instance.vm_state, instance.task_state) == (power, state, None)
