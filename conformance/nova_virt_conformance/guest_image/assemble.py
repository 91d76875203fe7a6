"""Puts the image together: packages, initramfs, disk."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

from nova_virt_conformance.guest_image import command, disk, initramfs, packages
from nova_virt_conformance.guest_image.packages import Package

# choose.lua knows these names.
ENTRY_NAMES: Final = ("fast", "full")
TOOLS: Final = ("apt-get", "depmod", "dpkg-deb", "mcopy", "mformat", "qemu-img")


def assemble(kernels: Sequence[Package], work: Path, progress: Callable[[str], None]) -> Path:
    """Build the image inside `work` and return its path there.

    Args:
        kernels: the packages that stand for the kernels, the one with every driver last.
        work: an empty folder with room for some 700 MB of unpacked packages.
        progress: is told, in a line for people, what begins.
    """
    for tool in TOOLS:  # before, not after, the long part
        command.find(tool)
    progress("fetching the loaders, the userland and the kernels")
    names = ENTRY_NAMES[-len(kernels) :]
    with ThreadPoolExecutor() as pool:  # unpacking is most of the work, and done by other processes
        loaders = pool.submit(_loaders, work / "loaders")
        userland = pool.submit(_userland, work / "userland")
        entries = list(pool.map(lambda name, kernel: _boot_entry(name, kernel, work / name), names, kernels))
    progress("writing the disk")
    raw, image, staging = work / "guest.raw", work / "guest.qcow2", work / "files"
    staging.mkdir()
    disk.write_raw_disk(raw, staging, entries, userland.result(), loaders.result())
    disk.compress(raw, image)
    return image


def _loaders(root: Path) -> disk.Loaders:
    return disk.Loaders(root=packages.unpack(packages.lookup("syslinux", "syslinux-common", "systemd-boot-efi"), root))


def _userland(root: Path) -> bytes:
    agent = packages.closure("qemu-guest-agent", lambda name: "lib" in name)
    return initramfs.userland(packages.unpack([*agent, *packages.lookup("busybox-static")], root))


def _boot_entry(name: str, choice: Package, root: Path) -> disk.BootEntry:
    kernel = initramfs.Kernel.unpacked_in(packages.unpack(packages.kernel_behind(choice), root))
    return disk.BootEntry(name=name, kernel=kernel.image, drivers=initramfs.drivers(kernel))
