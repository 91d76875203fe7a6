"""Guests with an operating system that acts: what they find, what they obey, and what becomes of their memory."""

from __future__ import annotations

import hashlib
import time
from typing import Final

from nova_virt_api.capability import Capability, Feature
from nova_virt_api.compute import until
from nova_virt_api.driver.console_log import ConsoleLog
from nova_virt_api.driver.driver import Driver
from nova_virt_api.driver.pause import Pause
from nova_virt_api.driver.snapshot import Snapshot
from nova_virt_api.driver.suspend import Suspend
from nova_virt_api.model.disk import DiskBus
from nova_virt_api.model.image import LocalFile, LocalTarget
from nova_virt_api.model.instance import PowerOff, PowerState
from nova_virt_api.model.spec import Firmware
from nova_virt_conformance.booted import BOOT_PATIENCE, GRACE, Booted
from nova_virt_conformance.covers import covers, needs
from nova_virt_conformance.guest_image.markers import SeedSource, Stop
from nova_virt_conformance.lab import Lab
from nova_virt_conformance.outcome import NotVerified

BUSES: Final = {
    DiskBus.VIRTIO: {"virtio"},
    DiskBus.SATA: {"sata"},
    DiskBus.SCSI: {"scsi", "virtio-scsi"},
    DiskBus.IDE: {"ide"},
}
"""What a guest may call each bus."""

STOPPING: Final = b"nova-virt-guest: poweroff"
"""What the guest writes when it stops by itself."""

SETTLED: Final = 0.3
"""Seconds within which all that a guest has written is in its log."""

STILL: Final = 1.0
"""Seconds in which a guest that runs would have written four times."""


# --- what it finds ----------------------------------------------------------------------------------------------------


@covers(Feature.MULTIPLE_DISKS)
@needs(Feature.BLANK_DISK)
def test_guest_finds_its_disks(booted: Booted) -> None:
    """The guest finds all disks of its spec, in their sizes, and no more of them."""
    asked = [disk.size_bytes for disk in booted.spec.disks[1:]]
    found = [disk.size_bytes for disk in booted.report().disks]
    for size in asked:
        assert size in found, f"the guest has no disk of {size} bytes, it has {found}"
    media = 0 if booted.spec.cloud_init is None else 1
    assert len(booted.spec.disks) <= len(found) <= len(booted.spec.disks) + media


@covers(Feature.DISK_BUS)
@needs(Feature.MULTIPLE_DISKS, Feature.BLANK_DISK)
def test_guest_finds_disks_on_their_buses(booted: Booted) -> None:
    """The guest finds each disk on the bus that was asked for."""
    found = {disk.size_bytes: disk.bus for disk in booted.report().disks}
    asked = {disk.size_bytes or 0: disk.bus for disk in booted.spec.disks if disk.bus is not None}
    if not asked:
        raise NotVerified("the endpoint takes none of the buses that the kit tries with a booted guest")
    for size, bus in asked.items():
        assert found[size] in BUSES[bus]


@covers(Feature.MULTIPLE_NICS)
def test_guest_finds_its_network_cards(booted: Booted) -> None:
    """The guest finds as many network cards as its spec has NICs, each with an address of its own."""
    found = booted.report().nics
    assert len(found) == len(booted.spec.nics)
    assert len({card.mac for card in found}) == len(found)


@covers(Feature.NIC_MAC)
def test_guest_finds_mac_addresses(booted: Booted) -> None:
    """The guest's network cards have the MAC addresses that were asked for."""
    assert {card.mac for card in booted.report().nics} == {nic.mac for nic in booted.spec.nics}


@covers(Feature.NIC_MODEL)
def test_guest_finds_card_models(booted: Booted) -> None:
    """The guest's network cards are of the models that were asked for."""
    asked = [nic.model.value for nic in booted.spec.nics if nic.model is not None]
    if not asked:
        raise NotVerified("the endpoint takes none of the models that the kit tries with a booted guest")
    found = [card.model for card in booted.report().nics]
    for model in asked:
        assert model in found, f"the guest has no {model} card, it has {found}"


@covers(Feature.CLOUD_INIT)
def test_guest_reads_its_first_boot_data(booted: Booted) -> None:
    """Host name, user data and keys reach the guest to the letter, and user data that is a script runs."""
    assert booted.spec.cloud_init is not None
    report = booted.report()
    assert report.seed is not None
    assert report.seed.source is not SeedSource.NONE
    assert report.seed.instance_id, "without an instance id cloud-init does not know a first boot"
    assert report.seed.hostname == booted.spec.cloud_init.hostname
    assert report.seed.user_data_sha256 == hashlib.sha256(booted.spec.cloud_init.user_data.encode()).hexdigest()
    assert report.ssh_keys == tuple(key.rpartition(" ")[0] for key in booted.spec.cloud_init.ssh_authorized_keys)
    assert report.user_data_exit == 7


@covers(Feature.GUEST_ADDRESSES, Driver.instance)
def test_addresses_are_the_guests_own(lab: Lab, booted: Booted) -> None:
    """The addresses that are shown are those that the guest has, each with the card that has it."""
    lab.compute.wait_for(booted.guest, until.address(family=4), timeout=BOOT_PATIENCE)

    def told() -> set[tuple[str, str]]:
        own = booted.report().addresses
        return {(one.mac, str(one.address.ip)) for one in own if not one.address.ip.is_link_local}

    def shown() -> set[tuple[str, str]]:
        seen = lab.compute.instance(booted.guest, fresh=True).addresses or ()
        cards = {ip: mac for mac, ip in told()}
        return {(one.mac or cards.get(str(one.ip), ""), str(one.ip)) for one in seen if not one.ip.is_link_local}

    booted.await_until(lambda: told() == shown(), "the addresses that are shown are those that the guest tells")
    assert len({mac for mac, _ in shown()}) == len(booted.spec.nics)


