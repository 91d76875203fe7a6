"""Waiting for Neutron's word that a port is plugged."""

from typing import Any
from uuid import UUID

import pytest
from nova import exception
from nova.network import model

import nova_virt_api as virt
from nova_virt_bridge.plugging import refused

EVENT = "network-vif-plugged"


@pytest.fixture
def told(virtapi: Any, beside: virt.Compute, instance: Any) -> list[str]:
    """What happens, in order: Nova listens and waits, and how the guest is then."""

    class Log(list[str]):
        def append(self, text: str) -> None:
            there = [each.power_state.value for each in beside.instances() if each.uuid == UUID(instance.uuid)]
            super().append(f"{text}: {', '.join(there) or 'no guest'}")

    log = Log()
    virtapi.log = log
    return log


def test_waits_before_the_guest_starts(
    make_driver: Any, virtapi: Any, instance: Any, images: Any, spawn: Any, make_vif: Any, told: list[str]
) -> None:
    driver, vif = make_driver(virtapi), make_vif(active=False)
    spawn(driver, instance, network_info=[vif])
    assert virtapi.awaited == [(EVENT, vif["id"])]
    assert told[0] == "listen: no guest"
    assert len(told) == 2
    assert "running" not in told[1]
    assert driver.get_info(instance).state == 1


def test_waits_after_the_start_where_that_is_what_plugs(
    make_driver: Any, virtapi: Any, instance: Any, images: Any, spawn: Any, make_vif: Any, told: list[str]
) -> None:
    driver = make_driver(virtapi, config_options={"vif_plugged": "after_start"})
    spawn(driver, instance, network_info=[make_vif(active=False)])
    assert told == ["listen: no guest", "wait: running"]


@pytest.mark.parametrize("when", ["before_start", "after_start"])
def test_a_port_that_is_not_plugged_in_time_ends_the_build(
    make_driver: Any, virtapi: Any, instance: Any, images: Any, spawn: Any, make_vif: Any, when: str
) -> None:
    driver = make_driver(virtapi, config_options={"vif_plugged": when})
    virtapi.outcome = exception.InstanceEventTimeout()
    with pytest.raises(exception.VirtualInterfaceCreateException):
        spawn(driver, instance, network_info=[make_vif(active=False)])
    assert driver.list_instance_uuids() == []
    with driver.compute.native() as switches:
        assert not switches.outside.objects()


def test_unless_nova_conf_says_that_it_does_not_matter(
    make_driver: Any, virtapi: Any, instance: Any, images: Any, spawn: Any, make_vif: Any, config: Any
) -> None:
    config.config(vif_plugging_is_fatal=False)
    virtapi.outcome = exception.InstanceEventTimeout()
    driver = make_driver(virtapi)
    spawn(driver, instance, network_info=[make_vif(active=False)])
    assert driver.get_info(instance).state == 1


def test_nothing_to_wait_for(
    make_driver: Any, virtapi: Any, make_instance: Any, images: Any, spawn: Any, make_vif: Any, config: Any
) -> None:
    driver = make_driver(virtapi)
    remote = make_vif(active=False)
    remote["vnic_type"] = model.VNIC_TYPE_REMOTE_MANAGED
    spawn(driver, make_instance(id=1), network_info=[make_vif()])
    spawn(driver, make_instance(id=2), network_info=[make_vif(active=False)], power_on=False)
    config.config(vif_plugging_timeout=0)
    spawn(driver, make_instance(id=3), network_info=[make_vif(active=False)])
    assert virtapi.log == []


def test_a_failure_that_neutron_reports(config: Any, instance: Any) -> None:
    with pytest.raises(exception.VirtualInterfaceCreateException):
        refused(EVENT, instance)
    config.config(vif_plugging_is_fatal=False)
    refused(EVENT, instance)
