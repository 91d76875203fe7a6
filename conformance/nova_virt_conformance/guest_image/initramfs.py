"""Assembles the guest's two-part initramfs: a userland that all kernels share, and each kernel's drivers.

The archive is written here, since `cpio` would need root to give the files to root. Its format is the one called "newc"
in the kernel's Documentation/driver-api/early-userspace/buffer-format.rst.
"""

from __future__ import annotations

import gzip
import lzma
import re
import stat
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from nova_virt_conformance.guest_image.command import BuildError, find, run

UNKNOWN_LAYOUT: Final = "report this with your distribution's name and version"
GUEST_FILES: Final = Path(__file__).resolve().parent / "guest"

# Without these the guest could not do what doc/reference/guest-image.md promises; a kernel must have them, as modules
# or built in.
REQUIRED_MODULES: Final = (
    *("virtio_pci", "virtio_blk", "virtio_scsi", "virtio_net", "virtio_console"),
    *("sd_mod", "sr_mod", "isofs", "vfat", "nls_cp437", "nls_ascii", "evdev", "button"),
    "ext4",  # a file system that can be frozen
)
# Each kernel brings those of these that it has.
OPTIONAL_MODULES: Final = (
    "crc32c_generic",  # what ext4 counts its checksums with; newer kernels do so without a module
    *("virtio_balloon", "virtio_mem", "virtio-rng", "pvpanic-mmio", "pvpanic-pci", "nls_utf8"),
    *("nvme", "ahci", "ata_piix", "ata_generic", "vmw_pvscsi", "mptspi", "mptsas", "sym53c8xx", "xen-blkfront"),
    "floppy",  # how some emulated BMCs show a removable medium
    "virtiofs",  # directories of the host
    *("e1000", "e1000e", "8139cp", "vmxnet3", "xen-netfront"),
)
DIRECTORIES: Final = ("dev", "mnt", "proc", "root", "run", "sys", "tmp", "var/log")


@dataclass(frozen=True, slots=True, kw_only=True)
class Kernel:
    """An unpacked kernel package: its image, its release name and the folder with its modules."""

    release: str
    image: Path
    modules: Path

    @classmethod
    def unpacked_in(cls, root: Path) -> Kernel:
        """Find the one kernel under an unpacked package's root."""
        images = sorted((root / "boot").glob("vmlinuz-*"))
        if len(images) != 1:
            raise BuildError(f"the kernel package holds {len(images)} kernels, expected one: run 'apt-get update'")
        release = images[0].name.removeprefix("vmlinuz-")
        folders = [root / prefix / "lib/modules" / release for prefix in ("", "usr")]
        modules = next((folder for folder in folders if folder.is_dir()), folders[0])
        return cls(release=release, image=images[0], modules=modules)


class Archive:
    """A cpio archive in the making; parents of a file are added by themselves."""

    def __init__(self) -> None:
        self._bytes = bytearray()
        self._names: set[str] = set()

    def file(self, name: str, content: bytes, mode: int = 0o644) -> None:
        """Add a file."""
        self._parents(name)
        self._entry(name, stat.S_IFREG | mode, content)

    def link(self, name: str, target: str) -> None:
        """Add a symbolic link."""
        self._parents(name)
        self._entry(name, stat.S_IFLNK | 0o777, target.encode())

    def directory(self, name: str) -> None:
        """Add a folder."""
        self._parents(name)
        self._entry(name, stat.S_IFDIR | 0o755)

    def finished(self) -> bytes:
        """Return the archive; padded so that the kernel accepts another one after it."""
        self._names.discard("TRAILER!!!")
        self._entry("TRAILER!!!", 0)
        self._bytes += b"\0" * (-len(self._bytes) % 512)
        return bytes(self._bytes)

    def _parents(self, name: str) -> None:
        for parent in reversed(Path(name).parents[:-1]):
            self._entry(str(parent), stat.S_IFDIR | 0o755)

    def _entry(self, name: str, mode: int, content: bytes = b"") -> None:
        if name in self._names:
            return
        self._names.add(name)
        links = 2 if stat.S_ISDIR(mode) else 1
        fields = (len(self._names), mode, 0, 0, links, 0, len(content), 0, 0, 0, 0, len(name) + 1, 0)
        self._bytes += b"070701" + b"".join(b"%08X" % field for field in fields) + name.encode() + b"\0"
        self._bytes += b"\0" * (-len(self._bytes) % 4) + content
        self._bytes += b"\0" * (-len(self._bytes) % 4)


def userland(root: Path) -> bytes:
    """Return the archive with busybox, the guest agent, and the scripts under guest/.

    Args:
        root: where busybox-static, qemu-guest-agent and the libraries of the latter are unpacked.
    """
    archive = Archive()
    for folder in DIRECTORIES:
        archive.directory(folder)
    busybox = _first(root, "bin/busybox", "usr/bin/busybox")
    archive.file("bin/busybox", busybox.read_bytes(), 0o755)
    for applet in subprocess.run([busybox, "--list"], capture_output=True, text=True, check=True).stdout.split():
        if applet != "busybox":
            archive.link(f"bin/{applet}", "busybox")
    archive.link("init", "bin/busybox")
    archive.link("sbin/modprobe", "../bin/busybox")  # where the kernel looks for it
    for name, content, mode in guest_files():
        archive.file(name, content, mode)
    _agent(root, archive)
    return archive.finished()


