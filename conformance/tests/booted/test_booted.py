"""What the kit does with a booted guest before any is there: specs without what is refused, reading, waiting."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import pytest

from nova_virt_api.capability import Capability, Feature
from nova_virt_api.errors import InvalidSpec, NotSupported
from nova_virt_api.model.capabilities import AVAILABLE, Availability, Capabilities
from nova_virt_api.model.cloud_init import CloudInit
from nova_virt_api.model.disk import Blank, Disk, DiskBus
from nova_virt_api.model.instance import Instance, PowerState
from nova_virt_api.model.nic import Nic, NicModel
from nova_virt_api.model.spec import InstanceSpec
from nova_virt_api.model.units import MiB
from nova_virt_conformance import booted as module
from nova_virt_conformance.booted import Booted, without
from nova_virt_conformance.outcome import NotVerified

SPEC = InstanceSpec(
    uuid=uuid4(),
    name="guest",
    memory_bytes=MiB(32),
    disks=[Disk(source=Blank(), size_bytes=1, bus=bus) for bus in (DiskBus.SATA, DiskBus.SCSI)],
    nics=[Nic(model=model) for model in (NicModel.VIRTIO, NicModel.E1000)],
    cloud_init=CloudInit(user_data="#!/bin/sh\n"),
)
GUEST = Instance(
    uuid=SPEC.uuid, name="guest", power_state=PowerState.RUNNING, native_id="1", vcpus=1, memory_bytes=MiB(32)
)
LOGS: dict[Capability | Feature, Availability] = {Capability.CONSOLE_LOG: AVAILABLE}


@dataclass
class Console:
    """Stands for a lab and its connection: there is nothing but what a guest has written."""

    log: bytes = b""

    @property
    def compute(self) -> Console:
        return self

    def capabilities(self) -> Capabilities:
        return Capabilities(
            driver="", driver_version="", backend="", backend_version="", answers=LOGS, event_latency_seconds=0.0
        )

    def console_log(self, _: Instance, *, max_bytes: int) -> bytes:
        return self.log[-max_bytes:]


def booted(log: bytes, spec: InstanceSpec = SPEC) -> Booted:
    lab: Any = Console(log)
    return Booted(lab, GUEST, spec)


def test_a_bus_that_is_refused_is_left_to_the_endpoint() -> None:
    left = without(SPEC, InvalidSpec("disks[1].bus", "scsi", "sata"))
    assert [disk.bus for disk in left.disks] == [DiskBus.SATA, None]
    assert left.nics == SPEC.nics


def test_a_model_that_is_refused_is_left_to_the_endpoint() -> None:
    left = without(SPEC, NotSupported(Feature.NIC_MODEL, "nics[0].model", "no such card"))
    assert [nic.model for nic in left.nics] == [None, NicModel.E1000]
    assert left.disks == SPEC.disks


def test_other_refusals_stay_errors() -> None:
    refused = InvalidSpec("disks[0].size_bytes", 1, "more")
    with pytest.raises(InvalidSpec) as caught:
        without(SPEC, refused)
    assert caught.value is refused


def test_the_clock_is_read_at_its_latest() -> None:
    log = b"conformance-clock: 11\r\nnova-virt-guest: ready\r\nconformance-clock: 12\r\nconformance-clo"
    assert booted(log).ticks() == 12
    assert booted(b"").ticks() == 0


def test_a_guest_without_user_data_has_no_clock() -> None:
    plain = InstanceSpec(uuid=uuid4(), name="plain", memory_bytes=MiB(32))
    with pytest.raises(NotVerified, match="clock"):
        booted(b"", plain).ticks()


def test_a_guest_that_says_nothing_fails_with_the_end_of_its_console(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BOOT_PATIENCE", 0.1)
    with pytest.raises(AssertionError, match=r"the boot is over(.|\n)*Kernel panic"):
        booted(b"Kernel panic - not syncing\r\n").wait(lambda told: told.ready, "the boot is over")


def test_waiting_ends_with_what_was_told() -> None:
    log = b"nova-virt-guest: boot 6.1 bios uuid=none\r\nnova-virt-guest: ready\r\n"
    assert booted(log).wait(lambda told: told.ready, "the boot is over").boots == 1
