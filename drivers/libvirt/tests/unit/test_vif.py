"""Descriptions of ports that os-vif cannot make anything of, or this driver cannot plug a guest into."""

import json
from typing import Any
from uuid import uuid4

import pytest

from nova_virt_api.errors import InvalidSpec
from nova_virt_api.model.nic import Nic
from nova_virt_api.model.nic_binding import OpaquePort
from nova_virt_libvirt.network.vif import KIND, Vifs
from nova_virt_libvirt.network.wire import WireKind

MAC = "52:54:00:0f:00:01"
FIELD = "nics[0].binding.properties"


def described(form: str = "VIFOpenVSwitch", without: str = "", **changes: Any) -> Any:
    """What the driver makes of a description in which something is otherwise, or lacks."""
    known = str(uuid4())
    profile = {"interface_id": known}
    network = {"id": str(uuid4()), "bridge": "br-int"}
    parts: dict[str, Any] = {
        "network": versioned("Network", "1.1", without_one(network, without)),
        "port_profile": versioned("VIFPortProfileOpenVSwitch", "1.4", without_one(profile, without)),
    }
    about = {"id": known, "address": MAC, "plugin": "ovs", "vif_name": "tap1", "bridge_name": "qbr1", **parts}
    properties = json.dumps(versioned(form, "1.0", without_one(about | changes, without)))
    return Vifs("qemu:///system", None).described("nics[0]", Nic(), OpaquePort(kind=KIND, properties=properties))


def without_one(data: dict[str, Any], name: str) -> dict[str, Any]:
    """The same without this key."""
    return {key: value for key, value in data.items() if key != name}


def versioned(name: str, version: str, data: dict[str, Any]) -> dict[str, Any]:
    """An object as oslo.versionedobjects writes it."""
    return {
        "versioned_object.name": name,
        "versioned_object.namespace": "os_vif",
        "versioned_object.version": version,
        "versioned_object.data": data,
    }


def test_a_port_is_plugged_in_by_its_form() -> None:
    nic, wire = described()
    assert (nic.mac, wire.kind, wire.name, wire.device) == (MAC, WireKind.OVS, "br-int", "tap1")
    assert described("VIFBridge")[1].kind is WireKind.BRIDGE
    assert described("VIFGeneric")[1].kind is WireKind.TAP


@pytest.mark.parametrize(
    ("form", "lacking"),
    [
        ("VIFOpenVSwitch", "vif_name"),
        ("VIFOpenVSwitch", "interface_id"),
        ("VIFOpenVSwitch", "network"),
        ("VIFOpenVSwitch", "bridge"),
        ("VIFOpenVSwitch", "port_profile"),
        ("VIFOpenVSwitch", "plugin"),
        ("VIFOpenVSwitch", "id"),
        ("VIFBridge", "bridge_name"),
        ("VIFBridge", "vif_name"),
        ("VIFGeneric", "vif_name"),
        ("VIFOpenVSwitch", "address"),
    ],
)
def test_a_description_that_lacks_something_is_refused(form: str, lacking: str) -> None:
    with pytest.raises(InvalidSpec) as caught:
        described(form, lacking)
    assert caught.value.field.startswith("nics[0]")


@pytest.mark.parametrize(
    ("form", "changes"),
    [
        ("VIFOpenVSwitch", {"port_profile": versioned("VIFPortProfileOpenVSwitch", "1.4", {"interface_id": "port-1"})}),
        ("VIFOpenVSwitch", {"port_profile": versioned("VIFPortProfileFPBridge", "1.0", {"bridge_uplink": "x"})}),
        ("VIFOpenVSwitch", {"address": "nonsense"}),
        ("VIFOpenVSwitch", {"network": None}),
        ("VIFOpenVSwitch", {"port_profile": None}),
        ("VIFOpenVSwitch", {"vif_name": None}),
        ("VIFGeneric", {"vif_name": "../../etc/passwd"}),
        ("VIFGeneric", {"vif_name": "a-name-that-is-too-long"}),
    ],
)
def test_a_description_that_is_wrong_is_refused(form: str, changes: dict[str, Any]) -> None:
    with pytest.raises(InvalidSpec) as caught:
        described(form, **changes)
    assert caught.value.field.startswith("nics[0]")
