"""Specs: what is refused says which field, what came and what is allowed; what is accepted is frozen."""

import re
from dataclasses import FrozenInstanceError, fields
from typing import Any

import pytest
from hypothesis import given, strategies as st

from nova_virt_api import (
    BackendUrl,
    Blank,
    Checksum,
    CloudInit,
    Cpu,
    CpuMode,
    Disk,
    DiskBus,
    Feature,
    Firmware,
    GiB,
    Graphics,
    InstanceSpec,
    InstanceUpdate,
    InvalidSpec,
    IscsiVolume,
    LocalFile,
    MemoryBacking,
    MiB,
    Native,
    Nic,
    NicModel,
    NumaCell,
    Placement,
    Screen,
    Store,
    Tpm,
    Url,
    Volume,
    Watchdog,
    stable_uuid,
)
from nova_virt_api.model.image import ImageSource
from nova_virt_api.model.spec import NAME, Extra, require_one


def spec(**changes: Any) -> InstanceSpec:
    return InstanceSpec(**{"uuid": stable_uuid("web"), "name": "web", "memory_bytes": MiB(512), **changes})


BAD_NAMES = ["", "a" * 64, "a\n", "a'b", '"', "<name/>", "../etc", "a/b", "-x", ".x", "a b", "ä", "x" * 10_000, None, 7]


@pytest.mark.parametrize("name", BAD_NAMES)
def test_name_that_some_backend_could_misread_is_refused(name: Any) -> None:
    with pytest.raises(InvalidSpec) as caught:
        spec(name=name)
    assert caught.value.field == "name"
    assert "1 to 63 letters" in str(caught.value)
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("uuid", "b17e16f0-5722-5869-bd93-8127d7d7ea29"),
        ("max_vcpus", 0),
        ("max_vcpus", 10**6),
        ("max_vcpus", "2"),
        ("max_memory_bytes", MiB(511)),
        ("max_memory_bytes", MiB(600) + 1),
        ("max_memory_bytes", 2**60),
        ("vcpus", 0),
        ("vcpus", -1),
        ("vcpus", 10**6),
        ("vcpus", 1.5),
        ("vcpus", True),
        ("vcpus", "2"),
        ("memory_bytes", 0),
        ("memory_bytes", MiB(1) + 1),
        ("memory_bytes", 2**60),
        ("memory_bytes", "2G"),
        ("disks", Disk(source=Blank(), size_bytes=1)),
        ("disks", "disk"),
        ("nics", [Nic(mac="52:54:00:00:00:01"), Nic(mac="52-54-00-00-00-01")]),
        ("cloud_init", "#cloud-config"),
        ("placement", "here"),
        ("firmware", "uefi"),
        ("labels", {"Key": "value"}),
        ("labels", {"key": 3}),
        ("labels", {f"key{n}": "" for n in range(65)}),
        ("labels", ["key"]),
        ("power_on", 1),
        ("extras", [object()]),
    ],
)
def test_bad_value_is_refused_naming_its_field(field: str, value: Any) -> None:
    with pytest.raises(InvalidSpec) as caught:
        spec(**{field: value})
    assert caught.value.field.startswith(field)
    assert caught.value.allowed


@pytest.mark.parametrize(
    ("build", "field"),
    [
        (lambda: Disk(source=Blank()), "size_bytes"),
        (lambda: Disk(source=Blank(), size_bytes=0), "size_bytes"),
        (lambda: Disk(source=Blank(), size_bytes=2**60), "size_bytes"),
        (lambda: Disk(source="debian.qcow2"), "source"),  # type: ignore[arg-type]
        (lambda: Disk(source=Native("x"), pool="a\nb"), "pool"),
        (lambda: Disk(source=Native("x"), bus="virtio"), "bus"),  # type: ignore[arg-type]
        (lambda: Nic(mac="01:00:5e:00:00:01"), "mac"),
        (lambda: Nic(mac="52:54:00"), "mac"),
        (lambda: Nic(mac=5), "mac"),  # type: ignore[arg-type]
        (lambda: Nic(network=""), "network"),
        (lambda: Nic(model="virtio"), "model"),  # type: ignore[arg-type]
        (lambda: CloudInit(user_data=b"x"), "user_data"),  # type: ignore[arg-type]
        (lambda: CloudInit(user_data="x" * (2**20 + 1)), "user_data"),
        (lambda: CloudInit(user_data="#cloud-config\n# \ud800"), "user_data"),
        (lambda: CloudInit(network_config="version: 2 # \udfff"), "network_config"),
        (lambda: CloudInit(hostname="a\nb"), "hostname"),
        (lambda: CloudInit(ssh_authorized_keys=["ssh-ed25519 A\nssh-rsa B"]), "ssh_authorized_keys[0]"),
        (lambda: CloudInit(ssh_authorized_keys="ssh-ed25519 A"), "ssh_authorized_keys"),
        (lambda: CloudInit(metadata="[1]"), "metadata"),
        (lambda: CloudInit(metadata="{role: web}"), "metadata"),
        (lambda: CloudInit(metadata='{"role": "\\ud800"}'), "metadata"),
        (lambda: CloudInit(metadata='{"\udfff": "web"}'), "metadata"),
        (lambda: CloudInit(metadata='{"load": NaN}'), "metadata"),
        (lambda: CloudInit(metadata='{"load": 1e999}'), "metadata"),
        (lambda: CloudInit(metadata={"role": "web"}), "metadata"),  # type: ignore[arg-type]
        (lambda: CloudInit(metadata='{"a": "' + "x" * 2**20 + '"}'), "metadata"),
        (lambda: Placement(pinned="yes"), "pinned"),  # type: ignore[arg-type]
        (lambda: Placement(node="\x00"), "node"),
        (lambda: InstanceUpdate(name="../x"), "name"),
        (lambda: LocalFile(""), "source.path"),
        (lambda: LocalFile("a\x00b"), "source.path"),
    ],
)
def test_bad_part_is_refused_naming_its_field(build: Any, field: str) -> None:
    with pytest.raises(InvalidSpec) as caught:
        build()
    assert caught.value.field == field


