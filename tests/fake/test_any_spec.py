"""Any spec gives a guest as specified, or a typed error and no trace."""

from hypothesis import HealthCheck, given, settings, strategies as st

import nova_virt_api as virt
from nova_virt_api.fake.switches import Switches

PLACES = st.sampled_from([None, "default", "nowhere"])
NODES = st.sampled_from([None, "fake-host", "nowhere"])
SIZES = st.one_of(st.none(), st.integers(2**30, 2**43), st.integers(1, 2**44))
SOURCES = st.one_of(
    st.just(virt.Blank()),
    st.sampled_from(["debian-13", "cirros", "nothing"]).map(virt.Native),
    st.just(virt.LocalFile("/nowhere/image.qcow2")),
    st.just(virt.Template("machine")),
)
DISKS = st.builds(
    lambda source, size, pool: virt.Disk(
        source=source, size_bytes=size or (1 if isinstance(source, virt.Blank) else None), pool=pool
    ),
    SOURCES,
    SIZES,
    PLACES,
)
NICS = st.builds(lambda network: virt.Nic(network=network), PLACES)
SPECS = st.builds(
    virt.InstanceSpec,
    uuid=st.uuids(),
    name=st.from_regex(r"\A[A-Za-z0-9][A-Za-z0-9._-]{0,62}\Z"),
    vcpus=st.integers(1, 80),
    memory_bytes=st.integers(1, 300 * 1024).map(lambda mebibytes: mebibytes * 1024**2),
    disks=st.lists(DISKS, max_size=3),
    nics=st.lists(NICS, max_size=3),
    cloud_init=st.one_of(st.none(), st.builds(virt.CloudInit, user_data=st.text(max_size=20))),
    placement=st.builds(virt.Placement, node=NODES, pool=PLACES),
    firmware=st.sampled_from([None, *virt.Firmware]),
    labels=st.dictionaries(st.from_regex(r"\A[a-z0-9._-]{1,9}\Z"), st.just("value"), max_size=3),
    power_on=st.booleans(),
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(spec=SPECS)
def test_a_guest_as_specified_or_no_trace(
    spec: virt.InstanceSpec, fake_compute: virt.Compute, fake_switches: Switches
) -> None:
    try:
        guest = fake_compute.spawn(spec)
    except (virt.InvalidSpec, virt.ImageNotFound, virt.NoCapacity):
        pass
    else:
        state = virt.PowerState.RUNNING if spec.power_on else virt.PowerState.SHUTDOWN
        asked = (spec.uuid, spec.name, spec.vcpus, spec.memory_bytes, spec.labels, state)
        assert asked == (guest.uuid, guest.name, guest.vcpus, guest.memory_bytes, guest.labels, guest.power_state)
        assert fake_compute.spawn(spec) is guest
        assert len(guest.addresses or ()) == (len(spec.nics) if spec.power_on else 0)
        disks = [text for text in fake_switches.outside.objects() if text.startswith("disk ")]
        assert len(disks) == len(spec.disks)
        assert fake_compute.destroy(guest) is True
    assert fake_switches.outside.objects() == ()