def guest_files() -> Iterator[tuple[str, bytes, int]]:
    """Yield the guest's own files: path inside it, content, mode. Their modes here may have been lost in a wheel."""
    for source in sorted(path for path in GUEST_FILES.rglob("*") if path.is_file()):
        content = source.read_bytes()
        yield str(source.relative_to(GUEST_FILES)), content, 0o755 if content.startswith(b"#!") else 0o644


def _agent(root: Path, archive: Archive) -> None:
    """Add qemu-ga with the libraries that its own C library's loader finds for it."""
    agent = _first(root, "usr/sbin/qemu-ga", "usr/bin/qemu-ga")
    archive.file("sbin/qemu-ga", agent.read_bytes(), 0o755)
    interpreter = "lib64/ld-linux-x86-64.so.2"
    loader = _first(root, interpreter, f"usr/{interpreter}", "usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2")
    archive.file(interpreter, loader.read_bytes(), 0o755)
    libraries = [str(root / prefix / "lib/x86_64-linux-gnu") for prefix in ("", "usr")]
    command = [str(loader), "--library-path", ":".join(libraries), "--list", str(agent)]
    listed = subprocess.run(command, capture_output=True, text=True, check=False).stdout
    for name, path in re.findall(r"(\S+) => (\S+)", listed):
        if not Path(path).is_relative_to(root):
            raise BuildError(f"qemu-ga needs {name}, which no downloaded package holds: {UNKNOWN_LAYOUT}")
        archive.file(f"lib/{name}", Path(path).read_bytes(), 0o755)


def drivers(kernel: Kernel) -> bytes:
    """Return the archive with the modules the guest may need, and all modules that those need."""
    run("depmod", "-b", str(_module_root(kernel)), kernel.release)
    needs = {
        _module_name(module): (module, dependencies.split())
        for module, dependencies in (
            line.split(":", 1) for line in (kernel.modules / "modules.dep").read_text("utf-8").splitlines()
        )
    }
    builtin = {_module_name(line) for line in (kernel.modules / "modules.builtin").read_text("utf-8").splitlines()}
    paths: dict[str, None] = {}
    for name in (*REQUIRED_MODULES, *OPTIONAL_MODULES):
        wanted = name.replace("-", "_")
        if wanted in needs:
            module, dependencies = needs[wanted]
            paths.update(dict.fromkeys((module, *dependencies)))
        elif wanted not in builtin and name in REQUIRED_MODULES:
            raise BuildError(f"the kernel {kernel.release} has no module {name}: build with another kernel package")
    return _driver_archive(kernel, list(paths))


def _driver_archive(kernel: Kernel, modules: list[str]) -> bytes:
    """Lay the chosen modules out for the guest's modprobe, uncompressed, with an index of just these."""
    stage = kernel.modules.parent / "chosen"
    folder = stage / "lib/modules" / kernel.release
    for module in modules:
        plain = folder / re.sub(r"\.ko\.\w+$", ".ko", module)
        plain.parent.mkdir(parents=True, exist_ok=True)
        plain.write_bytes(_decompressed(kernel.modules / module))
    for index in ("modules.order", "modules.builtin", "modules.builtin.modinfo"):
        (folder / index).write_bytes((kernel.modules / index).read_bytes())
    run("depmod", "-b", str(stage), kernel.release)
    archive = Archive()
    for path in sorted(folder.rglob("*")):
        # The guest's modprobe reads the text indexes, not the binary ones.
        if path.suffix == ".ko" or path.name in ("modules.dep", "modules.alias"):
            archive.file(str(path.relative_to(stage)), path.read_bytes())
    return archive.finished()


def _decompressed(module: Path) -> bytes:
    """Return a module's plain bytes; Ubuntu compresses modules in a way that busybox cannot read."""
    match module.suffix:
        case ".xz":
            return lzma.decompress(module.read_bytes())
        case ".gz":
            return gzip.decompress(module.read_bytes())
        case ".zst":
            return subprocess.run([find("zstd"), "-dcq", str(module)], capture_output=True, check=True).stdout
        case _:
            return module.read_bytes()


def _module_root(kernel: Kernel) -> Path:
    """Return the folder that holds lib/modules, which is what depmod wants to be told."""
    return kernel.modules.parents[2]


def _module_name(path: str) -> str:
    return Path(path).name.split(".ko")[0].replace("-", "_")


def _first(root: Path, *names: str) -> Path:
    """Return the first of the places that exists; distributions move files between / and /usr."""
    for name in names:
        if (root / name).exists():
            return root / name
    raise BuildError(f"no downloaded package holds {names[0]}: {UNKNOWN_LAYOUT}")
