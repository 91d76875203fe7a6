"""Parts of a guest's machine: the host's processors and cells, what depends on the host, and the definition."""

import re
import uuid
from types import SimpleNamespace
from typing import Any

import os_traits
import pytest
from lxml import etree

from nova_virt_api.capability import Feature
from nova_virt_api.errors import ConfigError, InvalidSpec, NoCapacity
from nova_virt_api.model.cpu import Cpu, NumaCell
from nova_virt_api.model.disk import Blank, Disk, DiskBus
from nova_virt_api.model.image import ImageFormat
from nova_virt_api.model.limits import DiskLimits, DiskRate
from nova_virt_api.model.memory import MemoryBacking, MemoryEncryption
from nova_virt_api.model.nic import Nic
from nova_virt_api.model.place import HostCell, HostPages
from nova_virt_api.model.spec import Firmware, InstanceSpec
from nova_virt_api.model.tpm import Tpm, TpmVersion
from nova_virt_api.model.units import GiB, MiB
from nova_virt_api.model.volume import Volume
from nova_virt_api.model.volume_connection import FileVolume
from nova_virt_libvirt.devices.disk import DiskFile
from nova_virt_libvirt.extras import LibvirtMachine
from nova_virt_libvirt.hardware_features import hardware_answers
from nova_virt_libvirt.host.cells import as_text, cells_of, cpu_set, divided, with_free_pages
from nova_virt_libvirt.host.cpu_traits import OLD_NAMES, TRAITS, cpu_traits
from nova_virt_libvirt.host.cpus import HostCpus, floating, pick
from nova_virt_libvirt.host.emulator import Emulator
from nova_virt_libvirt.host.traits import traits_of
from nova_virt_libvirt.machine.domain_xml import Parts, domain_xml
from nova_virt_libvirt.machine.refused_hardware import refuse_hardware
from nova_virt_libvirt.network.wire import Wire

HUGE = HostPages(size_bytes=MiB(2), total=512, free=512)
CELLS = (
    HostCell(id=0, cpus=(0, 1, 2, 3), memory_bytes=GiB(8), pages=(HUGE,)),
    HostCell(id=1, cpus=(4, 5, 6, 7), memory_bytes=GiB(8), pages=(HUGE,)),
)
EVERYTHING = Emulator(
    firmware=frozenset({"bios", "efi"}),
    secure_boot=True,
    tpm_versions=frozenset({"2.0"}),
    memory_sources=frozenset({"file", "memfd"}),
    encryptions=frozenset({"sev", "sev-es"}),
    machines=frozenset({"pc", "q35", "pc-q35-7.2"}),
    cells=CELLS,
)
OLD_VOLUME = Volume(id="old", connection=FileVolume(path="/volumes/old"), bus=DiskBus.IDE)


def spec(**fields: Any) -> InstanceSpec:
    return InstanceSpec(**{"uuid": uuid.UUID(int=1), "name": "web", "memory_bytes": MiB(512), **fields})


# --- the host ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "cpus"),
    [
        (None, set()),
        ("", set()),
        ("3", {3}),
        ("0-3,^2, 8", {0, 1, 3, 8}),
        ("^1,0-2", {0, 2}),
        ("0-7,^2-5", {0, 1, 6, 7}),
    ],
)
def test_sets_of_processors_are_read(text: str | None, cpus: set[int]) -> None:
    assert cpu_set("cpu_shared_set", text) == cpus
    assert cpu_set("again", as_text(cpus)) == cpus


@pytest.mark.parametrize("text", ["all", "3-1", "1-", "-1", "1;2", "999999"])
def test_sets_that_name_nothing_are_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="names no processors"):
        cpu_set("cpu_shared_set", text)


def test_a_processor_is_for_one_or_for_all() -> None:
    assert HostCpus.of(SimpleNamespace(cpu_dedicated_set="2-3", cpu_shared_set="0-1")).shared == {0, 1}
    with pytest.raises(ConfigError, match=r"cpu_dedicated_set: processors \[3\] are in cpu_shared_set"):
        HostCpus.of(SimpleNamespace(cpu_dedicated_set="3-4", cpu_shared_set="0-3"))


def test_only_processors_that_the_host_has_count() -> None:
    options = HostCpus(dedicated=frozenset({1, 9}), shared=frozenset({0, 8}))
    there = HostCpus(dedicated=frozenset({1}), shared=frozenset({0}))
    assert options.of_host(CELLS, 4) == there
    assert options.of_host((), 4) == there


