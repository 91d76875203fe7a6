"""Screen, pointer, and the serial console with its log."""

import secrets
from collections.abc import Iterator
from typing import Final

from lxml import etree
from lxml.builder import E

LONG_AGO: Final = "1970-01-01T00:00:01"


def screen_elements() -> Iterator[etree._Element]:
    """A VNC screen on the hypervisor's loopback address, which nobody may enter before a ticket is given out.

    Without a password the port would be open to every account of the host; so it has one that nobody knows and that has
    expired.
    """
    yield E.graphics(
        E.listen(type="address", address="127.0.0.1"),
        type="vnc",
        port="-1",
        autoport="yes",
        passwd=secrets.token_urlsafe(6),  # eight characters, as many as VNC looks at
        passwdValidTo=LONG_AGO,
    )
    yield E.video(E.model(type="vga"))
    yield E.input(type="tablet", bus="usb")


def serial_elements(log: str) -> Iterator[etree._Element]:
    """The first serial port as a terminal device whose output is also kept."""
    yield E.serial(E.log(file=log, append="on"), E.target(port="0"), type="pty")
    yield E.console(E.target(type="serial", port="0"), type="pty")
