"""The codec gives back what it was given, for every type of the contract, and refuses all else."""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass, replace
from ipaddress import ip_address
from pathlib import Path
from types import MappingProxyType
from typing import Any, get_args, get_origin, get_type_hints
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from nova_virt_api import errors
from nova_virt_api.capability import Capability
from nova_virt_api.errors import InvalidSpec, NoCapacity, VirtError
from nova_virt_api.events import Changed, Gap, Gone
from nova_virt_api.model.cpu import Cpu, CpuMode, CpuTopology, NumaCell
from nova_virt_api.model.image import Checksum, ImageFormat, LocalTarget
from nova_virt_api.model.instance import Instance, PowerState
from nova_virt_api.model.labels import Labels
from nova_virt_api.model.leftover import Leftover
from nova_virt_api.model.limits import DiskLimits, DiskRate, NicLimits, NicRate
from nova_virt_api.model.memory import MemoryBacking, MemoryEncryption
from nova_virt_api.model.secret import Secret
from nova_virt_api.model.spec import Extra, InstanceSpec
from nova_virt_api.model.tpm import Tpm, TpmModel, TpmVersion
from nova_virt_api.model.volume import Volume
from nova_virt_api.model.volume_connection import IscsiVolume, OpaqueVolume
from nova_virt_conformance.loopback.catalogue import CROSSING, ERRORS
from nova_virt_conformance.loopback.codec import CannotCrossError, Codec, same

CODEC = Codec()
UNHURRIED = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
"""Machines may be busy; how long it takes to think of an example says nothing about the codec."""

TEXT = st.text(st.characters(codec="utf-8"), max_size=20)

labels = st.dictionaries(st.from_regex(r"\A[a-z0-9._-]{1,10}\Z"), st.from_regex(r"\A[ -~]{0,10}\Z"), max_size=3)
names = st.from_regex(r"\A[A-Za-z0-9][A-Za-z0-9._-]{0,20}\Z")
words = st.from_regex(r"\A[!-~]{1,20}\Z")
macs = st.from_regex(r"\A52:54:00:[0-9a-f]{2}:[0-9a-f]{2}:[0-9a-f]{2}\Z")
bridges = st.from_regex(r"\A[a-z0-9-]{1,15}\Z")
tags = st.none() | st.from_regex(r"\A[ -+\-.0-~]{1,60}\Z")
paths = names.map(lambda name: f"/{name}")
checksums = st.builds(Checksum, digest=st.from_regex(r"\A[0-9a-f]{64}\Z"))
urls = st.from_regex(r"\Ahttps://[a-z]{1,10}/[a-z]{0,10}(\?sig=[a-z]{1,5})?\Z")

