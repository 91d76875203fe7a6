"""Processors of the host that guests have for themselves: nobody gets one that another has, whatever happens."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import libvirt
import pytest

from nova_virt_api.errors import MigrationError, NoCapacity, NotSupported
from nova_virt_api.model.cpu import Cpu, NumaCell
from nova_virt_api.model.identity import stable_uuid
from nova_virt_api.model.image import ImageFormat
from nova_virt_api.model.instance import Lifecycle
from nova_virt_api.model.record import Record
from nova_virt_api.model.size import Size
from nova_virt_api.model.units import MiB
from nova_virt_libvirt.claims.records import Records
from nova_virt_libvirt.names import HOST_CPUS_KEY, reserved_cpus_name
from nova_virt_libvirt.places import Places


def pins(native: Any, guest: Any) -> list[int]:
    """The processors of the host that a guest's are bound to."""
    found = native.lookupByUUID(guest.uuid.bytes).vcpuPinInfo(libvirt.VIR_DOMAIN_AFFECT_CONFIG)
    return [cpu for one in found for cpu, may in enumerate(one) if may]


def test_of_many_that_want_the_last_ones_each_gets_its_own(
    spawn: Any, make_spec: Any, make_driver: Any, native: Any
) -> None:
    drivers = [make_driver(cpu_dedicated_set="0-1") for _ in range(4)]
    specs = [make_spec(disks=[], cpu=Cpu(dedicated=True)) for _ in drivers]

    def attempt(index: int) -> Any:
        try:
            return spawn(specs[index], by=drivers[index])
        except NoCapacity:
            return None

    with ThreadPoolExecutor(len(drivers)) as pool:
        made = [guest for guest in pool.map(attempt, range(len(drivers))) if guest is not None]
    assert sorted(cpu for guest in made for cpu in pins(native, guest)) == [0, 1]


def test_choice_of_a_holder_that_died_is_nobodys(
    spawn: Any, make_spec: Any, make_driver: Any, native: Any, traces: Any
) -> None:
    driver = make_driver(cpu_dedicated_set="0")
    records = Records(Places(native, "nova-virt").records_pool(), driver.host.uuid)
    hold = records.create(HOST_CPUS_KEY, Record(uuid=stable_uuid("x"), owner="o", fingerprint="f"))
    assert hold is not None
    hold.begin()
    hold.end()  # as if it had been killed
    hold._write(holder=None)
    guest = spawn(make_spec(disks=[], cpu=Cpu(dedicated=True)), by=driver)
    assert pins(native, guest) == [0]
    assert not [name for name in traces.volumes() if name.startswith(HOST_CPUS_KEY)]


def test_refused_guest_leaves_no_claim(spawn: Any, make_spec: Any, make_driver: Any, traces: Any) -> None:
    driver = make_driver(cpu_dedicated_set="0")
    spec = make_spec(vcpus=2, cpu=Cpu(dedicated=True))
    with pytest.raises(NoCapacity):
        spawn(spec, by=driver)
    assert traces.of(spec.uuid) == []
    assert not [name for name in traces.volumes() if name.startswith(HOST_CPUS_KEY)]


def test_resize_gives_no_processors_that_others_may_have(
    spawn: Any, make_spec: Any, make_driver: Any, run: Any, native: Any
) -> None:
    driver = make_driver(cpu_dedicated_set="0-1")
    guest = spawn(make_spec(vcpus=2, cpu=Cpu(dedicated=True)), by=driver)
    with pytest.raises(NotSupported, match="for each of its 2") as caught:
        run(driver.resize, guest.ref, Size(vcpus=3))
    assert caught.value.field == "size.vcpus"
    assert driver.domains.instance(guest.ref, fresh=True).lifecycle is Lifecycle.READY
    assert run(driver.resize, guest.ref, Size(vcpus=1)).vcpus == 1
    run(driver.confirm_resize, guest.ref)
    assert pins(native, guest) == [0]


