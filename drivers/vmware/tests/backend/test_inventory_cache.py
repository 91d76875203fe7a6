"""One property filter keeps the listing current: how much it asks, what it survives, and that it leaves nothing."""

import threading
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import pytest
from pyVim.task import WaitForTask
from pyVmomi import vim

from nova_virt_api.errors import Ambiguous, AuthenticationFailed, ConnectionLost, InstanceNotFound, Unavailable
from nova_virt_api.events import DriverEvent, Gap
from nova_virt_api.model.identity import InstanceRef
from nova_virt_api.model.instance import Instance, PowerOff, PowerState
from nova_virt_vmware import inventory_cache, session
from nova_virt_vmware.driver import VmwareDriver
from nova_virt_vmware.wire import Wire
from tools.vcsim import Relay, Settings, VCenter

MakeDriver = Callable[..., VmwareDriver]
StartVCenter = Callable[..., VCenter]
Native = Callable[[VCenter], Any]
Eventually = Callable[..., None]

THREAD = "nova-virt-vmware-inventory"


def machines(native: Any) -> dict[str, Any]:
    """All virtual machines, past the driver: by name."""
    content = native.content
    view = content.viewManager.CreateContainerView(content.rootFolder, [vim.VirtualMachine], True)
    found = {vm.name: vm for vm in view.view}
    view.DestroyView()
    return found


def names(guests: Any) -> set[str]:
    return {guest.name for guest in guests}


def by_name(driver: VmwareDriver, name: str, *, fresh: bool = False) -> Instance:
    return next(guest for guest in driver.instances(fresh=fresh) if guest.name == name)


def switch_off(vm: Any) -> None:
    WaitForTask(vm.PowerOffVM_Task())


def remove(vm: Any) -> None:
    switch_off(vm)
    WaitForTask(vm.Destroy_Task())


def remove_all(vms: Iterable[Any]) -> None:
    for vm in vms:
        remove(vm)


def after_each(monkeypatch: pytest.MonkeyPatch, method: str, then: Iterator[Callable[[], object]]) -> None:
    """Do the next of these things whenever an answer to a method has come, before the next page is asked for."""
    post = Wire.post

    def post_and_then(self: Wire, body: bytes, *arguments: Any, **more: Any) -> Any:
        answer = post(self, body, *arguments, **more)
        if f"<{method} ".encode() in body:
            next(then, lambda: None)()
        return answer

    monkeypatch.setattr(Wire, "post", post_and_then)


# --- how much is asked ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("vms", [2, 100])
def test_number_of_requests_does_not_grow_with_guests(
    vms: int, own_vcenter: StartVCenter, make_driver: MakeDriver
) -> None:
    vcenter = own_vcenter(Settings(vms=vms))
    driver = make_driver(to=vcenter)
    before = driver.site.connection.request_count
    assert len(driver.instances()) == 3 * vms
    took = driver.site.connection.request_count - before
    assert took <= 8  # one of them is the thread's, which waits already
    assert vcenter.calls["RetrievePropertiesEx"] == 1  # to see whether the server takes indexed paths


def test_two_thousand_guests(own_vcenter: StartVCenter, make_driver: MakeDriver, native: Native) -> None:
    vcenter = own_vcenter(Settings(vms=1000, clusters=1))
    driver = make_driver(to=vcenter)
    first = driver.instances()
    assert len(first) == len({guest.uuid for guest in first}) == 2000
    asked = driver.site.connection.request_count
    assert driver.instances() is first
    assert driver.site.connection.request_count == asked
    assert vcenter.calls["RetrievePropertiesEx"] == 1
    switch_off(vim.VirtualMachine(first[7].native_id, native(vcenter)._stub))
    fresh = {guest.uuid: guest for guest in driver.instances(fresh=True)}
    assert [guest for guest in first if fresh[guest.uuid] is not guest] == [first[7]]


def test_templates_are_no_guests(driver: VmwareDriver) -> None:
    listed = names(driver.instances())
    assert not {"small", "large"} & listed


def test_guests_without_indexed_paths(own_vcenter: StartVCenter, make_driver: MakeDriver) -> None:
    vcenter = own_vcenter(Settings(vms=2))
    vcenter.order("indexed paths", on=False)
    driver = make_driver(to=vcenter)
    assert len(driver.instances()) == 6
    assert len(driver.instances(fresh=True)) == 6


# --- what is changed from here, and by others -------------------------------------------------------------------------


def test_reads_see_what_was_done_from_here(spawned: Callable[..., Instance], driver: VmwareDriver, op: Any) -> None:
    guest = spawned()
    for _ in range(5):
        driver.power_off(guest.ref, op, mode=PowerOff.HARD, grace_seconds=0)
        assert state_of(driver, guest) is PowerState.SHUTDOWN
        driver.power_on(guest.ref, op)
        assert state_of(driver, guest) is PowerState.RUNNING
    driver.destroy(guest.ref, op)
    assert guest.uuid not in {seen.uuid for seen in driver.instances()}
    with pytest.raises(InstanceNotFound):
        driver.instance(guest.ref)


