"""The power verbs, pause, suspend and update on real guests without an operating system."""

import re
import threading
import time
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import libvirt
import pytest

from nova_virt_api.driver.endpoint import Manage
from nova_virt_api.driver.operation import Stage
from nova_virt_api.errors import Cancelled, InstanceExists, InstanceNotFound, InvalidState, PermissionDenied
from nova_virt_api.model.identity import InstanceRef
from nova_virt_api.model.instance import PowerOff, PowerState
from nova_virt_api.model.spec import InstanceUpdate
from nova_virt_libvirt.driver import LibvirtDriver
from nova_virt_libvirt.rig.processes import standing_still

MakeGuest = Callable[..., InstanceRef]
HARD: dict[str, Any] = {"mode": PowerOff.HARD, "grace_seconds": 0.0}
GRACEFUL: dict[str, Any] = {"mode": PowerOff.GRACEFUL, "grace_seconds": 0.5}


def state(driver: LibvirtDriver, guest: InstanceRef) -> PowerState:
    return driver.instance(guest, fresh=True).power_state


def test_power_on_and_off_are_idempotent(driver: LibvirtDriver, blank: MakeGuest, op: Any) -> None:
    guest = blank()
    for _ in range(2):
        driver.power_on(guest, op)
        assert state(driver, guest) is PowerState.RUNNING
    assert op.stages == [Stage.BEFORE_START, Stage.START]
    for _ in range(2):
        driver.power_off(guest, op, **HARD)
        assert state(driver, guest) is PowerState.SHUTDOWN


def test_a_guest_that_does_not_obey_loses_its_power_when_the_grace_is_over(
    driver: LibvirtDriver, blank: MakeGuest, op: Any
) -> None:
    guest = blank(on=True)
    begun = time.monotonic()
    driver.power_off(guest, op, **GRACEFUL)
    assert time.monotonic() - begun >= 0.5
    assert state(driver, guest) is PowerState.SHUTDOWN


def test_a_paused_guest_cannot_obey_and_is_stopped_at_once(driver: LibvirtDriver, blank: MakeGuest, op: Any) -> None:
    guest = blank(on=True)
    driver.pause(guest, op)
    begun = time.monotonic()
    driver.power_off(guest, op, mode=PowerOff.GRACEFUL, grace_seconds=30.0)
    assert time.monotonic() - begun < 10
    assert state(driver, guest) is PowerState.SHUTDOWN


def test_a_hung_guest_is_stopped_gracefully_in_time(driver: LibvirtDriver, blank: MakeGuest, op: Any) -> None:
    guest = blank(on=True)
    with standing_still(guest.uuid):
        driver.power_off(guest, op, **GRACEFUL)
    assert state(driver, guest) is PowerState.SHUTDOWN


def test_cancelling_a_graceful_stop_leaves_the_guest_running(
    driver: LibvirtDriver, blank: MakeGuest, operation: Callable[..., Any], eventually: Callable[..., None]
) -> None:
    guest, op = blank(on=True), operation()
    errors: list[BaseException] = []

    def stop() -> None:
        try:
            driver.power_off(guest, op, mode=PowerOff.GRACEFUL, grace_seconds=60.0)
        except BaseException as error:  # noqa: BLE001 - looked at below
            errors.append(error)

    thread = threading.Thread(target=stop)
    thread.start()
    eventually(lambda: Stage.STOP in op.stages, "it waits for the guest")
    op.cancel()
    thread.join(10)
    assert [type(error) for error in errors] == [Cancelled]
    assert state(driver, guest) is PowerState.RUNNING