def test_guest_does_not_move_onto_processors_of_others(
    spawn: Any, make_spec: Any, make_driver: Any, run: Any, second_raw: Any, second_daemon: Any, daemon: Any
) -> None:
    """They would be the same numbers there, whoever has them: a spec says which ones it gets."""
    source = make_driver(cpu_dedicated_set="0")
    second = second_raw()
    destination = make_driver(
        uri=second_daemon.uri, peers={source.host.name: daemon.uri}, cpu_dedicated_set="1", cpu_shared_set="0"
    )
    spec = make_spec(cpu=Cpu(dedicated=True))
    guest = spawn(spec, by=source)
    ticket = run(source.prepare_resize, guest.ref, Size())
    with pytest.raises(MigrationError, match="for itself"):
        run(destination.finish_resize, ticket)
    run(destination.finish_resize, ticket, spec=spec)
    assert pins(second, guest) == [1]
    run(destination.destroy, guest.ref)
    run(destination.finish_resize, ticket, spec=replace(spec, cpu=None))
    assert pins(second, guest) == [0], "it has none for itself any more, and keeps off those that others have"
    run(destination.destroy, guest.ref)
    run(source.revert_resize, guest.ref)


def test_way_back_is_given_to_nobody(spawn: Any, make_spec: Any, make_driver: Any, run: Any, native: Any) -> None:
    """A guest that is finished in its place has what its spec says, and what it had is kept for it."""
    driver = make_driver(cpu_dedicated_set="0-1")
    spec = make_spec(cpu=Cpu(dedicated=True, host_cpus=(0,)))
    guest = spawn(spec, by=driver)
    ticket = run(driver.prepare_resize, guest.ref, Size(vcpus=1))
    run(driver.finish_resize, ticket, spec=replace(spec, cpu=Cpu(dedicated=True, host_cpus=(1,))))
    assert pins(native, guest) == [1]
    with pytest.raises(NoCapacity):
        spawn(make_spec(cpu=Cpu(dedicated=True)), by=driver)
    run(driver.revert_resize, guest.ref)
    assert pins(native, guest) == [0]
    assert pins(native, spawn(make_spec(cpu=Cpu(dedicated=True)), by=driver)) == [1]


def test_guest_of_shared_processors_moves_to_those_of_its_destination(
    spawn: Any, make_spec: Any, make_driver: Any, run: Any, second_raw: Any, second_daemon: Any, daemon: Any
) -> None:
    source = make_driver(cpu_shared_set="0-1")
    peers = {source.host.name: daemon.uri}
    destination = make_driver(uri=second_daemon.uri, peers=peers, cpu_shared_set="0")
    cells = [NumaCell(vcpus=[0], memory_bytes=MiB(32), host_cell=0)]
    for spec in (make_spec(), make_spec(memory_bytes=MiB(32), numa=cells)):
        guest = spawn(spec, by=source)
        ticket = run(source.prepare_resize, guest.ref, Size())
        run(destination.finish_resize, ticket)
        assert pins(second_raw(), guest) == [0]
        run(destination.destroy, guest.ref)
        run(source.revert_resize, guest.ref)


def test_processors_that_are_kept_are_used_and_stand_for_no_vcpu(
    spawn: Any, make_spec: Any, make_driver: Any, run: Any, native: Any
) -> None:
    driver = make_driver(cpu_dedicated_set="0-1")

    def used(resource: str) -> int:
        (found,) = [one.used for one in driver.inventory().resources if one.resource_class == resource]
        return int(found)

    before = used("VCPU")
    name = reserved_cpus_name(stable_uuid("coming"), driver.host.uuid, [1])
    pool = Places(native, "nova-virt").records_pool()
    pool.create(name, 0, ImageFormat.RAW)
    try:
        spawn(make_spec(power_on=True), by=driver)
        spec = make_spec(cpu=Cpu(dedicated=True))
        guest = spawn(spec, by=driver)
        assert (used("PCPU"), used("VCPU") - before) == (2, 1), "one is off"
        run(driver.power_on, guest.ref)
        assert (used("PCPU"), used("VCPU") - before) == (2, 1), "one has its own"
    finally:
        pool.remove(name)