CONSTRAINED: dict[tuple[str, str], st.SearchStrategy[Any]] = {
    ("BackendUrl", "url"): urls,
    ("BackupDisk", "size_bytes"): st.integers(0, 2**63 - 1),
    ("CheckpointInfo", "created_at"): st.floats(min_value=0, allow_nan=False, allow_infinity=False),
    ("GuestFilesystem", "size_bytes"): st.none() | st.integers(0, 2**60),
    ("GuestFilesystem", "used_bytes"): st.none() | st.integers(0, 2**60),
    ("Size", "disks"): st.lists(st.integers(1, 2**50), max_size=3).map(tuple),
    ("Size", "memory_bytes"): st.none() | st.integers(1, 2**20).map(lambda mib: mib * 2**20),
    ("Size", "vcpus"): st.integers(1, 4096),
    ("Checksum", "algorithm"): st.just("sha256"),
    ("Checksum", "digest"): st.from_regex(r"\A[0-9a-f]{64}\Z"),
    ("CloneSpec", "labels"): labels,
    ("CloneSpec", "name"): names,
    ("CloneSpec", "nics"): st.none() | st.deferred(lambda: st.lists(values_of(CROSSING["Nic"]), max_size=1)),
    ("CloudInit", "metadata"): st.none() | st.dictionaries(words, TEXT, max_size=3).map(json.dumps),
    ("CloudInit", "ssh_authorized_keys"): st.lists(words, max_size=2),
    ("Disk", "serial"): st.none() | st.from_regex(r"\A[A-Za-z0-9_.-]{1,20}\Z"),
    ("Disk", "size_bytes"): st.integers(1, 2**50),
    ("Disk", "tag"): tags,
    ("InstanceSpec", "disks"): st.deferred(lambda: st.lists(values_of(CROSSING["Disk"]), max_size=2)),
    ("InstanceSpec", "extras"): st.just(()),
    ("InstanceSpec", "labels"): labels,
    ("InstanceSpec", "max_memory_bytes"): st.none(),
    ("InstanceSpec", "max_vcpus"): st.none(),
    ("InstanceSpec", "memory_bytes"): st.integers(1, 2**20).map(lambda mib: mib * 2**20),
    ("InstanceSpec", "name"): names,
    ("InstanceSpec", "nics"): st.deferred(lambda: st.lists(values_of(CROSSING["Nic"]), max_size=1)),
    ("InstanceSpec", "numa"): st.just(()),
    ("InstanceSpec", "secure_boot"): st.just(False),
    ("InstanceSpec", "stateless_firmware"): st.just(False),
    ("InstanceSpec", "vcpus"): st.integers(1, 4096),
    ("InstanceUpdate", "labels"): st.none() | labels,
    ("InstanceUpdate", "name"): st.none() | names,
    ("LocalTarget", "format"): st.sampled_from([ImageFormat.QCOW2, ImageFormat.RAW]),
    ("InstanceSpec", "volumes"): st.deferred(lambda: st.lists(values_of(CROSSING["Volume"]), max_size=1)),
    ("BlockVolume", "path"): paths,
    ("FileVolume", "format"): st.sampled_from([ImageFormat.QCOW2, ImageFormat.RAW]),
    ("FileVolume", "path"): paths,
    ("NbdVolume", "host"): words,
    ("NbdVolume", "port"): st.integers(1, 65535),
    ("NbdVolume", "socket"): st.none(),
    ("HostDirectory", "path"): paths,
    ("NfsVolume", "export"): paths,
    ("NfsVolume", "format"): st.sampled_from([ImageFormat.QCOW2, ImageFormat.RAW]),
    ("NfsVolume", "path"): names,
    ("RbdVolume", "image"): names,
    ("RbdVolume", "monitors"): st.lists(st.just("192.0.2.7:6789"), max_size=2).map(tuple),
    ("RbdVolume", "pool"): names,
    ("Volume", "encryption"): st.none(),
    ("Volume", "serial"): st.none() | st.from_regex(r"\A[A-Za-z0-9_-]{1,20}\Z"),
    ("Volume", "tag"): tags,
    ("IscsiVolume", "lun"): st.integers(0, 2**64 - 1),
    ("IscsiVolume", "portal"): st.integers(1, 65535).map(lambda port: f"192.0.2.7:{port}"),
    ("BridgePort", "bridge"): bridges,
    ("Nic", "binding"): st.none(),
    ("Nic", "mac"): st.none() | macs,
    ("Nic", "mtu"): st.none() | st.integers(68, 65535),
    ("Nic", "queues"): st.none() | st.integers(1, 256),
    ("Nic", "tag"): tags,
    ("DeviceAddress", "text"): words,
    ("OpaquePort", "properties"): st.dictionaries(words, TEXT, max_size=3).map(json.dumps),
    ("OvsPort", "bridge"): bridges,
    ("OvsPort", "vlan"): st.none() | st.integers(1, 4094),
    ("HostConnection", "properties"): st.integers(0, 9).map(lambda lun: json.dumps({"target_lun": lun})),
    ("HostConnection", "secrets"): st.none() | TEXT.map(lambda held: Secret(json.dumps({"auth_password": held}))),
    ("OpaqueVolume", "properties"): st.dictionaries(words, TEXT, max_size=3).map(lambda held: Secret(json.dumps(held))),
    ("StoredVolumeSpec", "format"): st.sampled_from([ImageFormat.QCOW2, ImageFormat.RAW]),
    ("StoredVolumeSpec", "name"): names,
    ("StoredVolumeSpec", "size_bytes"): st.none() | st.integers(1, 2**50),
    ("Ticket", "content"): st.dictionaries(words, TEXT, max_size=3).map(json.dumps),
    ("Url", "url"): urls,
}
"""Fields with rules of their own."""