def test_cells_have_their_huge_pages() -> None:
    text = """<capabilities><host><topology><cells num="1"><cell id="3">
    <memory unit="KiB">4096</memory><pages unit="KiB" size="4">100</pages><pages unit="KiB" size="2048">7</pages>
    <pages unit="KiB" size="1048576">0</pages><cpus num="2"><cpu id="8" siblings="8-9"/>
    <cpu id="9" siblings="8-9"/></cpus></cell></cells></topology></host></capabilities>"""
    pages = HostPages(size_bytes=MiB(2), total=7, free=7)
    (cell,) = cells_of(etree.fromstring(text))
    assert cell == HostCell(id=3, cpus=(8, 9), memory_bytes=MiB(4), pages=(pages,), page_bytes=4096, siblings=((8, 9),))

    class Native:
        """A host on which guests have most of the pages."""

        def getFreePages(  # noqa: N802
            self, sizes: list[int], start: int, count: int, flags: int
        ) -> dict[int, dict[int, int]]:
            assert (sizes, start, count, flags) == ([2048], 3, 1, 0)
            return {3: {2048: 2}}

    (now,) = with_free_pages(Native(), [cell])
    assert [(one.total, one.free) for one in now.pages] == [(7, 2)]
    bare = HostCell(id=0, cpus=(0,), memory_bytes=1)
    assert list(with_free_pages(None, [bare])) == [bare]


@pytest.mark.parametrize(
    ("dedicated", "shared", "parts"),
    [
        (set(), set(), [((), (0, 1, 2, 3)), ((), (4, 5, 6, 7))]),
        ({3, 7}, set(), [((3,), (0, 1, 2)), ((7,), (4, 5, 6))]),
        ({2, 3}, {0, 4}, [((2, 3), (0,)), ((), (4,))]),
    ],
)
def test_cells_tell_whom_their_processors_are_for(dedicated: Any, shared: Any, parts: Any) -> None:
    cells = divided(CELLS, frozenset(dedicated), frozenset(shared))
    assert [(cell.dedicated, cell.shared) for cell in cells] == parts


def test_every_trait_is_one_of_os_traits() -> None:
    known = set(os_traits.get_traits())
    assert {*TRAITS.values(), *OLD_NAMES.values()} <= known
    assert set(traits_of(EVERYTHING, [*TRAITS, "unheard-of"])) <= known


def test_processors_have_their_traits() -> None:
    assert cpu_traits(["sse4.1", "vmx", "no-such-flag"]) == {
        "HW_CPU_X86_SSE41",
        "HW_CPU_X86_INTEL_VMX",
        "HW_CPU_X86_VMX",
    }


def test_a_host_that_has_it_all() -> None:
    found = hardware_answers(EVERYTHING, frozenset({1}))
    assert all(answer.available for answer in found.values())


@pytest.mark.parametrize(
    ("feature", "package"),
    [
        (Feature.UEFI, "ovmf"),
        (Feature.SECURE_BOOT, "ovmf"),
        (Feature.STATELESS_FIRMWARE, "ovmf"),
        (Feature.TPM, "swtpm"),
        (Feature.HUGE_PAGES, "nr_hugepages"),
        (Feature.MEMORY_ENCRYPTION, "SEV"),
        (Feature.DEDICATED_CPUS, "cpu_dedicated_set"),
        (Feature.SHARED_MEMORY, "share memory"),
        (Feature.FILE_BACKED_MEMORY, "files"),
    ],
)
def test_what_a_host_lacks_is_said_with_what_to_do(feature: Feature, package: str) -> None:
    assert package in hardware_answers(Emulator(), frozenset())[feature].reason


# --- processors for guests --------------------------------------------------------------------------------------------

SET_ASIDE = frozenset({2, 3, 4, 5, 6})


