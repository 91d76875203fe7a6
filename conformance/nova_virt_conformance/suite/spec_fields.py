"""What a spec asks for beyond Core is really there, as the backend sees it, or the spec is refused."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any, Final, TypeVar

import pytest

from nova_virt_api.capability import Feature
from nova_virt_api.driver.driver import Driver
from nova_virt_api.errors import InvalidSpec, NotSupported, StateAfter
from nova_virt_api.model.cloud_init import FEATURES, CloudInit
from nova_virt_api.model.disk import Blank, Disk, DiskBus
from nova_virt_api.model.host_connection import HostConnection
from nova_virt_api.model.image import BackendUrl, Checksum
from nova_virt_api.model.instance import DiskPolicy, Instance
from nova_virt_api.model.nic import Nic, NicModel
from nova_virt_api.model.secret import Secret
from nova_virt_api.model.spec import Extra, Firmware, InstanceSpec
from nova_virt_api.model.units import MiB
from nova_virt_api.model.volume import LuksEncryption, Volume
from nova_virt_api.model.volume_connection import FileVolume, IscsiVolume, NbdVolume, NfsVolume, RbdVolume
from nova_virt_conformance.aftermath import check_gone, leaving_as_is, leaving_nothing
from nova_virt_conformance.covers import covers, needs
from nova_virt_conformance.image_files import RAW
from nova_virt_conformance.lab import SMALL_DISK, Lab
from nova_virt_conformance.machine_fields import machine_fields
from nova_virt_conformance.outcome import NotApplicable, NotVerified
from nova_virt_conformance.promise import Promise

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from nova_virt_conformance.hardware import Hardware

T = TypeVar("T")

GRANULE: Final = MiB(4)
"""Backends make disks in whole units of their own; none that we know of has larger ones."""

MACS: Final = ("52:54:00:c0:de:01", "52:54:00:c0:de:02")
PLAIN_BUS: Final = DiskBus.VIRTIO
AWKWARD_LABELS: Final = {
    "empty": "",
    "markup": """<a b="c">'&amp;'</a> ]]> --""",
    "umlaut.and-more_1": "Größe: 3 µm, 日本語, 🚀",
    "spaces": "  two before, two after  ",
    "k" * 63: "v" * 255,
}
"""Each a text that some way of storing it would break."""


def made(lab: Lab, **fields: Any) -> tuple[InstanceSpec, Hardware]:
    """Spawn a guest with these fields; the spec, and what the backend has of it."""
    spec = lab.spec(**fields)
    lab.compute.spawn(spec, timeout=lab.patience)
    return spec, lab.rig.hardware(spec.uuid)


def told(value: T | None, what: str) -> T:
    """What the backend tells of a guest.

    Raises:
        NotVerified: it does not.
    """
    if value is None:
        raise NotVerified(f"the rig's hardware() does not tell {what}")
    return value


@contextmanager
def if_taken(lab: Lab, field: str) -> Iterator[None]:
    """Let a value that not every endpoint takes be refused, for the right field and without a trace.

    Raises:
        NotApplicable: it was refused, as it may be.
    """
    before = lab.objects()
    try:
        yield
    except (InvalidSpec, NotSupported) as error:
        refusal = error
    else:
        return
    assert refusal.field == field, f"the error names {refusal.field!r} and not {field!r}"
    left = sorted(lab.objects() - before)
    assert not left, f"the refused spawn left behind: {', '.join(left)}"
    raise NotApplicable(refusal.message) from refusal


def check_number_of_disks(lab: Lab, spec: InstanceSpec, hardware: Hardware) -> None:
    """See that a guest has the disks of its spec and no others, but for those that a whole machine has anyway."""
    found, asked = len(hardware.disks), len(spec.disks)
    assert found >= asked if lab.whole_nodes else found == asked, f"{asked} disks were asked for, it has {found}"


def check_size(disk_bytes: int, asked: int) -> None:
    """See that a disk is as large as was asked for, or rounded up by less than a granule."""
    assert asked <= disk_bytes < asked + GRANULE, f"{asked} bytes were asked for, the disk has {disk_bytes}"


# --- Core -------------------------------------------------------------------------------------------------------------


@covers(Promise.SPAWN, Driver.spawn)
def test_hardware_is_as_asked(lab: Lab) -> None:
    """CPUs, memory, the disk and the NIC are on the backend what the spec asks for."""
    spec, hardware = made(lab, vcpus=3, memory_bytes=MiB(40))
    lab.check_size(hardware, spec)
    check_number_of_disks(lab, spec, hardware)
    assert hardware.disks[0].size_bytes >= (spec.disks[0].size_bytes or 0)
    wanted = [{net.name, net.id} for net in lab.compute.networks() if lab.target.network in (net.name, net.id)]
    assert [nic.network in names for nic, names in zip(hardware.nics, wanted, strict=True)] == [True] * len(wanted)


@covers(Promise.SPAWN, Driver.spawn)
def test_guest_without_nics_has_none(lab: Lab) -> None:
    """A spec without NICs makes a guest without; nothing is added that was not asked for."""
    _, hardware = made(lab, nics=(), power_on=False)
    assert hardware.nics == ()
    assert hardware.first_boot_data in (False, None)


@covers(Promise.SPAWN, Driver.spawn)
def test_labels_are_kept_to_the_letter(lab: Lab) -> None:
    """64 labels, among them the longest and the most awkward ones, are shown as they were given, to others too."""
    labels = AWKWARD_LABELS | {f"label-{number}": str(number) for number in range(64 - len(AWKWARD_LABELS))}
    guest = lab.spawn(labels=labels, power_on=False)
    for seen in (guest, lab.compute.instance(guest, fresh=True), lab.other.instance(guest, fresh=True)):
        assert dict(seen.labels) == labels


@covers(Promise.SPAWN, Driver.spawn)
def test_longest_name_is_kept(lab: Lab) -> None:
    """A name of 63 characters of every allowed kind is shown as it was given."""
    name = f"{lab.spec().name}_Long.Name-".ljust(63, "0")
    lab.spawn(name=name, power_on=False)
    assert lab.compute.find(name).name == name


@covers(Promise.SPAWN, Driver.spawn)
def test_bios(lab: Lab) -> None:
    """A guest that asks for BIOS gets it, or is refused where the endpoint has none."""
    with if_taken(lab, "firmware"):
        _, hardware = made(lab, firmware=Firmware.BIOS)
    assert told(hardware.firmware, "the firmware") is Firmware.BIOS


# --- disks ------------------------------------------------------------------------------------------------------------


@covers(Feature.BLANK_DISK, Driver.spawn)
def test_blank_disk(lab: Lab) -> None:
    """A blank disk has the size that was asked for."""
    size = SMALL_DISK + MiB(1)
    _, hardware = made(lab, disks=(Disk(source=Blank(), size_bytes=size),))
    assert len(hardware.disks) == 1
    check_size(hardware.disks[0].size_bytes, size)


@covers(Feature.MULTIPLE_DISKS, Driver.spawn)
@needs(Feature.BLANK_DISK)
def test_multiple_disks(lab: Lab) -> None:
    """All disks of a spec are there, in its order."""
    sizes = [MiB(12), MiB(4), MiB(20)]
    _, hardware = made(lab, disks=tuple(Disk(source=Blank(), size_bytes=size) for size in sizes))
    assert len(hardware.disks) == len(sizes)
    for disk, size in zip(hardware.disks, sizes, strict=True):
        check_size(disk.size_bytes, size)


@covers(Feature.DISK_BUS, Driver.spawn)
@pytest.mark.parametrize("bus", DiskBus, ids=lambda bus: bus.value)
def test_disk_bus(lab: Lab, bus: DiskBus) -> None:
    """A disk is on the bus that was asked for, or the spec is refused where the endpoint has no such bus."""
    with if_taken(lab, "disks[0].bus"):
        _, hardware = made(lab, disks=(replace(lab.disk(), bus=bus),))
    assert [told(disk.bus, "the bus") for disk in hardware.disks] == [bus]


# --- network ----------------------------------------------------------------------------------------------------------


@covers(Feature.NIC_MAC, Driver.spawn)
def test_nic_mac(lab: Lab) -> None:
    """A NIC has the MAC address that was asked for."""
    _, hardware = made(lab, nics=(Nic(network=lab.target.network, mac=MACS[0].upper()),))
    assert [told(nic.mac, "MAC addresses") for nic in hardware.nics] == [MACS[0]]


@covers(Feature.MULTIPLE_NICS, Driver.spawn)
def test_multiple_nics(lab: Lab) -> None:
    """All NICs of a spec are there, each with an address of its own, in its order unless the guest is a machine."""
    networks = lab.target.networks
    nics = (
        [Nic(network=name) for name in (networks[0], networks[-1])] if networks else [lab.rig.new_nic() for _ in "ab"]
    )
    _, hardware = made(lab, nics=tuple(nics))
    known = {name: net.name for net in lab.compute.networks() for name in (net.name, net.id)}
    wanted = [(known.get(nic.network or ""), nic.vif_id) for nic in nics]
    found = [(known.get(card.network), card.vif_id) for card in hardware.nics]
    same = sorted(map(repr, found)) == sorted(map(repr, wanted)) if lab.whole_nodes else found == wanted
    assert same, f"{wanted} was asked for, {found} is there"
    assert len({told(card.mac, "MAC addresses") for card in hardware.nics}) == len(nics)


@covers(Feature.MULTIPLE_NICS, Driver.spawn)
@needs(Feature.NIC_MAC)
def test_multiple_nics_keep_their_order(lab: Lab) -> None:
    """The guest sees its NICs in the order of the spec."""
    _, hardware = made(lab, nics=tuple(Nic(network=lab.target.network, mac=mac) for mac in reversed(MACS)))
    assert [told(nic.mac, "MAC addresses") for nic in hardware.nics] == list(reversed(MACS))


@covers(Feature.NIC_MODEL, Driver.spawn)
@pytest.mark.parametrize("model", NicModel, ids=lambda model: model.value)
def test_nic_model(lab: Lab, model: NicModel) -> None:
    """A NIC is of the model that was asked for, or the spec is refused where the endpoint has no such model."""
    with if_taken(lab, "nics[0].model"):
        _, hardware = made(lab, nics=(Nic(network=lab.target.network, model=model),))
    assert [told(nic.model, "models of NICs") for nic in hardware.nics] == [model]


# --- first boot -------------------------------------------------------------------------------------------------------


@covers(Feature.CLOUD_INIT, Driver.spawn)
def test_cloud_init_data_is_there(lab: Lab) -> None:
    """A guest with cloud-init data gets it, beside its disks, and it goes with the guest."""
    with leaving_nothing(lab, "the guest's life"):
        spec, hardware = made(lab, cloud_init=CloudInit(user_data="#cloud-config\n{}\n", hostname="conformance"))
        assert told(hardware.first_boot_data, "first-boot data")
        check_number_of_disks(lab, spec, hardware)
        lab.compute.destroy(spec.uuid, timeout=lab.patience)


@covers(Feature.UEFI, Driver.spawn)
def test_uefi(lab: Lab) -> None:
    """A guest that asks for UEFI gets it; its variables go with the guest."""
    with leaving_nothing(lab, "the guest's life"):
        spec, hardware = made(lab, firmware=Firmware.UEFI)
        assert told(hardware.firmware, "the firmware") is Firmware.UEFI
        lab.compute.destroy(spec.uuid, timeout=lab.patience)


# --- refused ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class ForeignExtra(Extra):
    """An extra that no driver has defined."""

    text: str = "foreign"


@covers(Promise.SPAWN)
def test_extra_of_a_foreign_type_is_refused(lab: Lab) -> None:
    """An extra of a type that is not this driver's is InvalidSpec; the driver is not asked."""
    with leaving_nothing(lab, "a refused spawn"), pytest.raises(InvalidSpec) as caught:
        lab.compute.spawn(lab.spec(extras=(ForeignExtra(),)), timeout=lab.patience)
    assert caught.value.field == "extras[0]"
    assert "Driver.spawn" not in {call.method for call in lab.observer.calls}


