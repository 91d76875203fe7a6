"""Virtual machines as guests."""

from types import SimpleNamespace
from typing import Any
from uuid import UUID

import pytest

from nova_virt_api.driver.endpoint import Manage
from nova_virt_api.errors import Ambiguous, InstanceNotFound, PermissionDenied
from nova_virt_api.model.identity import InstanceRef
from nova_virt_api.model.instance import Condition, Lifecycle, PowerState
from nova_virt_api.model.record import Phase, Record
from nova_virt_vmware.instances import Guest, Guests, guest_of
from nova_virt_vmware.known import Known
from nova_virt_vmware.record import GuestRecord
from nova_virt_vmware.vm_row import VmRow

OURS = "us"
ONE = UUID(int=1)
TWO = UUID(int=2)


def row(moref: str = "vm-1", uuid: UUID | None = ONE, **more: Any) -> VmRow:
    usual: dict[str, Any] = {
        "name": "web",
        "power_state": "poweredOn",
        "connection_state": "connected",
        "host": "host-1",
    }
    return VmRow(moref=moref, instance_uuid=uuid, vcpus=2, memory_mb=64, **(usual | more))


def record_text(owner: str = OURS, uuid: UUID = ONE, phase: Phase = Phase.READY) -> str:
    record = Record(uuid=uuid, owner=owner, fingerprint="f", phase=phase)
    return GuestRecord(record=record, name="our name").encode()


def known(*rows: VmRow, node: str = "cluster") -> Known:
    places = {"host-1": "domain-c1"}
    return Known({each.moref: each for each in rows}, places, {"domain-c1": node}, {"domain-c1": node})


class Cache:
    """Stands for the cache: what is shown, and what is there."""

    def __init__(self, *rows: VmRow) -> None:
        self.now = known(*rows)
        self.is_current = True
        self.reads: list[Any] = []

    def known(self, *, fresh: bool = False) -> Known:
        return self.now

    def shown(self) -> Known | None:
        return self.now if self.is_current else None

    def placing(self, host: str | None) -> Known:
        return self.now

    def row(self, moref: str, op: Any = None) -> VmRow | None:
        self.reads.append(moref)
        return self.now.vms.get(moref)

    def rows_of(self, uuid: UUID, op: Any = None) -> list[VmRow]:
        self.reads.append(uuid)
        return [each for each in self.now.vms.values() if each.uuid == uuid]


def guests(cache: Cache, manage: Manage = Manage.OWNED) -> Guests:
    return Guests(SimpleNamespace(owner=OURS, manage=manage), cache)  # type: ignore[arg-type]


def guest(**more: Any) -> Guest:
    found = guest_of(row(**more))
    assert found is not None
    return found


# --- one virtual machine ----------------------------------------------------------------------------------------------


def test_what_is_no_guest() -> None:
    assert guest_of(row(template=True)) is None
    assert guest_of(row(uuid=None)) is None


@pytest.mark.parametrize(
    ("state", "power"),
    [
        ("poweredOn", PowerState.RUNNING),
        ("poweredOff", PowerState.SHUTDOWN),
        ("suspended", PowerState.SUSPENDED),
        ("", PowerState.NOSTATE),
    ],
)
def test_power_state(state: str, power: PowerState) -> None:
    assert guest(power_state=state).power_state is power


@pytest.mark.parametrize(
    ("state", "condition"),
    [
        ("connected", Condition.OK),
        ("disconnected", Condition.UNRESPONSIVE),
        ("inaccessible", Condition.DEGRADED),
        ("invalid", Condition.DEGRADED),
        ("orphaned", Condition.DEGRADED),
    ],
)
def test_health(state: str, condition: Condition) -> None:
    assert guest(connection_state=state).health.condition is condition
    asking = guest(connection_state=state, question="moved or copied?").health
    assert asking.condition is Condition.DEGRADED
    assert "moved or copied?" in asking.reason


def test_native_state() -> None:
    assert guest().native_state == "poweredOn"
    assert guest(connection_state="orphaned").native_state == "poweredOn, orphaned"


@pytest.mark.parametrize(
    ("phase", "lifecycle"),
    [
        (Phase.BUILDING, Lifecycle.BUILDING),
        (Phase.READY, Lifecycle.READY),
        (Phase.DELETING, Lifecycle.DELETING),
    ],
)
def test_lifecycle(phase: Phase, lifecycle: Lifecycle) -> None:
    assert guest(record_text=record_text(phase=phase)).lifecycle is lifecycle
    assert guest().lifecycle is Lifecycle.READY


