"""Writes something to a guest's disk, and looks whether it is there, by QEMU's own tool and past libvirt."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from lxml import etree

from nova_virt_conformance.outcome import NotVerified
from nova_virt_libvirt.boot_disk import boot_disk_of

LENGTH: Final = 4096
PATTERN: Final = "0xa5"
PATIENCE: Final = 60.0


@dataclass(frozen=True, slots=True)
class Scribble:
    """The last bytes of a disk, where nothing else is kept.

    Args:
        path: the file that the disk is.
        offset: where these bytes are.
    """

    path: str
    offset: int

    @classmethod
    def of(cls, native: Any, domain: Any) -> Scribble:
        """The place on a guest's boot disk.

        Raises:
            NotVerified: the disk is on another machine.
        """
        boot = boot_disk_of(native, etree.fromstring(domain.XMLDesc(0)))
        assert boot is not None, "the guest has no boot disk"  # noqa: S101
        path = boot.volume.path()
        if not Path(path).exists():
            raise NotVerified("guests' disks are on another machine")
        return cls(path, boot.volume.capacity_bytes() - LENGTH)

    def write(self) -> None:
        """Write it; the guest is off."""
        done = self._run([], "write")
        assert done.returncode == 0, done.stderr  # noqa: S101

    def is_there(self) -> bool:
        """Whether it is there; the guest may run."""
        return self._run(["-r", "-U"], "read").returncode == 0

    def _run(self, options: list[str], verb: str) -> subprocess.CompletedProcess[str]:
        command = ["qemu-io", *options, "-f", "qcow2", "-c", f"{verb} -P {PATTERN} {self.offset} {LENGTH}", self.path]
        return subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False)
