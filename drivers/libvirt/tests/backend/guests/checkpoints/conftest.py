"""A guest with two disks of its own whose content can be written and read, on and off."""

import subprocess
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import libvirt_qemu
import pytest
from lxml import etree

from nova_virt_api.model.disk import Blank, Disk
from nova_virt_api.model.identity import InstanceRef
from nova_virt_api.model.instance import PowerOff, PowerState
from nova_virt_api.model.spec import InstanceSpec
from nova_virt_api.model.units import MiB
from nova_virt_libvirt.driver import LibvirtDriver

COUNTER = 0x7E00
COUNTING = bytes.fromhex("fa 31c0 8ed8 66ff06007e ebf9").ljust(510, b"\0") + b"\x55\xaa"
"""A boot sector that counts in memory and does nothing else."""


class Guest:
    """A guest with two disks and no operating system.

    Args:
        driver: the driver that has it.
        ref: the guest.
        connect: gives a ``virConnect``.
        run: runs a driver's verb.
    """

    def __init__(
        self, driver: LibvirtDriver, ref: InstanceRef, connect: Callable[[], Any], run: Callable[..., Any]
    ) -> None:
        self.driver = driver
        self.ref = ref
        self._connect = connect
        self._run = run

    # --- verbs ----------------------------------------------------------------------------------------------------

    def create(self, name: str, **more: Any) -> Any:
        return self._run(self.driver.create_checkpoint, self.ref, name, **more)

    def revert(self, name: str) -> None:
        self._run(self.driver.revert_to_checkpoint, self.ref, name)

    def delete(self, name: str, **more: Any) -> None:
        self._run(self.driver.delete_checkpoint, self.ref, name, **more)

    def on(self) -> None:
        self._run(self.driver.power_on, self.ref)

    def off(self) -> None:
        self._run(self.driver.power_off, self.ref, mode=PowerOff.HARD, grace_seconds=0.0)

    # --- what is seen of it ---------------------------------------------------------------------------------------

    @property
    def domain(self) -> Any:
        return self._connect().lookupByUUID(self.ref.uuid.bytes)

    def state(self) -> PowerState:
        return self.driver.instance(self.ref, fresh=True).power_state

    def names(self) -> list[str]:
        return [info.name for info in self.driver.checkpoints(self.ref)]

    def current(self) -> str | None:
        return next((info.name for info in self.driver.checkpoints(self.ref) if info.is_current), None)

    def domain_xml(self) -> Any:
        return etree.fromstring(self.domain.XMLDesc(0))

    def paths(self) -> list[str]:
        return [disk.find("source").get("file") for disk in self.domain_xml().iterfind("devices/disk")]

    def volumes(self) -> list[str]:
        """Its disks and what was made with its checkpoints."""
        pool = self._connect().storagePoolLookupByName("nova-virt")
        pool.refresh(0)
        parts = ("disk", "memory", "variables", "checkpoint")
        return sorted(
            name for name in pool.listVolumes() if name.startswith(tuple(f"{self.ref.uuid}.{p}" for p in parts))
        )

    def counter(self) -> int:
        """How far it has counted."""
        answer = libvirt_qemu.qemuMonitorCommand(self.domain, f"xp /1xw {COUNTER:#x}", 1)
        return int(answer.split(":")[1], 16)

    # --- its disks ------------------------------------------------------------------------------------------------

    def write(self, value: int, *, disk: int = 0, at: int = 65536) -> None:
        """Let a disk hold this byte there."""
        command = f"write -P {value} {at} 64k"
        if self.domain.isActive():
            device = f"/machine/peripheral/virtio-disk{disk}/virtio-backend"
            answer = libvirt_qemu.qemuMonitorCommand(self.domain, f'qemu-io -d {device} "{command}"', 1)
            assert answer == ""  # else it is an error
        else:
            qemu_io(command, self.paths()[disk])

    def reads(self, value: int, *, disk: int = 0, at: int = 65536) -> bool:
        """Whether a disk holds this byte there; the guest must be off."""
        assert not self.domain.isActive()
        answer = qemu_io(f"read -P {value} {at} 64k", self.paths()[disk])
        assert "read 65536/65536" in answer, answer
        return "Pattern verification failed" not in answer


def qemu_io(command: str, path: str) -> str:
    done = subprocess.run(["qemu-io", "-f", "qcow2", "-c", command, path], capture_output=True, text=True, check=False)
    return done.stdout + done.stderr


MakeGuest = Callable[..., Guest]


@pytest.fixture
def make_guest(driver: LibvirtDriver, raw: Callable[[], Any], run: Callable[..., Any]) -> Iterator[MakeGuest]:
    """Makes guests of two small disks, off; their boot sector counts. Nothing may be left of them in the end."""
    made: list[Guest] = []

    def make(*, boots: bool = True, **fields: Any) -> Guest:
        spec: dict[str, Any] = {
            "uuid": uuid.uuid4(),
            "name": f"pointed-{len(made)}",
            "memory_bytes": MiB(16),
            "disks": [Disk(source=Blank(), size_bytes=MiB(4))] * 2,
            "power_on": False,
        }
        instance = run(driver.spawn, InstanceSpec(**(spec | fields)))
        guest = Guest(driver, instance.ref, raw, run)
        made.append(guest)
        if boots:
            boot = Path(guest.paths()[0])
            sector = boot.with_name("boot.sector")
            sector.write_bytes(COUNTING)
            assert "wrote" in qemu_io(f"write -s {sector} 0 512", str(boot))
            sector.unlink()
        return guest

    yield make
    for guest in made:
        run(driver.destroy, guest.ref)
        assert guest.volumes() == []


@pytest.fixture
def guest(make_guest: MakeGuest) -> Guest:
    """One such guest."""
    return make_guest()
