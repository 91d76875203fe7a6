"""A bootable CD with the small guest image on it: what a node without a disk is deployed from.

UEFI machines only. The image's partition, which holds boot loader, kernel and initramfs, is the CD's boot image
(El Torito), so that a machine which can start one can start the other.
"""

import subprocess
import tempfile
from pathlib import Path
from typing import Final

from tools.ironic.database import found

PARTITION_START_BYTES: Final = 1 << 20
VOLUME_ID: Final = "NOVA_VIRT"
TO_THE_END: Final = "1"
"""Sectors of the boot image. One stands for all up to the CD's end (UEFI 2.10, 13.3.2.1); the field ends at 32 MiB."""


def write_boot_iso(image: Path, target: Path) -> None:
    """Write a CD image that starts the guest image.

    Args:
        image: the guest image, in any format that QEMU knows.
        target: the file to write.

    Raises:
        NotInstalledError: qemu-img or xorriso is not on this machine.
    """
    with tempfile.TemporaryDirectory(prefix="nova-virt-ironic-iso-") as scratch:
        disk, files = Path(scratch, "disk.raw"), Path(scratch, "files")
        run([found("qemu-img"), "convert", "-O", "raw", image, disk])
        files.mkdir()
        with disk.open("rb") as source, Path(files, "boot.img").open("wb") as partition:
            source.seek(PARTITION_START_BYTES)
            partition.write(source.read())
        loader = ["-e", "boot.img", "-no-emul-boot", "-boot-load-size", TO_THE_END]
        run([found("xorriso"), "-as", "mkisofs", "-quiet", "-V", VOLUME_ID, "-o", target, *loader, files])


def run(command: list[str | Path]) -> None:
    """Run a command that must succeed, and show what it said if it does not."""
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"{command[0]} failed with status {done.returncode}:\n{done.stdout}")
