"""Find out what an image's bytes really are, and refuse what is not safe to hand to a hypervisor."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, Final

from nova_virt_api.driver.operation import Operation
from nova_virt_api.errors import ImageRejected, VirtError
from nova_virt_api.images import qcow2, vdi, vhd, vmdk
from nova_virt_api.images.limits import Limits
from nova_virt_api.images.malformed import Malformed
from nova_virt_api.model.image import ImageFormat, ImageInfo

FORMATS: Final = {
    "raw": ImageFormat.RAW,
    "gpt": ImageFormat.RAW,  # the inspector's name for a disk with a partition table of either kind
    "qcow2": ImageFormat.QCOW2,
    "vmdk": ImageFormat.VMDK,
    "vdi": ImageFormat.VDI,
    "vhd": ImageFormat.VHD,
    "vhdx": ImageFormat.VHDX,
    "iso": ImageFormat.ISO,
}
MAGICS: Final = {
    b"QFI\xfb": "qcow2",
    b"QED\0": "qed",
    b"KDMV": "vmdk",
    b"COWD": "vmdk",
    b"conectix": "vhd",
    b"vhdxfile": "vhdx",
    b"LUKS\xba\xbe": "luks",
}
REASONS: Final = {
    "backing_file": "it names a backing file",
    "data_file": "it names an external data file",
    "unknown_features": "it needs features that are not known here",
    "banned": "this format is not accepted",
    "footer": "its footer contradicts its header, or it is cut short",
    "descriptor": "its descriptor names other files or a layout that is not accepted",
    "mbr": "its partition table is malformed",
}
STRUCTURES: Final = {
    ImageFormat.QCOW2: qcow2.check,
    ImageFormat.VMDK: vmdk.check,
    ImageFormat.VHD: vhd.check,
    ImageFormat.VDI: vdi.check,
}
HEAD: Final = 512
SMALL_STEP: Final = 4096
"""The inspectors follow chained structures only when these are fed to them one by one."""

SMALL_STEPS_UNTIL: Final = 8 * 1024**2
BIG_STEP: Final = 1024**2


def inspect_image(
    path: Path, name: str, op: Operation, *, declared: ImageFormat | None = None, limits: Limits | None = None
) -> ImageInfo:
    """Inspect a file that nobody else can change.

    Args:
        path: the file.
        name: what errors call it.
        op: the operation worked for.
        declared: what the format is said to be. Bytes of no known format are taken for raw only if that is declared.
        limits: bounds for its sizes.

    Raises:
        ImageRejected: it is not what it is declared to be, not whole, not safe, or too large.
    """
    with path.open("rb") as file:
        try:
            return inspect_file(file, path, op, declared, limits or Limits())
        except Malformed as error:
            raise ImageRejected(name, error.why) from error


def inspect_file(file: IO[bytes], path: Path, op: Operation, declared: ImageFormat | None, limits: Limits) -> ImageInfo:
    """:func:`inspect_image` with the reason alone as error."""
    size = os.fstat(file.fileno()).st_size
    if not size:
        raise Malformed("it is empty")
    inspector, found = detect(file, path, op)
    if declared is not None and declared is not found:
        raise Malformed(f"declared {declared.value}, but its bytes are {found.value}")
    if declared is None and found is ImageFormat.RAW and str(inspector) == "raw":
        raise Malformed("its format is not recognised; a raw disk without a partition table has to be declared as raw")
    check_safety(inspector)
    with parsing():
        check = STRUCTURES.get(found)
        virtual_size = check(file, op) if check else stated_size(inspector, found, size)
    if virtual_size <= 0:
        raise Malformed("it says that its disk has no size")
    if virtual_size > limits.virtual_size_bytes:
        raise Malformed(f"its disk of {virtual_size} bytes is larger than the {limits.virtual_size_bytes} allowed")
    return ImageInfo(ref=str(path), format=found, size_bytes=size, virtual_size_bytes=virtual_size)


def detect(file: IO[bytes], path: Path, op: Operation) -> tuple[Any, ImageFormat]:
    """The inspector that recognises the bytes, and their format."""
    inspectors = recognise(path, op)
    if inspectors.keys() == {"iso", "gpt"}:  # a medium that also boots when copied to a disk
        del inspectors["gpt"]
    head = file.read(HEAD)
    inspectors |= {name: None for start, name in MAGICS.items() if head.startswith(start) and name not in inspectors}
    if len(inspectors) > 1:
        inspectors.pop("raw", None)
    if len(inspectors) > 1:
        raise Malformed(f"its bytes are of several formats at once: {', '.join(sorted(inspectors))}")
    ((name, inspector),) = inspectors.items()
    if name not in FORMATS:
        raise Malformed(f"{name.upper()} is not accepted")
    if inspector is None:
        raise Malformed(f"it is cut short or malformed: it only begins like {name}")
    if FORMATS[name] is ImageFormat.RAW and vhd.has_footer(file):
        return inspector, ImageFormat.VHD
    return inspector, FORMATS[name]


def recognise(path: Path, op: Operation) -> dict[str, Any]:
    """The names of the formats that the bytes match, each with its inspector; ``raw`` when they match none."""
    from oslo_utils.imageutils import format_inspector

    with path.open("rb") as file, parsing():
        wrapper = format_inspector.InspectWrapper(file)
        while wrapper.formats is None:
            op.checkpoint()
            if not wrapper.read(SMALL_STEP if file.tell() < SMALL_STEPS_UNTIL else BIG_STEP):
                break
        wrapper.close()
        return {str(inspector): inspector for inspector in wrapper.formats or ()}


def check_safety(inspector: Any) -> None:
    """Run the inspector's own checks."""
    from oslo_utils.imageutils import format_inspector

    with parsing():
        try:
            inspector.safety_check()
        except format_inspector.SafetyCheckFailed as error:
            names = sorted(error.failures)
            raise Malformed("; ".join(REASONS.get(name, f"the check {name} failed") for name in names)) from error


def stated_size(inspector: Any, found: ImageFormat, size: int) -> int:
    """Size of the disk in bytes as far as the inspector knows it; a raw image and a medium are as large as they are."""
    if found in (ImageFormat.RAW, ImageFormat.ISO):
        return size
    return int(inspector.virtual_size)


@contextmanager
def parsing() -> Iterator[None]:
    """Whatever hostile bytes make a parser do, it ends as a refusal."""
    try:
        yield
    except (Malformed, VirtError):
        raise
    except Exception as error:
        raise Malformed("it is cut short or cannot be parsed") from error
