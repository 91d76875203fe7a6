"""How the errors about images are brought about, for each verb that takes one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from nova_virt_api.capability import Feature
from nova_virt_api.errors import ImageNotFound, ImageRejected, VirtError
from nova_virt_api.model.disk import Disk
from nova_virt_api.model.image import ImageFormat, ImageSource, LocalFile, Native
from nova_virt_api.model.instance import Instance, PowerState
from nova_virt_api.model.units import MiB
from nova_virt_conformance.calls import rescue_options
from nova_virt_conformance.scene import NOWHERE, Recipe, Scene, refused_by_the_backend

if TYPE_CHECKING:
    from nova_virt_conformance.lab import Lab


@contextmanager
def missing_image(lab: Lab, method: str, error: type[VirtError]) -> Iterator[Scene]:
    """A file that is not there; where the client sends no images, one that the backend cannot find."""
    if method == "Rescue.rescue":
        lab.require(Feature.RESCUE_IMAGE)
    if not lab.compute.capabilities().has(Feature.CLIENT_IMAGES):
        if isinstance(lab.target.image, Native):
            yield asking_for(lab, method, Native(NOWHERE))
            return
        with refused_by_the_backend(lab, method, error) as made:
            yield made
        return
    yield asking_for(lab, method, LocalFile(lab.directory / f"{NOWHERE}.qcow2"))


@contextmanager
def wrong_image(lab: Lab, method: str, error: type[VirtError]) -> Iterator[Scene]:
    """A file that is not of the format that it is said to be; where the client sends none, what the backend rejects."""
    if method == "Rescue.rescue":
        lab.require(Feature.RESCUE_IMAGE)
    if not lab.compute.capabilities().has(Feature.CLIENT_IMAGES):
        with refused_by_the_backend(lab, method, error) as made:
            yield made
        return
    path = lab.directory / "not-an-image.qcow2"
    path.write_bytes(bytes(MiB(1)))
    yield asking_for(lab, method, LocalFile(path, format=ImageFormat.QCOW2))
    path.unlink()


def asking_for(lab: Lab, method: str, source: ImageSource) -> Scene:
    """A call of a verb with an image."""
    if method == "Driver.spawn":
        spec = lab.spec(disks=(Disk(source=source),))
        return Scene(lambda: lab.compute.spawn(spec, timeout=lab.patience))
    guest = lab.guest(PowerState.SHUTDOWN)
    calls: dict[str, Callable[[Instance], object]] = {
        "Rebuild.rebuild": lambda guest: lab.compute.rebuild(guest, source=source, timeout=lab.patience),
        "Rescue.rescue": lambda guest: lab.compute.rescue(
            guest, **(rescue_options(lab) | {"image": source}), timeout=lab.patience
        ),
    }
    return Scene(lambda: calls[method](guest), guest)


OF_IMAGES: Final[dict[tuple[str, type[VirtError]], Recipe]] = {
    ("Driver.spawn", ImageNotFound): missing_image,
    ("Driver.spawn", ImageRejected): wrong_image,
    ("Rebuild.rebuild", ImageNotFound): missing_image,
    ("Rebuild.rebuild", ImageRejected): wrong_image,
    ("Rescue.rescue", ImageNotFound): missing_image,
    ("Rescue.rescue", ImageRejected): wrong_image,
}
"""Ways that serve one method."""