@pytest.mark.parametrize(
    ("fields", "free", "found"),
    [
        ({"vcpus": 1}, {3, 4}, (3,)),
        ({"vcpus": 2}, SET_ASIDE, (2, 3)),
        ({"vcpus": 3}, SET_ASIDE, (4, 5, 6)),  # all in one cell of the host
        ({"vcpus": 4}, SET_ASIDE, (2, 3, 4, 5)),
        ({"vcpus": 2, "host_cpus": (5, 2)}, SET_ASIDE, (5, 2)),
        ({"vcpus": 2, "host_cpus": (5, 2), "cells": (((0,), 1), ((1,), None))}, SET_ASIDE, (5, 2)),
        ({"vcpus": 2, "cells": (((1,), 0), ((0,), 1))}, SET_ASIDE, (4, 2)),
        ({"vcpus": 2, "cells": (((1,), 1), ((0,), None))}, SET_ASIDE, (2, 4)),
    ],
)
def test_dedicated_processors_are_the_lowest_free_of_one_cell(
    fields: dict[str, Any], free: set[int], found: tuple[int, ...]
) -> None:
    assert pick(dedicated(**fields), SET_ASIDE, frozenset(free), CELLS) == found


def dedicated(*, vcpus: int, host_cpus: tuple[int, ...] = (), cells: Any = ()) -> InstanceSpec:
    numa = [NumaCell(vcpus=inside, memory_bytes=MiB(512) // len(cells), host_cell=place) for inside, place in cells]
    return spec(vcpus=vcpus, cpu=Cpu(dedicated=True, host_cpus=host_cpus), numa=numa)


@pytest.mark.parametrize(
    ("fields", "free", "error"),
    [
        ({"vcpus": 3}, {2, 3}, NoCapacity),
        ({"vcpus": 2, "host_cpus": (2, 3)}, {2}, NoCapacity),
        ({"vcpus": 1, "host_cpus": (0,)}, {2}, InvalidSpec),
        ({"vcpus": 2, "host_cpus": (2, 3), "cells": (((0,), 0), ((1,), 1))}, {2, 3}, InvalidSpec),
        ({"vcpus": 1, "host_cpus": (2,), "cells": (((0,), 7),)}, {2}, InvalidSpec),
        ({"vcpus": 1, "cells": (((0,), 7),)}, {2}, InvalidSpec),
        ({"vcpus": 2, "cells": (((0,), 0), ((1,), 0))}, {2, 4, 5}, NoCapacity),
    ],
)
def test_dedicated_processors_that_cannot_be_had(fields: dict[str, Any], free: set[int], error: Any) -> None:
    with pytest.raises(error):
        pick(dedicated(**fields), SET_ASIDE, frozenset(free), CELLS)


def test_other_guests_stay_in_the_cells_that_they_asked_for() -> None:
    numa = [
        NumaCell(vcpus=[0], memory_bytes=MiB(256), host_cell=1),
        NumaCell(vcpus=[1], memory_bytes=MiB(256)),
    ]
    wanted = spec(vcpus=2, numa=numa)
    assert floating(wanted, CELLS, frozenset({3, 4})) == (frozenset({4}), frozenset({3, 4}))
    assert floating(wanted, CELLS, frozenset()) == (frozenset({4, 5, 6, 7}), frozenset(range(8)))
    assert floating(spec(), CELLS, frozenset({3})) == ()
    with pytest.raises(InvalidSpec, match="cpu_shared_set"):
        floating(wanted, CELLS, frozenset({3}))


# --- refusals ---------------------------------------------------------------------------------------------------------


class Free:
    """A host of which so many huge pages are free in each cell."""

    def __init__(self, pages: int) -> None:
        self.pages = pages

    def getFreePages(  # noqa: N802
        self, sizes: list[int], start: int, count: int, flags: int
    ) -> dict[int, dict[int, int]]:
        return {start: dict.fromkeys(sizes, self.pages)}


def test_huge_pages_that_are_free_are_given() -> None:
    wanted = spec(memory_bytes=MiB(16), backing=MemoryBacking(page_bytes=MiB(2)))
    refuse_hardware(wanted, EVERYTHING, Free(4), "kvm")
    with pytest.raises(NoCapacity) as caught:
        refuse_hardware(wanted, EVERYTHING, Free(3), "kvm")
    assert caught.value.resource == "memory_bytes"


def limited(**rates: DiskRate) -> Disk:
    """A disk with limits."""
    return Disk(source=Blank(), size_bytes=1, limits=DiskLimits(**rates))


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"backing": MemoryBacking(page_bytes=GiB(1))}, "backing.page_bytes"),
        ({"memory_bytes": MiB(3), "backing": MemoryBacking(page_bytes=MiB(2))}, "memory_bytes"),
        ({"backing": MemoryBacking(encryption=MemoryEncryption.SEV)}, "backing.encryption"),
        ({"tpm": Tpm(version=TpmVersion.V1_2)}, "tpm.version"),
        ({"extras": [LibvirtMachine(machine="pc-q35-1.0")]}, "extras.machine"),
        ({"disks": [limited(read_bytes=DiskRate(per_second=10**15 + 1))]}, "disks[0].limits.read_bytes.per_second"),
        (
            {"disks": [limited(total_bytes=DiskRate(per_second=1, burst_per_second=2**50))]},
            "disks[0].limits.total_bytes.burst_per_second",
        ),
        (
            {"disks": [limited(write_operations=DiskRate(per_second=1, burst_per_second=10**14, burst_seconds=11))]},
            "disks[0].limits.write_operations.burst_seconds",
        ),
        ({"disks": [Disk(source=Blank(), size_bytes=1, bus=DiskBus.NVME)]}, "disks[0].bus"),
        (
            {
                "disks": [Disk(source=Blank(), size_bytes=1, bus=DiskBus.IDE)],
                "extras": [LibvirtMachine(machine="q35")],
            },
            "extras.machine",
        ),
        ({"disks": [Disk(source=Blank(), size_bytes=1, bus=DiskBus.IDE)], "secure_boot": True}, "secure_boot"),
        ({"volumes": [OLD_VOLUME], "secure_boot": True}, "secure_boot"),
        ({"extras": [LibvirtMachine(machine="pc")], "secure_boot": True}, "secure_boot"),
        (
            {
                "vcpus": 2,
                "memory_bytes": MiB(4),
                "numa": [NumaCell(vcpus=[0], memory_bytes=MiB(1)), NumaCell(vcpus=[1], memory_bytes=MiB(3))],
                "backing": MemoryBacking(page_bytes=MiB(2)),
            },
            "numa[0].memory_bytes",
        ),
    ],
)
def test_what_this_host_cannot_build_is_refused(fields: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidSpec) as caught:
        refuse_hardware(spec(**fields), EVERYTHING, Free(0), "kvm")
    assert caught.value.field == field


