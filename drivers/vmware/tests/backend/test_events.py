"""What others do reaches a watcher, also when session or connection were lost meanwhile."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from pyVim.task import WaitForTask
from pyVmomi import vim

from nova_virt_api.events import Changed, DriverEvent, Gap, Gone
from nova_virt_api.model.instance import Instance, PowerState
from nova_virt_api.model.spec import InstanceUpdate
from nova_virt_vmware.driver import VmwareDriver
from tools.vcsim import Relay, Settings, VCenter

MakeDriver = Callable[..., VmwareDriver]
Eventually = Callable[..., None]


class Scene:
    """A vCenter with three foreign guests, a driver that listens, and pyvmomi, which changes things.

    Args:
        vcenter: the vCenter.
        native: pyvmomi's ``ServiceInstance`` there.
        driver: the driver that listens.
        eventually: waits for something.
    """

    def __init__(self, vcenter: VCenter, native: Any, driver: VmwareDriver, eventually: Eventually) -> None:
        self.vcenter = vcenter
        self.native = native
        self.driver = driver
        self.eventually = eventually
        self.told: list[DriverEvent] = []
        self.guests = list(driver.instances())

    def vm(self, guest: Instance) -> Any:
        """A guest's virtual machine, past the driver."""
        return vim.VirtualMachine(guest.native_id, self.native._stub)

    def switch_off(self, guest: Instance) -> None:
        WaitForTask(self.vm(guest).PowerOffVM_Task())

    @contextmanager
    def listening(self) -> Iterator[list[DriverEvent]]:
        subscription = self.driver.events(self.told.append)
        try:
            yield self.told
        finally:
            subscription.close()

    def shows(self, guest: Instance, **fields: Any) -> bool:
        """Whether the last thing that was told of a guest is how it is now."""
        told = [
            event.instance for event in self.told if isinstance(event, Changed) and event.instance.uuid == guest.uuid
        ]
        return bool(told) and all(getattr(told[-1], name) == value for name, value in fields.items())

    def gaps(self) -> int:
        return sum(isinstance(event, Gap) for event in self.told)


@pytest.fixture
def lone_vcenter(own_vcenter: Callable[..., VCenter]) -> VCenter:
    return own_vcenter(Settings(vms=1))


@pytest.fixture
def relay(lone_vcenter: VCenter, relay_to: Callable[[VCenter], Relay]) -> Relay:
    return relay_to(lone_vcenter)


@pytest.fixture
def scene(
    lone_vcenter: VCenter,
    relay: Relay,
    native: Callable[[VCenter], Any],
    make_driver: MakeDriver,
    eventually: Eventually,
) -> Scene:
    return Scene(lone_vcenter, native(lone_vcenter), make_driver(to=relay), eventually)


def test_state_name_and_end_of_foreign_guests(scene: Scene) -> None:
    first, second, third = scene.guests
    with scene.listening() as told:
        scene.switch_off(first)
        scene.eventually(lambda: scene.shows(first, power_state=PowerState.SHUTDOWN), "it is off")
        WaitForTask(scene.vm(first).Rename_Task("renamed"))
        scene.eventually(lambda: scene.shows(first, name="renamed"), "it was renamed")
        scene.switch_off(second)
        WaitForTask(scene.vm(second).Destroy_Task())
        scene.eventually(lambda: Gone(second.uuid) in told, "it is gone")
        assert not any(isinstance(event, Changed) and event.instance.uuid == third.uuid for event in told)
        assert not scene.gaps()


def test_guest_that_others_made(scene: Scene) -> None:
    with scene.listening() as told:
        source = scene.vm(scene.guests[0])
        place = vim.vm.RelocateSpec(pool=source.resourcePool)
        spec = vim.vm.CloneSpec(location=place, powerOn=False, template=False)
        WaitForTask(source.CloneVM_Task(source.parent, "new", spec))
        made = [each for each in scene.driver.instances(fresh=True) if each.name == "new"]
        scene.eventually(lambda: scene.shows(made[0], name="new", power_state=PowerState.SHUTDOWN), "it is there")
        assert not any(isinstance(event, Gone) for event in told)


def test_labels_that_another_driver_changed(
    spawned: Callable[..., Instance], driver: VmwareDriver, make_driver: MakeDriver, op: Any, eventually: Eventually
) -> None:
    guest = spawned(name="web", labels={"tier": "gold"})
    other = make_driver(owner="somebody-else")
    told: list[DriverEvent] = []
    subscription = other.events(told.append)
    driver.update(guest.ref, InstanceUpdate(labels={"tier": "silver"}), op)

    def shown() -> bool:
        return any(isinstance(event, Changed) and event.instance.labels == {"tier": "silver"} for event in told)

    eventually(shown, "the labels are told")
    [seen] = [each for each in other.instances() if each.uuid == guest.uuid]
    assert (seen.name, seen.owner, seen.owned) == ("web", driver.endpoint.owner, False)
    subscription.close()


def test_addresses_that_tools_tell(scene: Scene) -> None:
    guest = scene.guests[0]
    assert guest.addresses is None
    with scene.listening():
        address = vim.option.OptionValue(key="SET.guest.ipAddress", value="192.0.2.7")
        WaitForTask(scene.vm(guest).ReconfigVM_Task(vim.vm.ConfigSpec(extraConfig=[address])))
        scene.eventually(lambda: scene.shows(guest), "it has changed")
    [now] = [each for each in scene.driver.instances() if each.uuid == guest.uuid]
    assert now.addresses is not None
    assert [str(each) for each in now.addresses] == ["192.0.2.7"]


def test_session_that_expires_while_nobody_asks(scene: Scene) -> None:
    with scene.listening() as told:
        scene.vcenter.expire_sessions()
        scene.eventually(scene.gaps, "a gap is told")
        assert isinstance(told[0], Gap)
        assert told[1:] == []
        assert scene.gaps() == 1


def test_what_happened_while_the_connection_was_cut(scene: Scene, relay: Relay) -> None:
    off, gone, _ = scene.guests
    with scene.listening() as told:
        relay.cut()
        scene.switch_off(off)
        scene.switch_off(gone)
        WaitForTask(scene.vm(gone).Destroy_Task())
        scene.eventually(lambda: scene.driver.site.cache.shown() is None, "the cut is noticed")
        assert told == []
        relay.restore()
        scene.eventually(lambda: Gone(gone.uuid) in told, "what happened is told")
        scene.eventually(lambda: scene.shows(off, power_state=PowerState.SHUTDOWN), "what happened is told")
        assert isinstance(told[0], Gap)
        assert scene.gaps() == 1


def test_closed_subscription_tells_nothing(scene: Scene) -> None:
    guest = scene.guests[0]
    with scene.listening() as told:
        pass
    again: list[DriverEvent] = []
    subscription = scene.driver.events(again.append)
    scene.switch_off(guest)
    scene.eventually(lambda: any(isinstance(event, Changed) for event in again), "the other one is told")
    assert told == []
    subscription.close()
    subscription.close()


def test_subscription_may_be_closed_by_what_it_tells(scene: Scene) -> None:
    closed: list[DriverEvent] = []

    def close(event: DriverEvent) -> None:
        closed.append(event)
        subscription.close()

    subscription = scene.driver.events(close)
    scene.switch_off(scene.guests[0])
    scene.eventually(lambda: closed, "it was told of a change")
    with scene.listening():
        scene.switch_off(scene.guests[1])
        scene.eventually(lambda: scene.shows(scene.guests[1], power_state=PowerState.SHUTDOWN), "it is off")
    assert len(closed) == 1