@pytest.mark.parametrize("how", [HARD, GRACEFUL], ids=["hard", "graceful"])
@pytest.mark.parametrize("before", [PowerState.RUNNING, PowerState.PAUSED, PowerState.SHUTDOWN])
def test_reboot_starts_the_guest_anew_once(
    driver: LibvirtDriver,
    blank: MakeGuest,
    native: Any,
    op: Any,
    eventually: Callable[..., None],
    how: Any,
    before: PowerState,
) -> None:
    guest = blank(on=before is not PowerState.SHUTDOWN)
    if before is PowerState.PAUSED:
        driver.pause(guest, op)
    listener = Starts()
    callback = native.domainEventRegisterAny(None, libvirt.VIR_DOMAIN_EVENT_ID_LIFECYCLE, listener, None)
    driver.reboot(guest, op, **how)
    assert state(driver, guest) is PowerState.RUNNING
    eventually(lambda: listener.started, "the guest's start is told")
    native.domainEventDeregisterAny(callback)
    assert listener.started == [guest.uuid.bytes]


class Starts:
    """Notes which guests were started."""

    def __init__(self) -> None:
        self.started: list[bytes] = []

    def __call__(self, connection: Any, domain: Any, event: int, detail: int, opaque: Any) -> None:
        if event == libvirt.VIR_DOMAIN_EVENT_STARTED:
            self.started.append(domain.UUID())


def test_a_transient_guest_is_reset_and_not_stopped(
    make_driver: Callable[..., LibvirtDriver], native: Any, op: Any
) -> None:
    guest = InstanceRef(uuid=uuid4())
    domain = native.createXML(
        f"<domain type='qemu'><name>transient</name><uuid>{guest.uuid}</uuid><memory unit='MiB'>16</memory>"
        "<vcpu>1</vcpu><os><type arch='x86_64' machine='q35'>hvm</type></os></domain>"
    )
    try:
        driver = make_driver(manage=Manage.ALL)
        first = domain.ID()
        driver.reboot(guest, op, **HARD)
        assert native.lookupByUUID(guest.uuid.bytes).ID() == first
        assert state(driver, guest) is PowerState.RUNNING
        driver.power_off(guest, op, **HARD)
        with pytest.raises(InstanceNotFound):
            driver.instance(guest)
    finally:
        if guest.uuid.bytes in [domain.UUID() for domain in native.listAllDomains(0)]:
            native.lookupByUUID(guest.uuid.bytes).destroy()


def test_pause_and_unpause_are_idempotent(driver: LibvirtDriver, blank: MakeGuest, op: Any) -> None:
    guest = blank(on=True)
    for verb, wanted in ((driver.pause, PowerState.PAUSED), (driver.unpause, PowerState.RUNNING)):
        verb(guest, op)
        verb(guest, op)
        assert state(driver, guest) is wanted


@pytest.mark.parametrize("paused", [False, True], ids=["running", "paused"])
def test_suspend_and_resume_are_idempotent_and_let_the_guest_run(
    driver: LibvirtDriver, blank: MakeGuest, op: Any, paused: bool
) -> None:
    guest = blank(on=True)
    if paused:
        driver.pause(guest, op)
    for verb, wanted in ((driver.suspend, PowerState.SUSPENDED), (driver.resume, PowerState.RUNNING)):
        verb(guest, op)
        verb(guest, op)
        assert state(driver, guest) is wanted
    assert op.stages.count(Stage.BEFORE_START) == 1


def test_verbs_refuse_states_that_they_do_not_know(driver: LibvirtDriver, blank: MakeGuest, op: Any) -> None:
    off, suspended = blank("off"), blank("suspended", on=True)
    driver.suspend(suspended, op)
    refused: list[tuple[Callable[[], object], PowerState]] = [
        (lambda: driver.pause(off, op), PowerState.SHUTDOWN),
        (lambda: driver.unpause(off, op), PowerState.SHUTDOWN),
        (lambda: driver.suspend(off, op), PowerState.SHUTDOWN),
        (lambda: driver.resume(off, op), PowerState.SHUTDOWN),
        (lambda: driver.power_on(suspended, op), PowerState.SUSPENDED),
        (lambda: driver.power_off(suspended, op, **HARD), PowerState.SUSPENDED),
        (lambda: driver.reboot(suspended, op, **HARD), PowerState.SUSPENDED),
        (lambda: driver.pause(suspended, op), PowerState.SUSPENDED),
    ]
    for verb, current in refused:
        with pytest.raises(InvalidState) as caught:
            verb()
        assert caught.value.current is current
    assert state(driver, off) is PowerState.SHUTDOWN
    assert state(driver, suspended) is PowerState.SUSPENDED


