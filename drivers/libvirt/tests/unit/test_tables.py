"""The tables: states, traits, answers, options."""

import libvirt
import pytest

from nova_virt_api.capability import Capability, Feature
from nova_virt_api.driver.endpoint import Manage
from nova_virt_api.driver.role import roles_of
from nova_virt_api.model.instance import PowerState
from nova_virt_api.model.place import StoragePool
from nova_virt_libvirt.agent.addresses import addresses_in
from nova_virt_libvirt.capabilities import (
    VIRTIO_MEM,
    answers,
    backup_answers,
    host_connection_answer,
    live_answers,
    marking_answers,
    opaque_nic_answer,
    share_answers,
)
from nova_virt_libvirt.driver import LibvirtDriver
from nova_virt_libvirt.host.emulator import Emulator
from nova_virt_libvirt.host.host import disk_of, dotted
from nova_virt_libvirt.host.traits import traits_of
from nova_virt_libvirt.options import GROUP, OPTIONS, list_opts
from nova_virt_libvirt.states import NATIVE_NAMES, POWER_STATES, native_name, power_state


def test_every_state_of_libvirt_has_its_meaning_and_its_word() -> None:
    states = {
        getattr(libvirt, f"VIR_DOMAIN_{name}")
        for name in ["NOSTATE", "RUNNING", "BLOCKED", "PAUSED", "SHUTDOWN", "SHUTOFF", "CRASHED", "PMSUSPENDED"]
    }
    assert POWER_STATES.keys() == NATIVE_NAMES.keys() == states


@pytest.mark.parametrize("state", sorted(POWER_STATES))
def test_a_saved_image_makes_a_guest_suspended_only_if_it_is_off(state: int) -> None:
    off = state == libvirt.VIR_DOMAIN_SHUTOFF
    assert power_state(state, saved=True) is (PowerState.SUSPENDED if off else POWER_STATES[state])
    assert power_state(state, saved=False) is POWER_STATES[state]


def test_a_state_of_a_later_libvirt_is_no_state() -> None:
    assert power_state(99, saved=False) is PowerState.NOSTATE
    assert native_name(99, saved=False) == "state 99"


@pytest.mark.parametrize("firmware", [frozenset(), frozenset({"bios"}), frozenset({"bios", "efi"})])
def test_there_is_an_answer_for_every_role_and_feature(firmware: frozenset[str]) -> None:
    emulator = Emulator(firmware=firmware)
    found = {
        **answers(emulator),
        **marking_answers(Manage.OWNED),
        **share_answers(emulator, 9_000_000, "qemu:///system", ""),
        **live_answers("qemu", VIRTIO_MEM),
        **backup_answers(emulator, ""),
        **opaque_nic_answer(Manage.OWNED, ""),
        **host_connection_answer(Manage.OWNED, ""),
    }
    roles = {role.capability for role in roles_of(LibvirtDriver)}
    assert found.keys() == {*roles, *Feature}
    assert all(answer.available or answer.reason for answer in found.values())
    assert found[Feature.UEFI].available is ("efi" in firmware)


def test_what_running_guests_can_be_given_depends_on_the_hypervisor() -> None:
    with_kvm, old = live_answers("kvm", VIRTIO_MEM), live_answers("qemu", VIRTIO_MEM - 1)
    assert all(answer.available for answer in with_kvm.values())
    assert [feature for feature, answer in old.items() if answer.available] == [Feature.LIVE_VCPUS]
    assert all(answer.available or answer.reason for answer in old.values())


def test_what_needs_a_mark_is_not_there_where_none_is_written() -> None:
    there, missing = marking_answers(Manage.OWNED), marking_answers(Manage.ALL)
    assert there.keys() == missing.keys() >= {Capability.RESCUE, Capability.REBUILD, Capability.ADOPT}
    assert all(answer.available for answer in there.values())
    assert {answer.reason for answer in missing.values()} == {'a connection with manage="all" writes no marks'}


def test_traits_are_those_of_the_hypervisor() -> None:
    emulator = Emulator(
        firmware=frozenset({"bios", "efi"}),
        disk_buses=frozenset({"virtio", "unheard-of"}),
        video_models=frozenset({"vga"}),
        threads_per_core=2,
    )
    assert traits_of(emulator) == (
        "COMPUTE_FIRMWARE_BIOS",
        "COMPUTE_FIRMWARE_UEFI",
        "COMPUTE_GRAPHICS_MODEL_VGA",
        "COMPUTE_IMAGE_TYPE_QCOW2",
        "COMPUTE_IMAGE_TYPE_RAW",
        "COMPUTE_SECURITY_STATELESS_FIRMWARE",
        "COMPUTE_STORAGE_BUS_VIRTIO",
        "HW_ARCH_X86_64",
        "HW_CPU_HYPERTHREADING",
    )


def test_pools_on_one_file_system_count_once() -> None:
    def pool(name: str, capacity: int | None, free: int | None, *, available: bool = True) -> StoragePool:
        return StoragePool(
            id=name, name=name, kind="dir", capacity_bytes=capacity, free_bytes=free, available=available
        )

    gib = 1024**3
    pools = [pool("a", 100 * gib, 40 * gib), pool("b", 100 * gib, 40 * gib), pool("c", 10 * gib, 10 * gib)]
    (disk,) = disk_of([*pools, pool("off", None, None, available=False)])
    assert (disk.resource_class, disk.total, disk.used) == ("DISK_GB", 110, 60)
    assert disk_of([]) == []


def test_versions_are_dotted() -> None:
    assert [dotted(version) for version in (7002022, 9000000, 10010001)] == ["7.2.22", "9.0.0", "10.10.1"]


def test_agents_answers_without_loopback_and_scopes() -> None:
    answer = {
        "lo": {"hwaddr": "00:00:00:00:00:00", "addrs": [{"addr": "127.0.0.1", "prefix": 8, "type": 0}]},
        "eth0": {
            "hwaddr": "52:54:00:AA:00:01",
            "addrs": [
                {"addr": "192.0.2.7", "prefix": 24, "type": 0},
                {"addr": "fe80::1%eth0", "prefix": 64, "type": 1},
            ],
        },
        "eth1": {"hwaddr": "52:54:00:aa:00:02", "addrs": None},
        "tun0": {"hwaddr": None, "addrs": [{"addr": "10.0.0.1", "prefix": 24, "type": 0}]},
    }
    found = addresses_in(answer)
    assert [(str(address.ip), address.mac) for address in found] == [
        ("192.0.2.7", "52:54:00:aa:00:01"),
        ("fe80::1", "52:54:00:aa:00:01"),
    ]


def test_options_are_published_and_the_secret_one_says_so() -> None:
    assert list_opts() == [(GROUP, OPTIONS)]
    assert [option.name for option in OPTIONS if option.secret] == ["password"]
    assert all(option.help for option in OPTIONS)
