"""Changing what a guest is started from: its definition is read, patched, and given back as a whole."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import libvirt
from lxml import etree

from nova_virt_libvirt.definition import PARSER
from nova_virt_libvirt.errors import translated
from nova_virt_libvirt.metadata import INSTANCE

if TYPE_CHECKING:
    from uuid import UUID

    from nova_virt_libvirt.metadata import Mark

WHOLE: Final[int] = libvirt.VIR_DOMAIN_XML_INACTIVE | libvirt.VIR_DOMAIN_XML_SECURE
"""What it is started from next, with passwords: a definition that is given back without them has none."""


class Redefinition:
    """One guest's definition, to be patched.

    Args:
        connection: the connection to use throughout.
        uuid: the guest.
    """

    def __init__(self, connection: libvirt.virConnect, uuid: UUID) -> None:
        self._connection = connection
        with translated("look at the guest"):
            self.native: Any = connection.lookupByUUID(uuid.bytes)
            self.root: Any = etree.fromstring(self.native.XMLDesc(WHOLE), PARSER)

    @property
    def devices(self) -> Any:
        """Its ``<devices>``."""
        return self.root.find("devices")

    def define(self, mark: Mark) -> None:
        """Give the definition back, with this mark.

        Raises:
            InstanceNotFound: the guest is gone.
        """
        old = self.root.find(f"metadata/{INSTANCE}")
        old.getparent().replace(old, mark.element())
        with translated("change the guest's definition"):
            self.native.isActive()  # else a guest that was removed meanwhile would be made again
            self._connection.defineXML(etree.tostring(self.root, encoding="unicode"))
