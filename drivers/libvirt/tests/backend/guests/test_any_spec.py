"""Any spec gives a guest as specified, or a typed error and no trace."""

from typing import Any

from hypothesis import HealthCheck, event, given, settings, strategies as st
from lxml import etree

from nova_virt_api.errors import VirtError
from nova_virt_api.model.cloud_init import CloudInit
from nova_virt_api.model.disk import Blank, Disk, DiskBus
from nova_virt_api.model.identity import InstanceRef
from nova_virt_api.model.nic import Nic, NicModel
from nova_virt_api.model.placement import Placement
from nova_virt_api.model.spec import Firmware, InstanceSpec
from nova_virt_api.model.units import GiB, MiB


def mostly(usual: Any, odd: Any) -> Any:
    """Odd values often enough to be met, seldom enough that most specs can be made."""
    return st.integers(0, 15).flatmap(lambda number: odd if number == 7 else usual)


PLACES = st.sampled_from([None, "nova-virt", "default", "nowhere", "<&\"'>", "../.."])
TEXT = st.text(
    st.characters(exclude_categories=("Cs", "Cc", "Zl", "Zp")), max_size=40
)  # what XML may hold and the model lets through, and much that it may not

disks = st.builds(
    Disk,
    source=st.just(Blank()),
    size_bytes=st.integers(1, GiB(4)),
    pool=mostly(st.sampled_from([None, "nova-virt"]), PLACES),
    bus=st.one_of(st.none(), st.sampled_from(DiskBus)),
)
nics = st.builds(
    Nic,
    network=mostly(st.just("default"), PLACES),
    mac=st.one_of(st.none(), st.integers(0, 255).map("52:54:00:00:00:{:02x}".format)),
    model=st.one_of(st.none(), st.sampled_from(NicModel)),
)
specs: Any = st.fixed_dictionaries(
    {
        "uuid": st.uuids(version=4),
        "name": mostly(st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}", fullmatch=True), TEXT),
        "vcpus": mostly(st.integers(1, 8), st.sampled_from([255, 256, 4096])),
        "memory_bytes": mostly(st.integers(1, 64).map(MiB), st.sampled_from([2**46, MiB(1), 3])),
        "disks": st.lists(disks, max_size=5),
        "nics": st.lists(nics, max_size=3),
        "cloud_init": st.one_of(st.none(), st.builds(CloudInit, user_data=TEXT)),
        "placement": mostly(st.just(Placement()), st.builds(Placement, pool=PLACES)),
        "firmware": st.one_of(st.none(), st.sampled_from(Firmware)),
        "labels": st.dictionaries(st.from_regex(r"[a-z0-9._-]{1,63}", fullmatch=True), TEXT, max_size=4),
    }
)


@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
@given(fields=specs)
def test_guest_as_specified_or_error_without_trace(
    fields: dict[str, Any], driver: Any, run: Any, native: Any, traces: Any
) -> None:
    before = traces.volumes()
    try:
        spec = InstanceSpec(power_on=False, **fields)
        guest = run(driver.spawn, spec)
    except VirtError:
        assert traces.volumes() == before
        assert traces.domains() == []
        return
    event("made")
    found = etree.fromstring(native.lookupByUUID(spec.uuid.bytes).XMLDesc(0))
    assert (guest.uuid, guest.name, guest.vcpus, guest.memory_bytes) == (
        spec.uuid,
        spec.name,
        spec.vcpus,
        spec.memory_bytes,
    )
    assert guest.labels == spec.labels
    volumes = traces.volumes(spec.uuid)
    assert {f"{spec.uuid}.disk{index}.qcow2" for index in range(len(spec.disks))} == {
        name for name in volumes if ".disk" in name
    }
    buses = sorted(str(target.get("bus")) for target in found.iterfind("devices/disk[@device='disk']/target"))
    wanted = sorted((disk.bus or DiskBus.VIRTIO).value for disk in spec.disks)
    seed = bool(spec.cloud_init) and bool(spec.disks) and (spec.disks[0].bus or DiskBus.VIRTIO) is DiskBus.VIRTIO
    assert buses == sorted(wanted + ["virtio"] * seed)
    assert (f"{spec.uuid}.seed.iso" in volumes) is (spec.cloud_init is not None)
    macs = [mac.get("address") for mac in found.iterfind("devices/interface/mac")]
    assert len(macs) == len(spec.nics)
    assert all(nic.mac in (None, mac) for nic, mac in zip(spec.nics, macs, strict=True))
    assert run(driver.spawn, spec) == guest
    assert run(driver.destroy, InstanceRef(uuid=spec.uuid))
    assert traces.volumes() == before
    assert traces.domains() == []