def state_of(driver: VmwareDriver, guest: Instance) -> PowerState:
    listed = next(seen for seen in driver.instances() if seen.uuid == guest.uuid)
    assert driver.instance(guest.ref) is listed
    return listed.power_state


def test_what_others_did_is_seen(own_vcenter: StartVCenter, make_driver: MakeDriver, native: Native) -> None:
    vcenter = own_vcenter(Settings(vms=1))
    driver = make_driver(to=vcenter)
    driver.instances()
    everything = machines(native(vcenter))
    switch_off(everything["DC0_H0_VM0"])
    assert by_name(driver, "DC0_H0_VM0", fresh=True).power_state is PowerState.SHUTDOWN
    assert by_name(driver, "DC0_H0_VM0").power_state is PowerState.SHUTDOWN
    WaitForTask(everything["DC0_H0_VM0"].Rename_Task("a%2fb"))
    renamed = by_name(driver, "a/b", fresh=True)
    WaitForTask(everything["DC0_H0_VM0"].Destroy_Task())
    with pytest.raises(InstanceNotFound):
        driver.instance(renamed.ref, fresh=True)
    assert renamed.uuid not in {guest.uuid for guest in driver.instances()}


def test_changes_come_by_themselves(
    own_vcenter: StartVCenter, make_driver: MakeDriver, native: Native, eventually: Eventually
) -> None:
    vcenter = own_vcenter(Settings(vms=1))
    driver = make_driver(to=vcenter)
    driver.instances()
    asked = vcenter.calls
    everything = machines(native(vcenter))
    switch_off(everything["DC0_H0_VM0"])
    eventually(lambda: by_name(driver, "DC0_H0_VM0").power_state is PowerState.SHUTDOWN, "a guest is off")
    remove(everything["DC0_C0_RP0_VM0"])
    eventually(lambda: "DC0_C0_RP0_VM0" not in names(driver.instances()), "a guest is gone")
    switch_off(everything["DC0_C1_RP0_VM0"])
    WaitForTask(everything["DC0_C1_RP0_VM0"].ReconfigVM_Task(vim.vm.ConfigSpec(memoryMB=64, numCPUs=2)))
    eventually(lambda: by_name(driver, "DC0_C1_RP0_VM0").vcpus == 2, "a guest has more CPUs")
    assert by_name(driver, "DC0_C1_RP0_VM0").memory_bytes == 64 * 1024**2
    assert (vcenter.calls - asked)["RetrievePropertiesEx"] <= 2  # pyvmomi's own, to find the machines


def test_two_machines_that_bear_one_uuid(
    own_vcenter: StartVCenter, make_driver: MakeDriver, native: Native, op: Any
) -> None:
    vcenter = own_vcenter(Settings(vms=1))
    driver = make_driver(to=vcenter)
    first, second, _ = driver.instances()
    twin = machines(native(vcenter))[second.name]
    WaitForTask(twin.ReconfigVM_Task(vim.vm.ConfigSpec(instanceUuid=str(first.uuid))))
    driver.instances(fresh=True)
    for fresh in (True, False):
        with pytest.raises(Ambiguous) as caught:
            driver.instance(InstanceRef(uuid=first.uuid), fresh=fresh)
        assert all(f"({guest.native_id})" in str(caught.value) for guest in (first, second))
        assert driver.instance(first.ref, fresh=fresh).name == first.name
    with pytest.raises(Ambiguous):
        driver.site.guests.owned(InstanceRef(uuid=first.uuid), op)


