"""Lays the guest's disk out: one FAT partition that BIOS starts through syslinux and UEFI through systemd-boot.

Nothing is mounted and no loop device is used: mtools and syslinux write into the raw file at the partition's offset,
so that an ordinary user can build the image.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from nova_virt_conformance.guest_image.command import run

SECTOR_BYTES: Final = 512
DISK_BYTES: Final = 64 << 20
PARTITION_START_BYTES: Final = 1 << 20
EFI_SYSTEM_PARTITION: Final = 0xEF
# "quiet" keeps the kernel off the serial port, and the last two spare it work: under emulation each of them is felt.
COMMAND_LINE: Final = "console=tty0 console=ttyS0,115200 quiet loglevel=3 mitigations=off nokaslr"
CHOOSE_KERNEL: Final = Path(__file__).resolve().parent / "boot" / "choose.lua"
# lua.c32 with what it is linked to, and the two libraries that choose.lua asks for.
LUA_MODULES: Final = ("lua.c32", "liblua.c32", "libcom32.c32", "pci.c32", "syslinux.c32")


@dataclass(frozen=True, slots=True, kw_only=True)
class BootEntry:
    """A kernel to start with its initramfs; the name becomes a file name, eight characters at most."""

    name: str
    kernel: Path
    drivers: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaders:
    """The boot loaders' packages, unpacked under one root."""

    root: Path

    @property
    def mbr(self) -> Path:
        """Return syslinux's code for the first sector of the disk."""
        return self.root / "usr/lib/SYSLINUX/mbr.bin"

    @property
    def syslinux(self) -> Path:
        """Return the installer; the modules next to it must be of the same version."""
        return self.root / "usr/bin/syslinux"

    @property
    def syslinux_modules(self) -> Path:
        """Return the folder of what syslinux can load at boot."""
        return self.root / "usr/lib/syslinux/modules/bios"

    @property
    def systemd_boot(self) -> Path:
        """Return the UEFI boot loader."""
        return self.root / "usr/lib/systemd/boot/efi/systemd-bootx64.efi"


def write_raw_disk(disk: Path, work: Path, entries: Sequence[BootEntry], userland: bytes, loaders: Loaders) -> None:
    """Write the whole disk as a sparse raw file."""
    with disk.open("wb") as file:
        file.truncate(DISK_BYTES)
        file.write(_boot_record(loaders.mbr.read_bytes()))
    partition = f"{disk}@@{PARTITION_START_BYTES}"
    sectors = (DISK_BYTES - PARTITION_START_BYTES) // SECTOR_BYTES
    hidden = PARTITION_START_BYTES // SECTOR_BYTES
    geometry = ("-T", str(sectors), "-H", str(hidden), "-h", "16", "-s", "63")
    run("mformat", "-i", partition, "-v", "NOVAVIRT", *geometry, "::")
    run("mmd", "-i", partition, "::EFI", "::EFI/BOOT", "::loader", "::loader/entries")
    for name, content in _files(entries, userland, loaders).items():
        staged = work / name.replace("/", "_")
        staged.write_bytes(content)
        run("mcopy", "-i", partition, str(staged), f"::{name}")
    run(str(loaders.syslinux), "--install", "--offset", str(PARTITION_START_BYTES), str(disk))


def compress(disk: Path, image: Path) -> None:
    """Convert the raw disk to a compressed qcow2 image."""
    run("qemu-img", "convert", "-c", "-f", "raw", "-O", "qcow2", str(disk), str(image))


def _boot_record(code: bytes) -> bytes:
    """Return a master boot record with syslinux's code and one active partition.

    Addresses in cylinders, heads and sectors are at their maximum, as usual for partitions found by block number.
    """
    start = PARTITION_START_BYTES // SECTOR_BYTES
    sectors = DISK_BYTES // SECTOR_BYTES - start
    beyond = b"\xfe\xff\xff"
    entry = struct.pack("<B3sB3sII", 0x80, beyond, EFI_SYSTEM_PARTITION, beyond, start, sectors)
    return code[:440].ljust(440, b"\0") + b"NVGI\0\0" + entry.ljust(64, b"\0") + b"\x55\xaa"


def _files(entries: Sequence[BootEntry], userland: bytes, loaders: Loaders) -> dict[str, bytes]:
    """Return the partition's files by their path; the last entry is the one with every driver."""
    files = {
        "userland.img": userland,
        "syslinux.cfg": _syslinux_menu(entries).encode(),
        "EFI/BOOT/BOOTX64.EFI": loaders.systemd_boot.read_bytes(),
        "loader/loader.conf": f"timeout 0\ndefault {entries[-1].name}.conf\n".encode(),
    }
    if len(entries) > 1:
        files["choose.lua"] = CHOOSE_KERNEL.read_bytes()
        files.update({name: (loaders.syslinux_modules / name).read_bytes() for name in LUA_MODULES})
    for entry in entries:
        files[f"{entry.name}.krn"] = entry.kernel.read_bytes()
        files[f"{entry.name}.img"] = entry.drivers
        files[f"loader/entries/{entry.name}.conf"] = _systemd_boot_entry(entry).encode()
    return files


def _systemd_boot_entry(entry: BootEntry) -> str:
    lines = [
        f"title {entry.name}",
        f"linux /{entry.name}.krn",
        "initrd /userland.img",
        f"initrd /{entry.name}.img",
        f"options {COMMAND_LINE}",
    ]
    return "\n".join(lines) + "\n"


def _syslinux_menu(entries: Sequence[BootEntry]) -> str:
    lines = ["DEFAULT choose" if len(entries) > 1 else f"DEFAULT {entries[0].name}", "PROMPT 0"]
    lines += ["LABEL choose", "  COM32 lua.c32", "  APPEND choose.lua"]
    for entry in entries:
        lines += [
            f"LABEL {entry.name}",
            f"  LINUX {entry.name}.krn",
            f"  INITRD userland.img,{entry.name}.img",
            f"  APPEND {COMMAND_LINE}",
        ]
    return "\n".join(lines) + "\n"