def asked_for(lab: Lab) -> Mapping[Feature, tuple[str, dict[str, Any]]]:
    """For each feature of a spec the field that asks for it, and a value of that field."""
    network = lab.target.network
    disk, nic = lab.disk(), Nic(network=network)
    elsewhere = BackendUrl("https://conformance.invalid/disk.qcow2", checksum=Checksum(digest="0" * 64))
    volume = Volume(
        id="conformance-none", connection=IscsiVolume(portal="192.0.2.7:3260", iqn="iqn.2026-11.invalid:none")
    )
    return {
        **(of_volumes(volume) if lab.compute.capabilities().has(Feature.SPAWN_VOLUMES) else {}),
        Feature.CLIENT_IMAGES: ("disks[0].source", {"disks": (Disk(source=RAW.source(lab.directory)),)}),
        Feature.BACKEND_URL: ("disks[0].source", {"disks": (Disk(source=elsewhere),)}),
        Feature.NIC_VIF: ("nics[0].vif_id", {"nics": (Nic(vif_id="conformance-none"),)}),
        Feature.SPAWN_VOLUMES: ("volumes", {"volumes": (volume,)}),
        Feature.BLANK_DISK: ("disks[0].source", {"disks": (Disk(source=Blank(), size_bytes=SMALL_DISK),)}),
        Feature.MULTIPLE_DISKS: ("disks[1]", {"disks": (disk, disk)}),
        Feature.DISK_BUS: ("disks[0].bus", {"disks": (replace(disk, bus=PLAIN_BUS),)}),
        Feature.MULTIPLE_NICS: ("nics[1]", {"nics": (nic, nic)}),
        Feature.NIC_MAC: ("nics[0].mac", {"nics": (replace(nic, mac=MACS[0]),)}),
        Feature.NIC_MODEL: ("nics[0].model", {"nics": (replace(nic, model=NicModel.VIRTIO),)}),
        Feature.CLOUD_INIT: ("cloud_init", {"cloud_init": CloudInit()}),
        **of_cloud_init(lab),
        Feature.UEFI: ("firmware", {"firmware": Firmware.UEFI}),
        **machine_fields(lab),
    }