COUNTS = st.integers(1, 2**40)
FLAGS = st.lists(st.sampled_from(["aes", "sse4.2", "avx512f"]), unique=True, max_size=3)
WHOLE: dict[str, st.SearchStrategy[Any]] = {
    "Cpu": st.builds(Cpu, mode=st.none() | st.sampled_from(CpuMode), with_flags=FLAGS, dedicated=st.booleans())
    | st.builds(Cpu, model=names, without_flags=FLAGS),
    "CpuTopology": st.builds(CpuTopology, sockets=st.integers(1, 9), cores=st.integers(1, 9)),
    "DiskLimits": st.builds(DiskLimits, read_bytes=st.builds(DiskRate, per_second=COUNTS)),
    "DiskRate": st.builds(DiskRate, per_second=COUNTS)
    | st.builds(DiskRate, per_second=st.just(1), burst_per_second=COUNTS, burst_seconds=st.integers(1, 60)),
    "MemoryBacking": st.builds(MemoryBacking, page_bytes=st.sampled_from([None, 2**21]), shared=st.booleans())
    | st.builds(MemoryBacking, file_backed=st.booleans(), encryption=st.sampled_from([None, *MemoryEncryption])),
    "NicLimits": st.builds(NicLimits, send=st.builds(NicRate, bytes_per_second=st.just(1000))),
    "NicRate": st.integers(1, 1000).map(lambda rate: NicRate(bytes_per_second=1000 * rate, burst_bytes=1024 * rate)),
    "NumaCell": st.builds(
        NumaCell,
        vcpus=st.lists(st.integers(0, 9), min_size=1, max_size=3),
        memory_bytes=st.just(2**20),
        host_cell=st.none() | st.integers(0, 9),
    ),
    "Tpm": st.builds(Tpm, version=st.sampled_from(TpmVersion)) | st.builds(Tpm, model=st.sampled_from(TpmModel)),
}
"""Types whose fields have to go together."""

TOGETHER: dict[str, tuple[str, ...]] = {"IscsiVolume": ("chap_username", "chap_password"), "RbdVolume": ("user", "key")}
"""Fields that are given all or not at all."""


LEAVES: dict[Any, st.SearchStrategy[Any]] = {
    type(None): st.none(),
    float: st.floats(allow_nan=False),
    str: words,
    Path: words.map(Path),
    Secret: st.builds(Secret, TEXT),
    Mapping[str, str]: labels.map(Labels),
}


def values_of(hint: Any) -> st.SearchStrategy[Any]:
    """Values of a type, as it is annotated."""
    if hint in LEAVES:
        return LEAVES[hint]
    if get_args(hint):
        return members_of(get_origin(hint), [values_of(part) for part in get_args(hint) if part is not Ellipsis])
    if isinstance(hint, type) and is_dataclass(hint):
        return made_of_fields(hint)
    return st.from_type(hint)


def members_of(origin: Any, parts: list[st.SearchStrategy[Any]]) -> st.SearchStrategy[Any]:
    """Values of a type that has parts: a container, or one of several."""
    if origin is Mapping:
        return st.dictionaries(*parts, max_size=3)
    if origin is frozenset:
        return st.frozensets(*parts, max_size=3)
    if origin is tuple:
        return st.lists(*parts, max_size=3).map(tuple)
    return st.one_of(parts)


