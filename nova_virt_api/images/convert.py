"""Convert an image with qemu-img, which gets no choice: formats said, resources limited, ended with its caller."""

import os
import re
import select
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path
from typing import IO, Final, cast

from nova_virt_api.driver.operation import Operation
from nova_virt_api.errors import ImageRejected, NoCapacity, Unavailable, shorten
from nova_virt_api.images.limits import Limits
from nova_virt_api.model.image import ImageFormat, ImageInfo

PERCENT: Final = re.compile(rb"\((\d+(?:\.\d+)?)/100%\)")
TICK_SECONDS: Final = 0.2
SPARE_FILES: Final = 64
PACKAGES: Final = {
    "qemu-img": "install the package qemu-utils (Debian, Ubuntu) or qemu-img (Fedora, RHEL, SUSE)",
    "prlimit": "install the package util-linux",
    "setpriv": "install the package util-linux",
}


def convert_image(source: ImageInfo, target: Path, to: ImageFormat, name: str, limits: Limits, op: Operation) -> None:
    """Write a converted copy of an inspected image.

    The process may use so much memory, processor time and file size and no more; it dies with this thread, when the
    operation is cancelled or its time is over, and has no privileges to gain.

    Args:
        source: the image; nobody else can change its file.
        target: file to be made, in a private directory.
        to: format to be made.
        name: what errors call the image.
        limits: bounds of its use of this machine.
        op: the operation worked for.

    Raises:
        ImageRejected: qemu-img does not accept the image, or a limit was reached.
        NoCapacity: the target's file system is full.
        Unavailable: a tool is missing.
    """
    size = limits.converted_bytes(source.size_bytes)
    if to is ImageFormat.RAW and source.virtual_size_bytes > size:
        raise ImageRejected(name, f"it would grow beyond {size} bytes when converted")
    formats = ["-f", source.format.value.replace("iso", "raw"), "-O", to.value]
    cpu = limits.convert_cpu_seconds
    bounds = [f"--as={limits.convert_memory_bytes}", f"--cpu={cpu}:{cpu + 1}", f"--fsize={size}"]
    command = [tool("prlimit"), *bounds, f"--nofile={SPARE_FILES}", "--core=0", "--"]
    command += [tool("setpriv"), "--pdeathsig", "KILL", "--no-new-privs", "--"]
    command += [
        tool("qemu-img"),
        "convert",
        "-p",
        *formats,
        "--",
        str(Path(source.ref).absolute()),
        str(target.absolute()),
    ]
    with tempfile.TemporaryFile() as complaints:
        code = run(command, complaints, op)
        complaints.seek(0)
        said = complaints.read(4096).decode(errors="replace")
    if code:
        cause = subprocess.CalledProcessError(code, "qemu-img convert", stderr=said)
        raise reason(code, said.replace(source.ref, name), name, size, limits) from cause


def tool(name: str) -> str:
    """Path of an installed command.

    Raises:
        Unavailable: it is not installed; the hint names the package.
    """
    found = shutil.which(name)
    if found is None:
        raise Unavailable(f"{name} is needed to convert images and is not installed", hint=PACKAGES[name])
    return found


def run(command: list[str], complaints: IO[bytes], op: Operation) -> int:
    """Run the command to its end and return its exit code; it never outlives this call."""
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=complaints)
    printed = cast(IO[bytes], process.stdout)
    op.on_cancel(process.kill)
    try:
        while text := output(printed, op):
            if found := PERCENT.findall(text):
                op.progress(float(found[-1]), 100)
        code = process.wait()
        op.checkpoint()
        return code
    finally:
        process.kill()
        process.wait()
        printed.close()


def output(stream: IO[bytes], op: Operation) -> bytes:
    """What the process prints next; nothing once it has ended."""
    while not select.select([stream], [], [], min(TICK_SECONDS, op.remaining()))[0]:
        op.checkpoint()
    return os.read(stream.fileno(), 4096)


def reason(code: int, said: str, name: str, size: int, limits: Limits) -> ImageRejected | NoCapacity:
    """The error for what qemu-img ended with."""
    if code == -signal.SIGXFSZ or "File too large" in said:
        return ImageRejected(name, f"it would grow beyond {size} bytes when converted")
    if code == -signal.SIGXCPU:
        return ImageRejected(name, f"converting it takes more than {limits.convert_cpu_seconds} s of processor time")
    if code in (-signal.SIGABRT, -signal.SIGTRAP) or "annot allocate memory" in said:
        return ImageRejected(name, f"converting it takes more than {limits.convert_memory_bytes} bytes of memory")
    if "No space left on device" in said:
        return NoCapacity("disk space", f"no space left to convert image {name}")
    last = (said.strip().splitlines() or [f"exit code {code}"])[-1]
    return ImageRejected(name, f"qemu-img cannot convert it: {shorten(last.removeprefix('qemu-img: '), 200)}")