def test_verbs_refuse_guests_of_others_unless_all_are_managed(
    driver: LibvirtDriver, make_driver: Callable[..., LibvirtDriver], blank: MakeGuest, op: Any
) -> None:
    another, nobodys = blank("another", owner="somebody"), blank("nobodys", owner=None)
    everything = make_driver(manage=Manage.ALL)
    for guest in (another, nobodys):
        verbs: list[Callable[[LibvirtDriver, InstanceRef], object]] = [
            lambda driver, guest: driver.power_on(guest, op),
            lambda driver, guest: driver.pause(guest, op),
            lambda driver, guest: driver.unpause(guest, op),
            lambda driver, guest: driver.suspend(guest, op),
            lambda driver, guest: driver.resume(guest, op),
            lambda driver, guest: driver.power_off(guest, op, **HARD),
            lambda driver, guest: driver.update(guest, InstanceUpdate(name="x"), op),
        ]
        for verb in verbs:
            with pytest.raises(PermissionDenied):
                verb(driver, guest)
        for verb in verbs[:-1]:
            verb(everything, guest)


def test_verbs_say_that_a_guest_is_not_there(driver: LibvirtDriver, op: Any) -> None:
    nobody = InstanceRef(uuid=uuid4())
    for verb in (driver.power_on, driver.pause, driver.unpause, driver.suspend, driver.resume):
        with pytest.raises(InstanceNotFound) as caught:
            verb(nobody, op)
        assert isinstance(caught.value.__cause__, libvirt.libvirtError)


def test_name_and_labels_change_and_nothing_else_does(
    driver: LibvirtDriver, blank: MakeGuest, native: Any, op: Any
) -> None:
    guest = blank("old", labels={"tier": "front"})
    before = without_mark(native.lookupByUUID(guest.uuid.bytes).XMLDesc(0))
    changed = driver.update(guest, InstanceUpdate(name="new", labels={"note": "<a b=\"c\"> & 'd'"}), op)
    assert (changed.name, dict(changed.labels)) == ("new", {"note": "<a b=\"c\"> & 'd'"})
    again = driver.update(guest, InstanceUpdate(name="new", labels={"note": "<a b=\"c\"> & 'd'"}), op)
    assert again == changed
    back = driver.update(guest, InstanceUpdate(name="old", labels={"tier": "front"}), op)
    assert dict(back.labels) == {"tier": "front"}
    assert without_mark(native.lookupByUUID(guest.uuid.bytes).XMLDesc(0)) == before


def without_mark(xml: str) -> str:
    return re.sub(r"<nv:instance.*</nv:instance>", "", xml, flags=re.DOTALL)


def test_labels_of_a_running_guest_survive_its_end(driver: LibvirtDriver, blank: MakeGuest, op: Any) -> None:
    guest = blank(on=True)
    assert dict(driver.update(guest, InstanceUpdate(labels={"a": "1"}), op).labels) == {"a": "1"}
    driver.power_off(guest, op, **HARD)
    assert dict(driver.instance(guest, fresh=True).labels) == {"a": "1"}


def test_a_taken_name_is_refused(driver: LibvirtDriver, blank: MakeGuest, op: Any) -> None:
    guest, _ = blank("mine"), blank("taken")
    with pytest.raises(InstanceExists):
        driver.update(guest, InstanceUpdate(name="taken"), op)
    assert driver.instance(guest, fresh=True).name == "mine"


def test_a_running_guest_is_not_renamed(driver: LibvirtDriver, blank: MakeGuest, op: Any) -> None:
    guest = blank("runs", on=True)
    with pytest.raises(InvalidState):
        driver.update(guest, InstanceUpdate(name="other"), op)