@covers(Feature.GUEST_AGENT, Driver.instance)
def test_guest_agent_is_seen(lab: Lab, booted: Booted) -> None:
    """A guest whose agent runs is shown so."""
    assert booted.report().agent_running, "the guest has no channel to its agent"
    assert lab.compute.wait_for(booted.guest, until.agent(), timeout=BOOT_PATIENCE).agent is True


@covers(Feature.UEFI, Driver.spawn)
def test_guest_is_started_by_uefi(lab: Lab) -> None:
    """A guest that asked for UEFI is started by it."""
    booted = lab.booted.boot(lab.booted.spec(firmware=Firmware.UEFI))
    assert booted.report().firmware is Firmware.UEFI


@covers(Capability.CONSOLE_LOG, ConsoleLog.console_log)
def test_console_log_is_what_the_guest_wrote(lab: Lab, booted: Booted) -> None:
    """The console log holds all that the guest wrote, undamaged, and its end can be had alone."""
    whole = booted.report()
    assert (whole.ready, whole.unreadable) == (True, ())
    assert whole.cpus == booted.spec.vcpus
    assert whole.memory_bytes is not None
    assert booted.spec.memory_bytes // 2 < whole.memory_bytes <= booted.spec.memory_bytes
    end = lab.compute.console_log(booted.guest, max_bytes=100)
    assert len(end) == 100
    assert end in booted.log()


# --- what it obeys ----------------------------------------------------------------------------------------------------


@covers(Feature.GRACEFUL_POWER_OFF, Driver.reboot)
def test_reboot_asks_the_guest_and_boots_it_once(lab: Lab, booted: Booted) -> None:
    """A graceful reboot lets the guest stop by itself and boots it once more."""
    before = booted.boots()
    stops = booted.log().count(STOPPING)
    lab.compute.reboot(booted.guest, mode=PowerOff.GRACEFUL, grace_seconds=GRACE, timeout=BOOT_PATIENCE)
    booted.wait(lambda told: told.boots > before and told.ready, "the guest has started again")
    assert booted.boots() == before + 1
    assert booted.log().count(STOPPING) == stops + 1, "the guest was not asked, or did not have the time to stop"


# --- what becomes of its memory ---------------------------------------------------------------------------------------


@covers(Capability.PAUSE, Pause.pause, Pause.unpause)
def test_paused_guest_does_nothing(lab: Lab, booted: Booted) -> None:
    """A paused guest's clock stands still; after unpause it goes on from where it was."""
    running = ticking(booted)
    lab.compute.pause(booted.guest)
    time.sleep(SETTLED)
    at = booted.ticks()
    time.sleep(STILL)
    assert booted.ticks() == at, "the guest wrote while it was paused"
    lab.compute.unpause(booted.guest)
    check_goes_on(booted, at, boots=running)


@covers(Capability.SUSPEND, Suspend.suspend, Suspend.resume)
def test_resumed_guest_goes_on(lab: Lab, booted: Booted) -> None:
    """A guest that was suspended goes on from where it was: its clock does not begin anew, it does not boot."""
    boots = ticking(booted)
    lab.compute.suspend(booted.guest, timeout=BOOT_PATIENCE)
    at = booted.ticks()
    lab.compute.resume(booted.guest, timeout=BOOT_PATIENCE)
    check_goes_on(booted, at, boots=boots)


# --- what is left of it -----------------------------------------------------------------------------------------------


@covers(Feature.GRACEFUL_POWER_OFF, Driver.power_off)
def test_graceful_power_off_is_obeyed(lab: Lab, booted: Booted) -> None:
    """A guest that is asked to stop does so itself, within the grace time, and the verb returns once it has."""
    began = time.monotonic()
    lab.compute.power_off(booted.guest, mode=PowerOff.GRACEFUL, grace_seconds=GRACE, timeout=BOOT_PATIENCE)
    took = time.monotonic() - began
    assert booted.report().stopping is Stop.POWEROFF, "the guest's power was cut"
    assert took < GRACE, f"the guest obeyed, and the verb waited {took:.0f} s all the same"
    seen = lab.compute.instance(booted.guest, fresh=True)
    assert seen.power_state is PowerState.SHUTDOWN
    assert not seen.addresses, "a guest that is off has no addresses"
    assert not seen.agent, "a guest that is off has no agent"


@covers(Capability.SNAPSHOT, Snapshot.snapshot)
def test_snapshot_of_a_guest_boots(lab: Lab) -> None:
    """A guest made from the snapshot of another boots as that one did."""
    booted = lab.booted.stopped()
    path = lab.directory / "booted.qcow2"
    lab.compute.snapshot(booted.guest, LocalTarget(path), timeout=BOOT_PATIENCE)
    twin = lab.booted.boot(lab.booted.spec(LocalFile(path)))
    assert twin.report().kernel == booted.report().kernel
    path.unlink()


def ticking(booted: Booted) -> int:
    """Wait until the guest's clock runs; returns how often the guest has booted."""
    at = booted.ticks()
    booted.await_until(lambda: booted.ticks() != at, "the guest's clock runs")
    return booted.boots()


def check_goes_on(booted: Booted, at: int, *, boots: int) -> None:
    """See that the guest's clock goes on from where it was."""
    booted.await_until(lambda: booted.ticks() > at, f"the guest's clock goes on from {at}")
    assert booted.boots() == boots, "the guest was started anew"