# --- what vanishes meanwhile ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("fatal", [False, True])
@pytest.mark.parametrize("method", ["WaitForUpdatesEx", "RetrievePropertiesEx"])
def test_guest_that_is_deleted_in_mid_page(
    method: str,
    fatal: bool,
    own_vcenter: StartVCenter,
    make_driver: MakeDriver,
    native: Native,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    vcenter = own_vcenter(Settings(vms=4))
    vcenter.order("vanishing is fatal", on=fatal)
    driver = make_driver(to=vcenter, page_size=2)
    everything = machines(native(vcenter))
    doomed = {name for name in everything if name.startswith(("DC0_C1", "DC0_H0"))}  # most, so on any page
    if method == "RetrievePropertiesEx":
        driver.instances()
    after_each(monkeypatch, method, iter([lambda: remove_all(everything[name] for name in doomed)]))
    driver.instances(fresh=True)
    monkeypatch.undo()
    assert names(driver.instances(fresh=True)) == everything.keys() - doomed - {"small", "large"}


# --- sessions and connections -----------------------------------------------------------------------------------------


def test_session_that_expires(own_vcenter: StartVCenter, make_driver: MakeDriver, eventually: Eventually) -> None:
    vcenter = own_vcenter(Settings(vms=1))
    driver = make_driver(to=vcenter)
    first = driver.instances()
    for _ in range(3):
        before = vcenter.calls["CreateFilter"]
        vcenter.expire_sessions()
        assert driver.instances(fresh=True) == first
        eventually(lambda before=before: vcenter.calls["CreateFilter"] > before, "a new filter", 60.0)
        assert all(now is then for now, then in zip(driver.instances(), first, strict=True))
    assert vcenter.sessions == 1
    assert len(inventory_threads()) == 1


def test_session_that_expires_in_mid_page(
    own_vcenter: StartVCenter, make_driver: MakeDriver, monkeypatch: pytest.MonkeyPatch
) -> None:
    vcenter = own_vcenter(Settings(vms=4))
    driver = make_driver(to=vcenter, page_size=2)
    for method in ("WaitForUpdatesEx", "RetrievePropertiesEx"):
        after_each(monkeypatch, method, iter([vcenter.expire_sessions]))
        assert len(driver.instances(fresh=True)) == 12
        monkeypatch.undo()


def test_password_that_was_changed_is_tried_once(
    own_vcenter: StartVCenter, make_driver: MakeDriver, eventually: Eventually, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When the session expires then, nobody goes on trying: that would lock the account."""
    vcenter = own_vcenter(Settings(vms=1))
    driver = make_driver(to=vcenter)
    first = driver.instances()
    told: list[DriverEvent] = []
    watching = driver.events(told.append)
    before = vcenter.calls["Login"]
    with vcenter.failing("Login", fault="InvalidLogin"):
        vcenter.expire_sessions()
        eventually(lambda: told, "watchers hear of it", 60.0)
        eventually(lambda: not inventory_threads(), "the thread has ended", 60.0)
        assert vcenter.calls["Login"] == before + 1
        for _ in range(2):
            with pytest.raises(AuthenticationFailed, match="has not accepted"):
                driver.instances()
        assert vcenter.calls["Login"] == before + 1
        monkeypatch.setattr(session, "REFUSED_SECONDS", 0.0)
        monkeypatch.setattr(driver.site.connection._session, "_refused_until", 0.0)
        for times in (2, 3):
            with pytest.raises(AuthenticationFailed):
                driver.instances()
            assert vcenter.calls["Login"] == before + times
    assert driver.instances() == first
    assert len(inventory_threads()) == 1
    assert [type(event) for event in told] == [Gap, Gap]
    watching.close()


def test_connection_that_is_cut(
    own_vcenter: StartVCenter,
    make_driver: MakeDriver,
    relay_to: Callable[[VCenter], Relay],
    native: Native,
    eventually: Eventually,
) -> None:
    vcenter = own_vcenter(Settings(vms=1))
    relay = relay_to(vcenter)
    driver = make_driver(to=relay)
    first = driver.instances()
    relay.cut()
    with pytest.raises((ConnectionLost, Unavailable)):
        driver.instances(fresh=True)
    eventually(lambda: driver.site.cache.shown() is None, "what is known counts as old")
    with pytest.raises((ConnectionLost, Unavailable)):
        driver.instances()
    remove(machines(native(vcenter))["DC0_H0_VM0"])
    relay.restore()
    assert names(driver.instances()) == names(first) - {"DC0_H0_VM0"}
    assert vcenter.sessions == 2  # ours is the same as before, the other is the test's own


def test_silent_server_is_asked(
    own_vcenter: StartVCenter, make_driver: MakeDriver, native: Native, monkeypatch: pytest.MonkeyPatch
) -> None:
    vcenter = own_vcenter(Settings(vms=1))
    driver = make_driver(to=vcenter)
    driver.instances()
    monkeypatch.setattr(inventory_cache, "SILENCE", -1.0)
    switch_off(machines(native(vcenter))["DC0_H0_VM0"])
    assert by_name(driver, "DC0_H0_VM0").power_state is PowerState.SHUTDOWN


# --- the end ----------------------------------------------------------------------------------------------------------


def inventory_threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == THREAD]


def test_closing_ends_the_wait_and_leaves_nothing(
    own_vcenter: StartVCenter, make_driver: MakeDriver, eventually: Eventually
) -> None:
    vcenter = own_vcenter(Settings(vms=1))
    driver = make_driver(to=vcenter)
    driver.instances()
    driver.instances(fresh=True)
    [waiting] = inventory_threads()
    eventually(lambda: vcenter.calls["WaitForUpdatesEx"] == 2, "the thread waits")
    driver.site.cache.close()
    assert not waiting.is_alive()
    calls = vcenter.calls
    assert calls["CreateContainerView"] == calls["DestroyView"] == 2
    assert calls["CreatePropertyCollector"] == calls["DestroyPropertyCollector"] == 1
    driver.site.cache.close()
    with pytest.raises(Unavailable):
        driver.instances()
    driver.close()
    assert vcenter.sessions == 0


@pytest.mark.parametrize("away", [Relay.cut, Relay.stall])
def test_closing_while_the_server_is_away(
    away: Callable[[Relay], None],
    own_vcenter: StartVCenter,
    make_driver: MakeDriver,
    relay_to: Callable[[VCenter], Relay],
    eventually: Eventually,
) -> None:
    vcenter = own_vcenter()
    relay = relay_to(vcenter)
    driver = make_driver(to=relay, connect_timeout=1.0, read_timeout=1.0)
    driver.instances()
    [waiting] = inventory_threads()
    eventually(lambda: vcenter.calls["WaitForUpdatesEx"] == 2, "the thread waits")
    away(relay)
    driver.close()
    assert not waiting.is_alive()
