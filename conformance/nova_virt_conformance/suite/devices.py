"""The devices of nodes."""

from __future__ import annotations

import pytest

from nova_virt_api.capability import Capability
from nova_virt_api.driver.devices import Devices
from nova_virt_api.errors import InvalidSpec
from nova_virt_api.model.device import Device, DeviceKind
from nova_virt_conformance.covers import covers
from nova_virt_conformance.lab import Lab
from nova_virt_conformance.suite.inventory import some


@covers(Capability.DEVICES, Devices.devices)
def test_devices_of_each_node(lab: Lab) -> None:
    """Every node's devices have ids of their own and are of a kind; they are the same each time, for everybody."""
    for node in some(lab.compute.nodes()):
        devices = lab.compute.devices(node.name)
        assert len({device.id for device in devices}) == len(devices), f"{node.name}: a device twice"
        for device in devices:
            check_well_formed(device)
            others = {other.id for other in devices if other is not device}
            assert device.parent in {"", *others}, f"{device.id} is on {device.parent}, which is not listed"
        for again in (lab.compute.devices(node.name), lab.second.devices(node.id)):
            assert sorted(again, key=lambda device: device.id) == sorted(devices, key=lambda device: device.id)


@covers(Capability.DEVICES, Devices.devices)
def test_devices_without_a_node(lab: Lab) -> None:
    """With one node its name may be left out; with several, leaving it out is an InvalidSpec."""
    nodes = lab.compute.nodes()
    if len(nodes) == 1:
        assert list(lab.compute.devices()) == list(lab.compute.devices(nodes[0].name))
        return
    with pytest.raises(InvalidSpec):
        lab.compute.devices()


def check_well_formed(device: Device) -> None:
    """See that each field of a device is what it is documented to be."""
    assert device.id.strip(), "a device without an id"
    assert isinstance(device.kind, DeviceKind), f"{device.id} is a {device.kind!r}"
    assert device.size_bytes is None or device.size_bytes > 0, f"{device.id}: {device.size_bytes} bytes large"