def of_cloud_init(lab: Lab) -> Mapping[Feature, tuple[str, dict[str, Any]]]:
    """The forms of first-boot data, where there is any at all."""
    if not lab.compute.capabilities().has(Feature.CLOUD_INIT):
        return {}
    return {
        feature: ("cloud_init.source", {"cloud_init": CloudInit(source=source)}) for source, feature in FEATURES.items()
    }


def of_volumes(volume: Volume) -> Mapping[Feature, tuple[str, dict[str, Any]]]:
    """What a volume can be asked for, where guests are made with volumes at all."""
    asked: dict[Feature, tuple[str, Any]] = {
        Feature.VOLUME_BUS: ("bus", PLAIN_BUS),
        Feature.VOLUME_ENCRYPTION: ("encryption", LuksEncryption(passphrase=Secret("conformance"))),
        Feature.VOLUME_SHARED: ("shared", True),
        Feature.VOLUME_READ_ONLY: ("read_only", True),
        Feature.VOLUME_SERIAL: ("serial", "conformance"),
        Feature.VOLUME_TAG: ("tag", "conformance"),
        Feature.HOST_VOLUMES: ("connection", FileVolume(path="/conformance-none")),
        Feature.NBD_VOLUMES: ("connection", NbdVolume(host="192.0.2.7")),
        Feature.NFS_VOLUMES: ("connection", NfsVolume(server="192.0.2.7", export="/srv", path="none")),
        Feature.RBD_VOLUMES: ("connection", RbdVolume(pool="conformance", image="none")),
        Feature.HOST_CONNECTIONS: ("connection", HostConnection(protocol="local", properties="{}")),
    }
    return {
        feature: (f"volumes[0].{field}", {"volumes": (replace(volume, **{field: value}),)})
        for feature, (field, value) in asked.items()
    }


