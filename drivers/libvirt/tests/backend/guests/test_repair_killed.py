"""Processes that die right before each call of a rescue, its end, a rebuild, an adoption that changes something."""

import itertools
import uuid
from collections.abc import Callable, Iterator
from typing import Any
from uuid import UUID

import libvirt
import pytest

from nova_virt_api.errors import InstanceNotFound
from nova_virt_api.model.cloud_init import CloudInit
from nova_virt_api.model.identity import InstanceRef
from nova_virt_api.model.instance import Instance, Lifecycle, PowerState

WHOLE = libvirt.VIR_DOMAIN_XML_INACTIVE | libvirt.VIR_DOMAIN_XML_SECURE


@pytest.fixture
def guest(processes: Any, driver: Any, run: Any) -> Iterator[InstanceRef]:
    """A running guest with all that a spawn makes."""
    ref = InstanceRef(uuid=uuid.uuid4())
    assert processes.run("spawn", ref.uuid) == str(ref.uuid)
    yield ref
    run(driver.destroy, ref)


@pytest.fixture
def dying(processes: Any) -> Callable[[str, UUID], Iterator[int]]:
    """Lets processes die at one place after the other, and ends when one of them gets through."""

    def dying(verb: str, guest: UUID) -> Iterator[int]:
        for number in itertools.count(1):
            if not processes.dies(verb, guest, number):
                assert number > 4, "it changed nothing"
                return
            yield number

    return dying


def definition(native: Any, guest: InstanceRef) -> str:
    return str(native.lookupByUUID(guest.uuid.bytes).XMLDesc(WHOLE))


def media(traces: Any, guest: InstanceRef) -> set[str]:
    """The guest's volumes, without the links that dead holders added to its claim: the next verb takes them off."""
    return {name for name in traces.volumes(guest.uuid) if not name.startswith(f"{guest.uuid}.claim.")}


def state(driver: Any, guest: InstanceRef) -> tuple[Lifecycle, PowerState]:
    seen: Instance = driver.instance(guest, fresh=True)
    return seen.lifecycle, seen.power_state


@pytest.mark.timeout(300)
def test_rescue_killed_anywhere_is_repeated_or_undone(
    guest: Any, dying: Any, driver: Any, run: Any, native: Any, traces: Any
) -> None:
    before, volumes = definition(native, guest), media(traces, guest)
    for number in dying("rescue", guest.uuid):
        if number % 2:
            run(driver.rescue, guest)
            assert state(driver, guest) == (Lifecycle.RESCUED, PowerState.RUNNING), number
        assert driver.leftovers() == []
        run(driver.unrescue, guest)
        if number % 2 == 0 and state(driver, guest)[1] is PowerState.SHUTDOWN:  # died between stop and definition
            run(driver.power_on, guest)
        assert state(driver, guest) == (Lifecycle.READY, PowerState.RUNNING), number
        assert definition(native, guest) == before, number
        assert media(traces, guest) == volumes, number
    assert state(driver, guest) == (Lifecycle.RESCUED, PowerState.RUNNING)


@pytest.mark.timeout(300)
def test_unrescue_killed_anywhere_is_repeated_or_undone(
    guest: Any, dying: Any, driver: Any, run: Any, native: Any, traces: Any
) -> None:
    before, volumes = definition(native, guest), media(traces, guest)
    run(driver.rescue, guest)
    for number in dying("unrescue", guest.uuid):
        if number % 2:
            run(driver.rescue, guest)
            assert state(driver, guest) == (Lifecycle.RESCUED, PowerState.RUNNING), number
        run(driver.unrescue, guest)
        assert state(driver, guest) == (Lifecycle.READY, PowerState.RUNNING), number
        assert definition(native, guest) == before, number
        assert media(traces, guest) == volumes, number
        run(driver.rescue, guest)
    assert state(driver, guest) == (Lifecycle.READY, PowerState.RUNNING)


@pytest.mark.timeout(300)
def test_rebuild_killed_anywhere_is_repeated(
    guest: Any, dying: Any, driver: Any, run: Any, native: Any, traces: Any, image: Any
) -> None:
    before, volumes = definition(native, guest), media(traces, guest)
    for number in dying("rebuild", guest.uuid):
        assert state(driver, guest)[0] in (Lifecycle.READY, Lifecycle.ERROR)
        assert driver.leftovers() == []
        run(driver.rebuild, guest, cloud_init=CloudInit(user_data="#cloud-config\n"))
        assert state(driver, guest) == (Lifecycle.READY, PowerState.RUNNING), number
        assert definition(native, guest) == before, number
        assert media(traces, guest) == volumes, number


@pytest.mark.timeout(300)
@pytest.mark.parametrize("verb", ["rescue", "unrescue", "rebuild"])
def test_destroy_takes_what_a_killed_verb_left(verb: str, processes: Any, driver: Any, run: Any, traces: Any) -> None:
    for number in (4, 7, 10):
        guest = InstanceRef(uuid=uuid.uuid4())
        assert processes.run("spawn", guest.uuid) == str(guest.uuid)
        if verb == "unrescue":
            run(driver.rescue, guest)
        assert processes.dies(verb, guest.uuid, number)
        assert run(driver.destroy, guest)
        assert traces.of(guest.uuid) == []
        with pytest.raises(InstanceNotFound):
            driver.instance(guest, fresh=True)


def test_adoption_killed_anywhere_is_repeated(
    blank: Any, processes: Any, driver: Any, run: Any, native: Any, traces: Any
) -> None:
    guest = blank("by-hand", owner=None)
    before = definition(native, guest)
    for verb, again, undone in (
        ("adopt", driver.adopt, driver.release),
        ("release", driver.release, driver.adopt),
    ):
        number = 0
        while processes.dies(verb, guest.uuid, number := number + 1):
            run(again, guest)
            assert driver.instance(guest, fresh=True).owned is (verb == "adopt"), number
            run(undone, guest)
        assert number > 3
    assert definition(native, guest).replace("  <metadata/>\n", "") == before  # libvirt keeps an empty element
    assert traces.volumes(guest.uuid) == set()
