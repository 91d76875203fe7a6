"""Volumes that guests get, lose, see grow and are swapped to."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest

import nova_virt_api as virt
from nova_virt_api.compute.aio import AsyncCompute
from nova_virt_api.fake.steps import Step
from nova_virt_api.fake.switches import SimulatedCrash, Switches
from nova_virt_api.model.spec import MOST_DEVICES

DATA = virt.Volume(
    id="data",
    connection=virt.NbdVolume(host="192.0.2.7", export="data"),
    bus=virt.DiskBus.SCSI,
    encryption=virt.LuksEncryption(passphrase=virt.Secret("PASSWORD-5aZ")),
    read_only=True,
    serial="database",
    tag="db",
)
NEW = virt.Volume(id="new", connection=virt.FileVolume(path="/srv/new.raw"))


def ids(compute: virt.Compute, guest: virt.Instance) -> list[str]:
    return [volume.id for volume in compute.volumes(guest)]


def test_a_volume_comes_and_goes(fake_compute: virt.Compute, fake_switches: Switches, web: virt.Instance) -> None:
    wanted = virt.AttachedVolume(
        id="data",
        device="volume0",
        bus=virt.DiskBus.SCSI,
        encrypted=True,
        read_only=True,
        serial="database",
        tag="db",
        address=virt.DeviceAddress(bus=virt.DeviceBus.SCSI, text="2:0:0:0"),
    )
    for _ in range(2):
        assert fake_compute.attach_volume(web, DATA) == wanted
    assert fake_compute.volumes(web) == (wanted,)
    assert "PASSWORD" not in repr(fake_switches.outside.parts(web))
    fake_compute.reboot(web)
    assert fake_compute.volumes(web) == (wanted,)
    for _ in range(2):
        fake_compute.detach_volume(web, wanted)
    assert fake_compute.volumes(web) == ()


def test_a_volume_grows_and_never_shrinks(fake_compute: virt.Compute, web: virt.Instance) -> None:
    fake_compute.attach_volume(web, DATA)
    for size in (virt.GiB(2), virt.GiB(2), virt.GiB(3)):
        fake_compute.extend_volume(web, DATA, size)
    with pytest.raises(virt.InvalidSpec, match="only grows"):
        fake_compute.extend_volume(web, DATA, virt.GiB(2))
    with pytest.raises(virt.InvalidSpec, match="uses"):
        fake_compute.extend_volume(web, NEW, virt.GiB(2))


def test_a_volume_is_swapped_once(fake_compute: virt.Compute, web: virt.Instance) -> None:
    before = fake_compute.attach_volume(web, DATA)
    for _ in range(2):
        assert fake_compute.swap_volume(web, DATA, NEW) == replace(before, id="new", encrypted=False)
    assert ids(fake_compute, web) == ["new"]
    fake_compute.attach_volume(web, DATA)
    for old, new in ((DATA, NEW), (NEW, NEW), (replace(NEW, id="other"), replace(NEW, id="third"))):
        with pytest.raises(virt.InvalidSpec):
            fake_compute.swap_volume(web, old, new)
    fake_compute.power_off(web)
    with pytest.raises(virt.InvalidState):
        fake_compute.swap_volume(web, DATA, replace(NEW, id="third"))


@pytest.mark.parametrize("step", [Step.COPY_VOLUME, Step.SWITCH_VOLUME], ids=lambda step: step.name)
def test_a_swap_that_dies_is_done_again(
    step: Step, fake_compute: virt.Compute, fake_switches: Switches, web: virt.Instance
) -> None:
    fake_compute.attach_volume(web, DATA)
    fake_switches.crash_at(step)
    with pytest.raises(SimulatedCrash):
        fake_compute.swap_volume(web, DATA, NEW)
    assert ids(fake_compute, web) == ["data"]
    assert fake_compute.swap_volume(web, DATA, NEW).id == "new"


def test_what_is_no_volume_is_not_shown(fake_compute: virt.Compute, web: virt.Instance) -> None:
    with pytest.raises(virt.InvalidSpec, match=r"got 'an object of type str'.* e\.g\. Volume\(id=") as refused:
        fake_compute.attach_volume(web, "PASSWORD-5aZ")  # type: ignore[arg-type]
    assert "PASSWORD" not in str(refused.value)


def test_what_cannot_be_reached_is_not_attached(fake_compute: virt.Compute, web: virt.Instance) -> None:
    fake_compute.attach_volume(web, DATA)
    lost = replace(NEW, id="unreachable-7")
    with pytest.raises(virt.VolumeError, match="storage service"):
        fake_compute.attach_volume(web, lost)
    with pytest.raises(virt.VolumeError, match="storage service"):
        fake_compute.swap_volume(web, DATA, lost)
    assert ids(fake_compute, web) == ["data"]


def test_refusals(fake_compute: virt.Compute, web: virt.Instance, make_spec: Any) -> None:
    with pytest.raises(virt.InvalidSpec, match="boot"):
        fake_compute.attach_volume(web, replace(DATA, boot=True))
    full = fake_compute.spawn(
        make_spec(
            uuid=virt.stable_uuid("full"),
            name="full",
            volumes=[replace(NEW, id=f"v{number}") for number in range(MOST_DEVICES)],
        )
    )
    with pytest.raises(virt.NoCapacity):
        fake_compute.attach_volume(full, DATA)


@pytest.mark.parametrize(
    ("feature", "volume", "field"),
    [
        (virt.Feature.ATTACH_VOLUMES, NEW, ""),
        (virt.Feature.HOST_VOLUMES, NEW, "volume.connection"),
        (virt.Feature.NBD_VOLUMES, DATA, "volume.connection"),
        (virt.Feature.VOLUME_BUS, DATA, "volume.bus"),
        (virt.Feature.VOLUME_ENCRYPTION, DATA, "volume.encryption"),
        (virt.Feature.VOLUME_SHARED, replace(NEW, shared=True), "volume.shared"),
        (virt.Feature.VOLUME_READ_ONLY, DATA, "volume.read_only"),
        (virt.Feature.VOLUME_SERIAL, DATA, "volume.serial"),
    ],
)
def test_what_is_not_declared_is_refused(
    feature: virt.Feature,
    volume: virt.Volume,
    field: str,
    fake_compute: virt.Compute,
    fake_switches: Switches,
    web: virt.Instance,
    make_spec: Any,
) -> None:
    fake_switches.withdraw(feature, "no licence")
    with pytest.raises(virt.NotSupported) as caught:
        fake_compute.attach_volume(web, volume)
    assert (caught.value.capability, caught.value.field) == (feature, field)
    if field:
        with pytest.raises(virt.NotSupported, match="volumes\\[0\\]"):
            fake_compute.spawn(make_spec(name="other", volumes=[volume]))


def test_awaitable(fake_compute: virt.Compute, web: virt.Instance) -> None:
    async def main() -> None:
        compute = AsyncCompute(fake_compute)
        assert (await compute.attach_volume(web, DATA)).id == "data"
        await compute.extend_volume(web, DATA, virt.GiB(2))
        assert (await compute.swap_volume(web, DATA, NEW)).id == "new"
        assert [volume.id for volume in await compute.volumes(web)] == ["new"]
        await compute.detach_volume(web, "new")
        assert await compute.volumes(web) == ()

    asyncio.run(main())