@pytest.mark.parametrize("fields", [{"machine": "Q 35"}, {"spare_ports": -1}, {"spare_ports": "8"}])
def test_extra_that_makes_no_sense(fields: dict[str, Any]) -> None:
    with pytest.raises(InvalidSpec) as caught:
        LibvirtMachine(**fields)
    assert caught.value.field in fields


# --- the definition ---------------------------------------------------------------------------------------------------


def defined(**fields: Any) -> Any:
    wanted = spec(**fields)
    parts = Parts(
        virt_type="kvm",
        disks=[DiskFile(path="/pool/disk", format=ImageFormat.QCOW2, bus=DiskBus.VIRTIO)],
        seed=None,
        console_log="/pool/log",
        networks=[Wire.of_id("default")] * len(wanted.nics),
        metadata=etree.Element("mark"),
    )
    return etree.fromstring(domain_xml(wanted, parts))


@pytest.mark.parametrize(
    ("encryption", "policy"), [(MemoryEncryption.SEV, 0x3), (MemoryEncryption.SEV_ES, 0x7)], ids=["sev", "sev-es"]
)
def test_encrypted_memory_is_locked_and_reached_through_an_iommu(encryption: MemoryEncryption, policy: int) -> None:
    found = defined(firmware=Firmware.UEFI, nics=[Nic()], backing=MemoryBacking(encryption=encryption))
    assert int(found.findtext("launchSecurity[@type='sev']/policy"), 16) == policy
    assert found.find("memoryBacking/locked") is not None
    for card in ("disk", "interface", "memballoon", "rng"):
        assert found.find(f"devices/{card}/driver").get("iommu") == "on", card


def test_huge_pages_are_said_in_kibibytes() -> None:
    page = defined(backing=MemoryBacking(page_bytes=MiB(2), locked=True)).find("memoryBacking/hugepages/page")
    assert (page.get("size"), page.get("unit")) == ("2048", "KiB")


def test_what_nobody_asked_for_is_not_there() -> None:
    found = defined()
    for name in ("memoryBacking", "cputune", "numatune", "launchSecurity", "devices/tpm", "devices/watchdog"):
        assert found.find(name) is None, name
    assert found.find("features/smm") is None
    assert not re.search("iotune|bandwidth|serial>", etree.tostring(found.find("devices/disk")).decode())
