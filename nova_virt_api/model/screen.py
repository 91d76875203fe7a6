"""A guest's screen: the card that it draws with, and the way by which people see it."""

import enum
from collections.abc import Iterator
from dataclasses import dataclass

from nova_virt_api.capability import Feature
from nova_virt_api.model.check import check_type


class VideoModel(enum.Enum):
    """The kind of video card that a guest sees."""

    VGA = "vga"
    VIRTIO = "virtio"
    QXL = "qxl"
    CIRRUS = "cirrus"
    BOCHS = "bochs"
    VMVGA = "vmvga"
    NONE = "none"
    """No card at all: such a guest talks by its serial port."""


class Graphics(enum.Enum):
    """How a screen is reached."""

    VNC = "vnc"
    SPICE = "spice"
    NONE = "none"
    """Not at all: the guest has no console with a picture."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Screen:
    """A guest's screen; what is None is the endpoint's choice.

    Args:
        video: the card that the guest sees.
        graphics: the way by which people see it.
    """

    video: VideoModel | None = None
    graphics: Graphics | None = None

    def __post_init__(self) -> None:
        if self.video is not None:
            check_type("video", self.video, VideoModel, "a VideoModel")
        if self.graphics is not None:
            check_type("graphics", self.graphics, Graphics, "a Graphics")

    def features(self) -> Iterator[tuple[Feature, str]]:
        """What an endpoint must declare for this screen, each with the field that asks for it."""
        if self.video is not None:
            yield Feature.VIDEO_MODEL, "video"
        if self.graphics is not None:
            yield Feature.GRAPHICS, "graphics"