def test_spec_is_frozen_through_and_through() -> None:
    disks = [Disk(source=Native("debian"), size_bytes=GiB(1))]
    labels = {"role": "web"}
    made = spec(disks=disks, labels=labels)
    disks.clear()
    labels.clear()
    assert len(made.disks) == 1
    assert dict(made.labels) == {"role": "web"}
    assert hash(made) == hash(spec(disks=made.disks, labels=made.labels))
    with pytest.raises(FrozenInstanceError):
        made.name = "other"  # type: ignore[misc]


def test_user_data_is_not_printed() -> None:
    assert "hunter2" not in repr(spec(cloud_init=CloudInit(user_data="#cloud-config\npassword: hunter2")))


def test_every_field_outside_core_asks_for_one_feature() -> None:
    class Mine(Extra):
        pass

    blank = Disk(source=Blank(), size_bytes=1, bus=DiskBus.SATA)
    everything = spec(
        disks=[Disk(source=Native("x")), blank],
        volumes=[Volume(id="v", connection=IscsiVolume(portal="192.0.2.7:3260", iqn="iqn.2001-04.com.example:v"))],
        nics=[Nic(), Nic(mac="52:54:00:00:00:01", model=NicModel.E1000, vif_id="port")],
        cloud_init=CloudInit(),
        firmware=Firmware.UEFI,
        max_vcpus=2,
        max_memory_bytes=MiB(1024),
        tpm=Tpm(),
        watchdog=Watchdog(),
        numa=[NumaCell(vcpus=[0, 1], memory_bytes=MiB(512))],
        cpu=Cpu(mode=CpuMode.HOST_MODEL),
        backing=MemoryBacking(shared=True),
        screen=Screen(graphics=Graphics.NONE),
        extras=[Mine()],
    )
    asked = list(everything.features())
    assert asked == [
        (Feature.MULTIPLE_DISKS, "disks[1]"),
        (Feature.BLANK_DISK, "disks[1].source"),
        (Feature.DISK_BUS, "disks[1].bus"),
        (Feature.SPAWN_VOLUMES, "volumes"),
        (Feature.MULTIPLE_NICS, "nics[1]"),
        (Feature.NIC_MAC, "nics[1].mac"),
        (Feature.NIC_MODEL, "nics[1].model"),
        (Feature.NIC_VIF, "nics[1].vif_id"),
        (Feature.CLOUD_INIT, "cloud_init"),
        (Feature.LIVE_VCPUS, "max_vcpus"),
        (Feature.LIVE_MEMORY, "max_memory_bytes"),
        (Feature.UEFI, "firmware"),
        (Feature.TPM, "tpm"),
        (Feature.NUMA, "numa"),
        (Feature.WATCHDOG, "watchdog"),
        (Feature.CPU_MODEL, "cpu.mode"),
        (Feature.SHARED_MEMORY, "backing.shared"),
        (Feature.GRAPHICS, "screen.graphics"),
        (Feature.EXTRAS, "extras"),
    ]
    asked += [*spec(secure_boot=True).features(), *spec(stateless_firmware=True).features()]
    core = {"uuid", "name", "labels", "vcpus", "memory_bytes", "placement", "power_on"}
    covered = {re.split(r"[.[]", field)[0] for _, field in asked}
    assert {field.name for field in fields(InstanceSpec)} == core | covered


SHA = Checksum(digest="ab" * 32)


@pytest.mark.parametrize(
    ("source", "feature"),
    [
        (LocalFile("x"), Feature.CLIENT_IMAGES),
        (Url("https://example.org/x"), Feature.CLIENT_IMAGES),
        (Store("glance", "5"), Feature.CLIENT_IMAGES),
        (BackendUrl("https://example.org/x", SHA), Feature.BACKEND_URL),
    ],
)
def test_an_image_from_outside_asks_for_the_way_it_comes(source: ImageSource, feature: Feature) -> None:
    assert list(spec(disks=[Disk(source=source)]).features()) == [(feature, "disks[0].source")]


def test_spec_within_core_asks_for_nothing() -> None:
    assert not list(spec(disks=[Disk(source=Native("x"))], nics=[Nic(network="default")]).features())


def test_place_is_the_named_one_or_the_only_one() -> None:
    assert require_one("pool", None, ["a"]) == "a"
    assert require_one("pool", "b", ["a", "b"]) == "b"
    for value, candidates in ((None, ["a", "b"]), ("c", ["a", "b"]), (None, [])):
        with pytest.raises(InvalidSpec) as caught:
            require_one("pool", value, candidates)
        assert caught.value.field == "pool"
        assert all(candidate in caught.value.allowed for candidate in candidates)


@given(st.text(max_size=70))
def test_any_name_is_accepted_safely_or_refused_clearly(name: str) -> None:
    safe = name.isascii() and not set(name) & set("/\\<>&'\"\n ;|$`") and NAME.fullmatch(name) is not None
    if safe:
        assert spec(name=name).name == name
    else:
        with pytest.raises(InvalidSpec, match=r"^name: got "):
            spec(name=name)
