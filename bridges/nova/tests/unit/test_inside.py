"""What is done inside guests: passwords, and rest for snapshots."""

from typing import Any
from uuid import UUID

import pytest
from nova import exception

import nova_virt_api as virt


def test_the_administrators_password_is_set(driver: Any, running: Any, switches: Any) -> None:
    driver.set_admin_password(running, "new")
    assert switches.outside.passwords(UUID(running.uuid)) == ("root",)


def test_a_guest_comes_to_rest_and_writes_again(driver: Any, running: Any, switches: Any) -> None:
    driver.quiesce(None, running, None)
    assert switches.outside.frozen(UUID(running.uuid))
    driver.unquiesce(None, running, None)
    assert not switches.outside.frozen(UUID(running.uuid))


def test_without_an_agent_nova_is_told_so(driver: Any, running: Any, switches: Any) -> None:
    switches.outside.set_agent(UUID(running.uuid), connected=False)
    with pytest.raises(exception.InstanceAgentNotEnabled):
        driver.set_admin_password(running, "new")
    for ask in (driver.quiesce, driver.unquiesce):
        with pytest.raises(exception.InstanceAgentNotEnabled):
            ask(None, running, None)


def test_an_endpoint_that_cannot_do_it_is_not_implemented(driver: Any, running: Any, switches: Any) -> None:
    for feature in (virt.Feature.GUEST_PASSWORD, virt.Feature.GUEST_QUIESCE):
        switches.withdraw(feature, "no agent here")
    with pytest.raises(NotImplementedError):
        driver.set_admin_password(running, "new")
    with pytest.raises(NotImplementedError):
        driver.quiesce(None, running, None)


def test_a_snapshot_is_at_rest_if_the_image_demands_it(
    driver: Any, running: Any, switches: Any, images: Any, request_context: Any
) -> None:
    images.add("new", b"", disk_format="raw")
    switches.outside.set_agent(UUID(running.uuid), connected=False)
    driver.snapshot(request_context, running, "new", lambda **states: None)
    running.system_metadata["image_os_require_quiesce"] = "True"
    with pytest.raises(exception.InstanceAgentNotEnabled):
        driver.snapshot(request_context, running, "new", lambda **states: None)
    switches.outside.set_agent(UUID(running.uuid), connected=True)
    driver.snapshot(request_context, running, "new", lambda **states: None)