def made_of_fields(kind: type) -> st.SearchStrategy[Any]:
    """Values of a dataclass."""
    if kind.__name__ in WHOLE:
        return WHOLE[kind.__name__]
    hints = get_type_hints(kind)
    ruled = {name: CONSTRAINED[kind.__name__, name] for name in hints if (kind.__name__, name) in CONSTRAINED}
    given = {name: values_of(hint) for name, hint in hints.items() if name not in ruled} | ruled
    together = TOGETHER.get(kind.__name__, ())
    if not together:
        return st.builds(kind, **given)
    without = {name: strategy for name, strategy in given.items() if name not in together}
    filled = {name: strategy.filter(lambda value: value is not None) for name, strategy in given.items()}
    return st.builds(kind, **without) | st.builds(kind, **(without | {name: filled[name] for name in together}))


def contents(member: Any) -> dict[str, Any]:
    """All fields, for types that print without some of them."""
    return {field.name: getattr(member, field.name) for field in fields(member)}


@pytest.mark.parametrize(
    "kind", [kind for kind in CROSSING.values() if is_dataclass(kind)], ids=lambda kind: kind.__name__
)
def test_model_survives(kind: type) -> None:
    @settings(UNHURRIED, max_examples=25)
    @given(values_of(kind))
    def survives(value: Any) -> None:
        copy = CODEC.decode(CODEC.encode(value))
        assert type(copy) is kind
        assert same(value, copy)
        assert contents(copy) == contents(value)

    survives()


@pytest.mark.parametrize(
    "kind", [kind for kind in CROSSING.values() if not is_dataclass(kind)], ids=lambda k: k.__name__
)
def test_enum_survives(kind: Any) -> None:
    for member in kind:
        assert CODEC.decode(CODEC.encode(member)) is member


@UNHURRIED
@given(
    st.recursive(
        st.none()
        | st.booleans()
        | st.integers()
        | st.floats()
        | st.text()
        | st.binary()
        | st.uuids()
        | st.ip_addresses()
        | st.sampled_from(PowerState),
        lambda inner: (
            st.lists(inner, max_size=4).map(tuple)
            | st.dictionaries(st.text() | st.sampled_from(Capability), inner, max_size=4)
            | st.frozensets(st.text() | st.integers(), max_size=4)
        ),
    )
)
def test_plain_value_survives(value: object) -> None:
    assert same(value, CODEC.decode(CODEC.encode(value)))


@pytest.mark.parametrize(
    "value", [math.inf, -math.inf, 0.0, 1.0, 1, True, "\ud800", "", b"\xff\x00", ip_address("::1")]
)
def test_value_keeps_its_type(value: object) -> None:
    copy = CODEC.decode(CODEC.encode(value))
    assert (type(copy), copy) == (type(value), value)


def test_sequences_come_back_as_tuples() -> None:
    assert CODEC.decode(CODEC.encode([1, [2]])) == (1, (2,))


def test_mapping_proxy_comes_back_as_a_mapping() -> None:
    assert CODEC.decode(CODEC.encode(MappingProxyType({Capability.PAUSE: 1}))) == {Capability.PAUSE: 1}


@pytest.mark.parametrize("kind", list(ERRORS.values()), ids=lambda kind: kind.__name__)
def test_error_survives(kind: type[VirtError]) -> None:
    left = Leftover(uuid=uuid4(), kind="volume", name="a", place="p")
    error = errors.restored(kind, ("text",), {"message": "text", "hint": "do this", "leftovers": (left,)})
    error.guest, error.verb, error.state_after = "web", "spawn", errors.StateAfter.CHANGED
    copy = CODEC.decode(CODEC.encode(error))
    assert type(copy) is kind
    assert vars(copy) == vars(error)
    assert copy.public_message == error.public_message


def test_error_of_a_driver_comes_back_as_the_contracts() -> None:
    class PoolFull(NoCapacity):
        """A driver's own."""

    error = PoolFull("default", "pool default is full", hint="make room")
    error.handle = object()  # type: ignore[attr-defined]
    error.add_note("native detail")
    error.__cause__ = OSError("native")
    copy = CODEC.decode(CODEC.encode(error))
    assert type(copy) is NoCapacity
    assert (copy.resource, copy.hint, copy.__cause__) == ("default", "make room", None)
    assert not hasattr(copy, "__notes__")