def test_a_copy_of_ours_is_foreign() -> None:
    ours, copy = guest(record_text=record_text()), guest(record_text=record_text(uuid=TWO), name="copy%2f1")
    assert (ours.owner, ours.name) == (OURS, "our name")
    assert (copy.owner, copy.name) == (None, "copy/1")


# --- all --------------------------------------------------------------------------------------------------------------


def test_listing() -> None:
    cache = Cache(row(record_text=record_text()), row("vm-2", TWO), row("vm-3", None), row("vm-4", template=True))
    ours, foreign = guests(cache).instances()
    assert (ours.owned, ours.owner, ours.node, ours.memory_bytes) == (True, OURS, "cluster", 64 * 1024**2)
    assert (foreign.owned, foreign.owner, foreign.uuid, foreign.native_id) == (False, None, TWO, "vm-2")


@pytest.mark.parametrize(
    ("addresses", "tools", "shown"), [(None, None, None), ((), False, None), ((), True, ()), (None, True, ())]
)
def test_addresses_are_known_when_tools_run(addresses: Any, tools: bool | None, shown: Any) -> None:
    [seen] = guests(Cache(row(addresses=addresses, tools=tools))).instances()
    assert (seen.addresses, seen.agent) == (shown, tools)


def test_same_objects_for_what_did_not_change() -> None:
    one, two = row(), row("vm-2", TWO)
    cache = Cache(one, two)
    shown = guests(cache)
    first = shown.instances()
    assert shown.instances() is first
    cache.now = known(one, row("vm-2", TWO, power_state="poweredOff"))
    second = shown.instances()
    assert second[0] is first[0]
    assert second[1] != first[1]
    cache.now = known(row(), row("vm-2", TWO, power_state="poweredOff"))
    assert all(now is then for now, then in zip(shown.instances(), second, strict=True))
    cache.now = known(one, node="renamed")
    assert shown.instances()[0].node == "renamed"


# --- one --------------------------------------------------------------------------------------------------------------


def test_one_guest_without_a_request() -> None:
    cache = Cache(row(), row("vm-2", TWO))
    shown = guests(cache)
    assert shown.instance(InstanceRef(uuid=TWO)) is shown.instances()[1]
    assert cache.reads == []
    assert shown.instance(InstanceRef(uuid=TWO), fresh=True) is shown.instances()[1]
    assert cache.reads == [TWO]
    cache.is_current = False
    shown.instance(InstanceRef(uuid=TWO, native_id="vm-2"))
    assert cache.reads == [TWO, "vm-2"]


@pytest.mark.parametrize("native_id", [None, "vm-2", "vm-9"])
def test_guest_is_found_whatever_the_hint(native_id: str | None) -> None:
    cache = Cache(row(), row("vm-2", TWO))
    assert guests(cache).find(InstanceRef(uuid=ONE, native_id=native_id)).row.moref == "vm-1"


@pytest.mark.parametrize("fresh", [False, True])
def test_guest_that_is_not_there(fresh: bool) -> None:
    shown = guests(Cache(row("vm-2", TWO), row("vm-3", ONE, template=True)))
    assert shown.look_for(InstanceRef(uuid=UUID(int=3))) is None
    with pytest.raises(InstanceNotFound):
        shown.instance(InstanceRef(uuid=UUID(int=3)), fresh=fresh)


@pytest.mark.parametrize("fresh", [False, True])
def test_two_that_bear_one_uuid(fresh: bool) -> None:
    shown = guests(Cache(row(), row("vm-2", ONE)))
    with pytest.raises(Ambiguous, match=r"vm-1.*vm-2"):
        shown.instance(InstanceRef(uuid=ONE), fresh=fresh)
    assert shown.instance(InstanceRef(uuid=ONE, native_id="vm-2"), fresh=fresh).native_id == "vm-2"
    with pytest.raises(Ambiguous):
        shown.owned(InstanceRef(uuid=ONE, native_id="vm-9"))


def test_ownership() -> None:
    ours = Cache(row(record_text=record_text()))
    theirs = Cache(row(record_text=record_text("them")))
    nobodys = Cache(row())
    anyone = InstanceRef(uuid=ONE)
    assert guests(ours).owned(anyone).owner == OURS
    with pytest.raises(PermissionDenied, match="'them'"):
        guests(theirs).owned(anyone)
    with pytest.raises(PermissionDenied, match="not made by this API"):
        guests(nobodys).owned(anyone)
    assert guests(nobodys, Manage.ALL).owned(anyone).owner is None
