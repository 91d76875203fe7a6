"""Tags of interfaces and of a guest's own disks: each stands in the alias of its device.

A device's alias is a place for text of ours that libvirt keeps in a definition and never changes. It is there or not
with its device, on guests without a mark too. Volumes say theirs beside their id, see :mod:`.volume_disk`.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from lxml.builder import E

if TYPE_CHECKING:
    from lxml import etree

NIC: Final = "ua-nvn-"
DISK: Final = "ua-nvd-"
"""Aliases of the two kinds; neither begins as those of volumes do."""

PLAIN: Final = re.compile(rb"[A-Za-z0-9-]")
ESCAPED: Final = re.compile(r"_([0-9a-f]{2})|([^_])")


def tagged(prefix: str, which: str, tag: str) -> etree._Element:
    """The ``<alias>`` of a device with a tag.

    Args:
        prefix: of its kind.
        which: letters and digits that no other device of the kind in this guest has: no two aliases may be alike.
        tag: the tag.
    """
    return E.alias(name=f"{prefix}{which}-{escaped(tag)}")


def tag_of(device: etree._Element) -> str | None:
    """The tag of an ``<interface>`` or of a guest's own ``<disk>``; None for none."""
    alias = device.find("alias")
    name = "" if alias is None else alias.get("name", "")
    if not name.startswith((NIC, DISK)):
        return None
    return unescaped(name[len(NIC) :].partition("-")[2])


def escaped(text: str) -> str:
    """Text in characters that an alias may have."""
    return "".join(chr(byte) if PLAIN.match(bytes([byte])) else f"_{byte:02x}" for byte in text.encode())


def unescaped(text: str) -> str:
    """Read :func:`escaped` back."""
    found = ESCAPED.findall(text)
    return b"".join(bytes.fromhex(code) if code else plain.encode() for code, plain in found).decode(errors="replace")