def test_value_of_an_invalid_spec_may_be_anything() -> None:
    copy = CODEC.decode(CODEC.encode(InvalidSpec("name", {1, 2}, "text")))
    assert copy.value == "{1, 2}"
    assert copy.message == InvalidSpec("name", {1, 2}, "text").message


@dataclass(frozen=True, slots=True)
class Numa(Extra):
    """A driver's own part of a spec."""

    nodes: int
    modes: tuple[ImageFormat, ...] = ()


@dataclass(frozen=True, slots=True)
class Loose(Extra):
    """One that holds what nobody knows."""

    handle: object = None


def test_extras_survive() -> None:
    spec = InstanceSpec(uuid=uuid4(), name="web", memory_bytes=2**20, extras=(Numa(2, (ImageFormat.RAW,)),))
    codec = Codec((Numa,))
    assert codec.decode(codec.encode(spec)) == spec


def test_unknown_extras_are_refused() -> None:
    spec = InstanceSpec(uuid=uuid4(), name="web", memory_bytes=2**20, extras=(Numa(2),))
    with pytest.raises(CannotCrossError, match=r"the value\.extras\[0\]: Numa.* does not cross the contract"):
        CODEC.encode(spec)


def test_types_are_known_by_what_they_hold() -> None:
    codec = Codec((Numa, Loose))
    assert codec.knows(Numa)
    assert not codec.knows(Loose)
    assert not CODEC.knows(Numa)


class Word(str):
    """Text that holds more than it shows."""


class Special(Instance):
    """A guest that only one driver knows."""


GUEST = Instance(uuid=uuid4(), name="web", power_state=PowerState.RUNNING, native_id="1", vcpus=1, memory_bytes=1)


@pytest.mark.parametrize(
    "value",
    [
        object(),
        {1, 2},
        Word("x"),
        1j,
        len,
        ValueError("native"),
        Special(uuid=uuid4(), name="x", power_state=PowerState.RUNNING, native_id="1", vcpus=1, memory_bytes=1),
        replace(GUEST, name=Word("web")),
        Changed(object()),  # type: ignore[arg-type]
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_is_not_of_the_contract_is_refused(value: object) -> None:
    with pytest.raises(CannotCrossError, match="does not cross the contract"):
        CODEC.encode(value)


@pytest.mark.parametrize(
    "text",
    ["", "{", '{"type": "Instance"}', '{"type": "Popen", "value": {}}', '{"type": "Instance", "value": {"uid": 1}}'],
)
def test_text_of_others_is_refused(text: str) -> None:
    with pytest.raises(CannotCrossError):
        CODEC.decode(text)


@pytest.mark.parametrize("event", [Changed(GUEST), Gone(GUEST.uuid), Gap("for a while")])
def test_event_survives(event: object) -> None:
    assert CODEC.decode(CODEC.encode(event)) == event


def test_secrets_of_a_request_cross_and_do_not_show() -> None:
    target = IscsiVolume(
        portal="192.0.2.7:3260", iqn="iqn.2026-11.test:a", chap_username="u", chap_password=Secret("hush")
    )
    opaque = OpaqueVolume("rbd", Secret(json.dumps({"auth": "hush"})))
    volumes = [Volume(id="a", connection=target), Volume(id="b", connection=opaque)]
    spec = InstanceSpec(uuid=uuid4(), name="a", memory_bytes=2**20, volumes=volumes)
    copy = CODEC.decode(CODEC.encode(spec))
    assert [volume.connection for volume in copy.volumes] == [target, opaque]
    assert copy.volumes[0].connection.chap_password.reveal() == "hush"
    assert "hush" not in f"{spec!r} {copy!r}"


def test_list_in_a_frozen_object_is_seen() -> None:
    listed = replace(GUEST, addresses=[])  # type: ignore[arg-type]
    assert not same(listed, CODEC.decode(CODEC.encode(listed)))


def test_target_keeps_its_path() -> None:
    assert CODEC.decode(CODEC.encode(LocalTarget("/tmp/a b.qcow2"))).path == "/tmp/a b.qcow2"
