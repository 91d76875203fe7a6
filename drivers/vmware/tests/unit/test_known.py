"""What is known of virtual machines, after what the server told."""

from typing import Any

from nova_virt_vmware.known import NOTHING, Draft, Known
from nova_virt_vmware.plain import ENTER, LEAVE, MODIFY, Told


def vm(moref: str, change: str = ENTER, **values: Any) -> Told:
    return Told("VirtualMachine", moref, change, {path.replace("_", "."): value for path, value in values.items()})


def all_of(*told: Told, before: Known = NOTHING) -> Known:
    return Draft.anew(before, told).done()


def after(known: Known, told: Told) -> Known:
    draft = Draft(known)
    assert draft.take(told)
    return draft.done()


PLACES = (
    Told("HostSystem", "host-1", ENTER, {"parent": "domain-c1"}),
    Told("HostSystem", "host-2", ENTER, {"parent": "domain-s2"}),
    Told("ClusterComputeResource", "domain-c1", ENTER, {"name": "a%2fb"}),
    Told("ComputeResource", "domain-s2", ENTER, {"name": "esx"}),
)


def test_nodes() -> None:
    known = all_of(*PLACES)
    assert (known.node_name("host-1"), known.node_name("host-2")) == ("a/b", "esx")
    assert known.node_name("host-3") is None
    assert known.node_name(None) is None
    named = after(known, Told("ComputeResource", "domain-s2", MODIFY, {"name": "a%2fb"}))
    assert (named.node_name("host-1"), named.node_name("host-2")) == ("a/b (domain-c1)", "a/b (domain-s2)")
    moved = after(known, Told("HostSystem", "host-2", MODIFY, {"parent": "domain-c1"}))
    assert moved.node_name("host-2") == "a/b"
    gone = after(known, Told("HostSystem", "host-2", LEAVE))
    assert gone.node_name("host-2") is None
    assert known.node_name("host-2") == "esx", "what was known never changes"


def test_machines_come_change_and_go() -> None:
    first = all_of(vm("vm-1", name="web"), vm("vm-2", name="db"))
    second = after(first, vm("vm-1", MODIFY, runtime_powerState="poweredOn"))
    assert (second.vms["vm-1"].name, second.vms["vm-1"].power_state) == ("web", "poweredOn")
    assert second.vms["vm-2"] is first.vms["vm-2"]
    third = after(second, vm("vm-1", LEAVE))
    assert list(third.vms) == ["vm-2"]
    assert after(third, vm("vm-3", name="new")).vms["vm-3"].name == "new"


def test_reading_all_anew_keeps_rows_that_did_not_change() -> None:
    before = all_of(vm("vm-1", name="web"), vm("vm-2", name="db"), vm("vm-3", name="gone"))
    now = all_of(vm("vm-2", name="renamed"), vm("vm-1", name="web"), before=before)
    assert now.vms["vm-1"] is before.vms["vm-1"]
    assert {moref: row.name for moref, row in now.vms.items()} == {"vm-1": "web", "vm-2": "renamed"}


def test_what_has_to_be_read_again() -> None:
    draft = Draft(all_of(vm("vm-1", name="web")))
    assert not draft.take(vm("vm-9", MODIFY, name="never told completely"))
    assert not draft.take(vm("vm-1", MODIFY, config=None)), "a change of the parent of what is known"
    partly = vm("vm-1", MODIFY)
    partly.unclear.append("guest.net")
    assert not draft.take(partly)
    assert list(draft.done().vms) == ["vm-1"]
