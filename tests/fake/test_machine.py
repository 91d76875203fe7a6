"""The machine that a fake guest is."""

from collections.abc import Callable
from typing import Any

import pytest

import nova_virt_api as virt
from nova_virt_api.fake.switches import Switches


def test_processors_are_dedicated_to_one_guest_until_it_goes(
    fake_compute: virt.Compute, fake_switches: Switches, make_spec: Callable[..., virt.InstanceSpec]
) -> None:
    def made(name: str, **fields: Any) -> virt.Instance:
        cpu = virt.Cpu(dedicated=True, **fields.pop("cpu", {}))
        return fake_compute.spawn(make_spec(uuid=virt.stable_uuid(name), name=name, cpu=cpu, **fields))

    def processors(guest: virt.Instance) -> tuple[int, ...]:
        return tuple(fake_switches.outside.parts(guest).guest.machine.cpu.host_cpus)

    first, second = made("first", vcpus=2), made("second", vcpus=1, cpu={"host_cpus": [67]})
    assert (processors(first), processors(second)) == ((64, 65), (67,))
    with pytest.raises(virt.NoCapacity) as caught:
        made("third", vcpus=2)
    assert caught.value.resource == "PCPU"
    with pytest.raises(virt.NoCapacity):
        made("third", vcpus=1, cpu={"host_cpus": [67]})
    with pytest.raises(virt.InvalidSpec) as refused:
        made("third", vcpus=1, cpu={"host_cpus": [0]})
    assert refused.value.field == "cpu.host_cpus"
    fake_compute.destroy(first)
    assert processors(made("third", vcpus=2)) == (64, 65)
    (pcpu,) = (one for one in fake_compute.inventory().resources if one.resource_class == "PCPU")
    assert (pcpu.total, pcpu.used) == (4, 3)


def test_the_only_cell_of_a_host_tells_which_processors_are_for_whom(
    fake_compute: virt.Compute, make_spec: Callable[..., virt.InstanceSpec]
) -> None:
    (cell,) = fake_compute.inventory().cells
    assert (cell.dedicated, cell.shared) == ((64, 65, 66, 67), tuple(range(64)))
    memory = make_spec().memory_bytes
    with pytest.raises(virt.InvalidSpec) as refused:
        fake_compute.spawn(make_spec(vcpus=1, numa=[virt.NumaCell(vcpus=[0], memory_bytes=memory, host_cell=1)]))
    assert refused.value.field == "numa[0].host_cell"
    here = virt.NumaCell(vcpus=[0], memory_bytes=memory, host_cell=cell.id)
    guest = fake_compute.spawn(make_spec(vcpus=1, numa=[here]))
    assert guest.power_state is virt.PowerState.RUNNING


def test_without_processors_set_aside_it_is_not_supported(make_spec: Callable[..., virt.InstanceSpec]) -> None:
    with virt.connect("fake", dedicated_cpus=0) as compute:
        with pytest.raises(virt.NotSupported, match="dedicated_cpus"):
            compute.spawn(make_spec(cpu=virt.Cpu(dedicated=True)))
        assert "PCPU" not in {one.resource_class for one in compute.inventory().resources}


@pytest.mark.parametrize(
    ("fields", "kinds"),
    [
        ({}, {"disk"}),
        ({"tpm": virt.Tpm()}, {"disk", "tpm"}),
        ({"secure_boot": True}, {"disk", "nvram"}),
        ({"stateless_firmware": True}, {"disk"}),
    ],
)
def test_what_firmware_and_tpm_keep_goes_with_the_guest(
    fields: dict[str, Any],
    kinds: set[str],
    fake_compute: virt.Compute,
    fake_switches: Switches,
    make_spec: Callable[..., virt.InstanceSpec],
) -> None:
    guest = fake_compute.spawn(make_spec(firmware=None, cloud_init=None, **fields))
    assert {volume.kind for volume in fake_switches.outside.parts(guest).volumes} == kinds
    fake_compute.destroy(guest)
    assert fake_switches.outside.objects() == ()
