"""The verbs of the roles: what is refused before the driver is called, what reaches it, and what they are about."""

import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

import nova_virt_api as virt
from nova_virt_api.fake.steps import Step
from nova_virt_api.fake.switches import Switches

Call = Callable[[virt.Compute, virt.Instance], Any]
SHA = virt.Checksum(digest="ab" * 32)
CONFIG_DRIVE = virt.CloudInit(source=virt.CloudInitSource.CONFIG_DRIVE)
COPY = virt.CloneSpec(uuid=virt.stable_uuid("copy"), name="copy")

NEEDS: dict[str, tuple[virt.Feature, str, Call]] = {
    "rebuild file": (
        virt.Feature.CLIENT_IMAGES,
        "source",
        lambda compute, guest: compute.rebuild(guest, source=virt.LocalFile("/nowhere")),
    ),
    "rebuild backend url": (
        virt.Feature.BACKEND_URL,
        "source",
        lambda compute, guest: compute.rebuild(guest, source=virt.BackendUrl("https://example.org/x", SHA)),
    ),
    "rebuild cloud-init": (
        virt.Feature.CLOUD_INIT,
        "cloud_init",
        lambda compute, guest: compute.rebuild(guest, cloud_init=virt.CloudInit()),
    ),
    "rebuild config drive": (
        virt.Feature.CONFIG_DRIVE,
        "cloud_init.source",
        lambda compute, guest: compute.rebuild(guest, cloud_init=CONFIG_DRIVE),
    ),
    "clone config drive": (
        virt.Feature.CONFIG_DRIVE,
        "cloud_init.source",
        lambda compute, guest: compute.clone(guest, replace(COPY, cloud_init=CONFIG_DRIVE)),
    ),
    "clone nics": (
        virt.Feature.CLONE_NICS,
        "nics",
        lambda compute, guest: compute.clone(guest, replace(COPY, nics=())),
    ),
    "clone cloud-init": (
        virt.Feature.CLOUD_INIT,
        "cloud_init",
        lambda compute, guest: compute.clone(guest, replace(COPY, cloud_init=virt.CloudInit())),
    ),
    "clone quiesce": (
        virt.Feature.CLONE_QUIESCE,
        "quiesce",
        lambda compute, guest: compute.clone(guest, COPY, quiesce=virt.Quiesce.REQUIRED),
    ),
    "rescue image": (
        virt.Feature.RESCUE_IMAGE,
        "image",
        lambda compute, guest: compute.rescue(guest, image=virt.Native("cirros")),
    ),
    "rescue file": (
        virt.Feature.CLIENT_IMAGES,
        "image",
        lambda compute, guest: compute.rescue(guest, image=virt.LocalFile("/nowhere")),
    ),
    "rescue password": (
        virt.Feature.RESCUE_PASSWORD,
        "password",
        lambda compute, guest: compute.rescue(guest, password=virt.Secret("x")),
    ),
    "checkpoint memory": (
        virt.Feature.CHECKPOINT_MEMORY,
        "memory",
        lambda compute, guest: compute.create_checkpoint(guest, "now", memory=True),
    ),
    "attach mac": (
        virt.Feature.NIC_MAC,
        "nic.mac",
        lambda compute, guest: compute.attach_interface(guest, virt.Nic(mac="52:54:00:00:00:01")),
    ),
    "attach model": (
        virt.Feature.NIC_MODEL,
        "nic.model",
        lambda compute, guest: compute.attach_interface(guest, virt.Nic(model=virt.NicModel.E1000)),
    ),
    "attach vif": (
        virt.Feature.NIC_VIF,
        "nic.vif_id",
        lambda compute, guest: compute.attach_interface(guest, virt.Nic(vif_id="port")),
    ),
}


@pytest.mark.parametrize("what", NEEDS)
def test_an_argument_whose_feature_is_missing_is_refused(
    compute: virt.Compute, switches: Switches, guest: virt.Instance, what: str
) -> None:
    feature, field, call = NEEDS[what]
    switches.withdraw(feature, "this machine is too old")
    for step in (Step.REBUILD_IMAGE, Step.RESCUE_IMAGE, Step.RESCUE, Step.CREATE_CHECKPOINT, Step.ATTACH_INTERFACE):
        switches.fail_at(step, AssertionError("the driver was called"))
    with pytest.raises(virt.NotSupported) as caught:
        call(compute, guest)
    assert (caught.value.capability, caught.value.field) == (feature, field)
    assert "this machine is too old" in str(caught.value)
    assert caught.value.guest == str(guest.uuid)


