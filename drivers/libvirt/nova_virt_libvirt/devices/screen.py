"""Screen, pointer, and the serial console with its log."""

import secrets
from collections.abc import Iterator
from typing import Final

from lxml import etree
from lxml.builder import E

from nova_virt_api.model.screen import Graphics, Screen, VideoModel

LONG_AGO: Final = "1970-01-01T00:00:01"


def screen_elements(screen: Screen | None = None) -> Iterator[etree._Element]:
    """A screen, by VNC unless another way was asked for, and a pointer where somebody can see it.

    It is on the hypervisor's loopback address, and nobody may enter before a ticket is given out. Without a password
    the port would be open to every account of the host; so it has one that nobody knows and that has expired.
    """
    screen = screen or Screen()
    graphics = screen.graphics or Graphics.VNC
    if graphics is not Graphics.NONE:
        yield E.graphics(
            E.listen(type="address", address="127.0.0.1"),
            type=graphics.value,
            port="-1",
            autoport="yes",
            passwd=secrets.token_urlsafe(6),  # eight characters, as many as VNC looks at
            passwdValidTo=LONG_AGO,
        )
        yield E.input(type="tablet", bus="usb")
    yield E.video(E.model(type=(screen.video or VideoModel.VGA).value))


def serial_elements(log: str) -> Iterator[etree._Element]:
    """The first serial port as a terminal device whose output is also kept."""
    yield E.serial(E.log(file=log, append="on"), E.target(port="0"), type="pty")
    yield E.console(E.target(type="serial", port="0"), type="pty")