@covers(Promise.CAPABILITIES)
def test_fields_of_unavailable_features_are_refused(lab: Lab) -> None:
    """A spec field whose feature is unavailable is NotSupported, with field and reason; the driver is not asked."""
    answers = lab.compute.capabilities()
    missing = {feature: asked for feature, asked in asked_for(lab).items() if not answers.has(feature)}
    if not missing:
        raise NotApplicable("every feature that has a field of the spec is available here")
    with leaving_nothing(lab, "a refused spawn"):
        for feature, (field, fields) in missing.items():
            spec = lab.spec(**fields)
            check_not_supported(partial(lab.compute.spawn, spec), feature, field, answers.answer(feature).reason)
            check_gone(lab, spec.uuid)
    assert "Driver.spawn" not in {call.method for call in lab.observer.calls}


@covers(Promise.CAPABILITIES)
def test_keeping_disks_is_refused_where_it_is_unavailable(lab: Lab, stopped: Instance) -> None:
    """Destroying with disks=KEEP is NotSupported, with the reason, where the feature is unavailable."""
    answer = lab.compute.capabilities().answer(Feature.KEEP_DISKS)
    if answer.available:
        raise NotApplicable("disks can be kept here")
    with leaving_as_is(lab, stopped.uuid, "a refused destroy"):
        keeping = partial(lab.compute.destroy, stopped, disks=DiskPolicy.KEEP)
        check_not_supported(keeping, Feature.KEEP_DISKS, "disks", answer.reason)


def check_not_supported(request: Callable[[], object], feature: Feature, field: str, reason: str) -> None:
    """See that a request is refused because of a feature, with the reason that the endpoint gives."""
    with pytest.raises(NotSupported) as caught:
        request()
    assert (caught.value.capability, caught.value.field, caught.value.reason) == (feature, field, reason)
    assert caught.value.reason, f"{feature.value} is unavailable, and nobody says why"
    assert caught.value.state_after is StateAfter.UNCHANGED
