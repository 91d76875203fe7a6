"""The flags by which nova-compute and the scheduler choose."""

from typing import Any

import pytest
from nova.virt.driver import CAPABILITY_TRAITS_MAP, ComputeDriver

import nova_virt_api as virt
from nova_virt_bridge.capabilities import flags_of


def told(*available: virt.Capability | virt.Feature) -> virt.Capabilities:
    return virt.Capabilities(
        driver="x",
        driver_version="1",
        backend="x",
        backend_version="1",
        answers={what: virt.Availability(True) for what in available},
        event_latency_seconds=0.0,
    )


def test_all_flags_of_nova_are_there(driver: Any) -> None:
    assert driver.capabilities.keys() == ComputeDriver.capabilities.keys() | CAPABILITY_TRAITS_MAP.keys()


def test_a_role_that_is_withdrawn_takes_its_flag_with_it(driver: Any, switches: Any) -> None:
    assert driver.capabilities["supports_attach_interface"]
    switches.withdraw(virt.Capability.INTERFACES, "no hands")
    assert not driver.capabilities["supports_attach_interface"]
    assert not driver.capabilities_as_traits()["COMPUTE_NET_ATTACH_INTERFACE"]


def test_image_types_that_an_operator_excludes(driver: Any, config: Any) -> None:
    assert driver.capabilities_as_traits()["COMPUTE_IMAGE_TYPE_QCOW2"]
    config.config(image_type_exclude_list=["qcow2"], group="compute")
    assert not driver.capabilities_as_traits()["COMPUTE_IMAGE_TYPE_QCOW2"]
    assert driver.capabilities_as_traits()["COMPUTE_IMAGE_TYPE_RAW"]


@pytest.mark.parametrize(
    ("features", "types"),
    [
        ((virt.Feature.CLIENT_IMAGES,), {"raw", "qcow2", "vmdk", "vdi", "vhd", "vhdx"}),
        ((virt.Feature.WHOLE_NODES,), {"raw", "qcow2"}),
        ((), set()),
    ],
)
def test_image_types(features: tuple[virt.Feature, ...], types: set[str]) -> None:
    prefix = "supports_image_type_"
    flags = flags_of(told(*features), nodes=1)
    assert {name.removeprefix(prefix) for name, value in flags.items() if value and name.startswith(prefix)} == types


@pytest.mark.parametrize(
    ("features", "nodes", "possible"), [((), 1, True), ((), 2, False), ((virt.Feature.WHOLE_NODES,), 1, False)]
)
def test_evacuation_needs_an_endpoint_of_its_own(features: Any, nodes: int, possible: bool) -> None:
    assert flags_of(told(*features), nodes=nodes)["supports_evacuate"] is possible