@pytest.mark.parametrize(
    ("verb", "arguments", "field"),
    [
        ("rebuild", {"source": "x.qcow2"}, "source"),
        ("rebuild", {"source": virt.Blank()}, "source"),
        ("rebuild", {"cloud_init": "password: hunter2"}, "cloud_init"),
        ("clone", {"spec": "web-2"}, "spec"),
        ("clone", {"spec": COPY, "quiesce": "yes"}, "quiesce"),
        ("rescue", {"image": "x.iso"}, "image"),
        ("rescue", {"password": "hunter2"}, "password"),
        ("create_checkpoint", {"name": ""}, "name"),
        ("create_checkpoint", {"name": "x" * 81}, "name"),
        ("create_checkpoint", {"name": "now", "description": "two\nlines"}, "description"),
        ("create_checkpoint", {"name": "now", "memory": "yes"}, "memory"),
        ("revert_to_checkpoint", {"name": None}, "name"),
        ("delete_checkpoint", {"name": "now", "children": 1}, "children"),
        ("attach_interface", {"nic": "default"}, "nic"),
        ("detach_interface", {"interface": None}, "interface"),
        ("detach_interface", {"interface": ""}, "interface"),
    ],
)
def test_bad_argument_is_refused_naming_it_and_no_secret(
    compute: virt.Compute, guest: virt.Instance, verb: str, arguments: dict[str, Any], field: str
) -> None:
    with pytest.raises(virt.InvalidSpec) as caught:
        getattr(compute, verb)(guest, **arguments)
    assert caught.value.field == field
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    ("arguments", "field"),
    [
        ({"node": 7, "reason": "a fan"}, "node"),
        ({"node": "", "reason": "a fan"}, "node"),
        ({"node": "fake-host", "reason": ""}, "reason"),
        ({"node": "fake-host", "reason": "two\nlines"}, "reason"),
        ({"node": "nope", "reason": "a fan"}, "node"),
    ],
)
def test_bad_node_or_reason_is_refused(compute: virt.Compute, arguments: dict[str, Any], field: str) -> None:
    with pytest.raises(virt.InvalidSpec) as caught:
        compute.enter_maintenance(**arguments)
    assert caught.value.field == field


def test_a_node_is_named_by_itself_or_its_name(compute: virt.Compute) -> None:
    (node,) = compute.nodes()
    compute.enter_maintenance(node, "a fan")
    compute.leave_maintenance(node.name)
    assert compute.nodes() == (node,)


def test_an_error_about_a_node_names_it(compute: virt.Compute, switches: Switches) -> None:
    switches.withdraw(virt.Capability.HOST_CONTROL, "no such button")
    with pytest.raises(virt.NotSupported) as caught:
        compute.enter_maintenance("fake-host", "a fan")
    switches.grant(virt.Capability.HOST_CONTROL)
    switches.fail_at(Step.ENTER_MAINTENANCE, virt.BackendError("no"))
    with pytest.raises(virt.BackendError) as failed:
        compute.enter_maintenance("fake-host", "a fan")
    for error in (caught.value, failed.value):
        assert (error.verb, error.node, error.guest) == ("enter_maintenance", "fake-host", "")
        assert str(error).startswith("enter_maintenance fake-host: ")


def test_verbs_on_one_node_take_turns_and_those_on_others_do_not_wait() -> None:
    with virt.connect("fake", nodes=["one", "two"]) as compute, compute.native() as handle:
        switches: Any = handle
        with switches.hang_at(Step.ENTER_MAINTENANCE) as hang:
            first = compute.submit.enter_maintenance("one", "a fan")
            assert hang.wait_reached()
            second = compute.submit.leave_maintenance("one")
            other = compute.submit.leave_maintenance("two")
            assert other.wait(10)
            assert second.state is virt.OperationState.PENDING
            assert {operation.subject for operation in compute.operations()} == {"one"}
        assert first.wait(10)
        assert second.wait(10)
        assert [node.maintenance for node in compute.nodes()] == [None, None]


def test_a_verb_on_a_node_can_be_cancelled(compute: virt.Compute, switches: Switches) -> None:
    with switches.hang_at(Step.ENTER_MAINTENANCE) as hang:
        operation = compute.submit.enter_maintenance("fake-host", "a fan")
        assert hang.wait_reached()
        operation.cancel()
        assert operation.wait(10)
    assert operation.state is virt.OperationState.CANCELLED
    assert "enter_maintenance fake-host cancelled" in repr(operation)
    assert [node.maintenance for node in compute.nodes()] == [None]


def test_a_verb_on_a_node_from_a_callback_of_another_of_the_same_is_refused(compute: virt.Compute) -> None:
    refused = threading.Event()

    def again(operation: virt.Operation[Any]) -> None:
        with pytest.raises(virt.Busy, match="at work on fake-host"):
            compute.leave_maintenance("fake-host")
        refused.set()

    compute.enter_maintenance("fake-host", "a fan", on_progress=again)
    assert refused.is_set()


def test_an_interface_is_taken_away_by_itself_or_its_id(compute: virt.Compute, guest: virt.Instance) -> None:
    compute.detach_interface(guest, compute.attach_interface(guest, virt.Nic()))
    compute.detach_interface(guest, compute.attach_interface(guest, virt.Nic()).id)
    assert compute.interfaces(guest) == []


def test_submit_by_name_knows_the_verbs_of_the_roles(compute: virt.Compute, guest: virt.Instance) -> None:
    assert compute.submit("rescue", guest).result() is None
    with pytest.raises(virt.InvalidSpec, match=r"rebuild, .*enter_maintenance, .*adopt"):
        compute.submit("explode", guest)
