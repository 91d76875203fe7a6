"""A guest as the verbs about its checkpoints see it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import libvirt
from lxml import etree

from nova_virt_api.capability import Capability
from nova_virt_api.errors import Busy, NotSupported
from nova_virt_libvirt.checkpoint.layers import Layers, Top, other_disks, own_tops, target_of
from nova_virt_libvirt.checkpoint.notes import Tree, tree_of, with_tree
from nova_virt_libvirt.definition import PARSER
from nova_virt_libvirt.errors import translated
from nova_virt_libvirt.metadata import INSTANCE, Mark, read_mark, write_mark
from nova_virt_libvirt.places import Places

if TYPE_CHECKING:
    from nova_virt_api.driver.operation import Operation
    from nova_virt_libvirt.claims.hold import Hold
    from nova_virt_libvirt.domain import Domain
    from nova_virt_libvirt.site import Site


class CheckpointGuest:
    """One guest, for the time of one verb.

    Args:
        site: the endpoint.
        domain: the guest.
        hold: the guest's claim; None for a verb that only looks.
        op: the operation worked for, which bounds how long is waited for others; None for a verb that only looks.
    """

    def __init__(self, site: Site, domain: Domain, hold: Hold | None = None, op: Operation | None = None) -> None:
        self._op = op
        self.domain = domain
        self._hold = hold
        self.uuid = domain.uuid
        self.connection = site.connection()
        self.places = Places(self.connection, site.pool)
        self.virt_type = site.virt_type()

    # --- the mark -------------------------------------------------------------------------------------------------

    def mark(self) -> Mark:
        """The guest's mark, read now.

        Raises:
            NotSupported: it has none, so that there is no place for what is to be remembered.
        """
        with translated("look at the guest"):
            mark = read_mark(self.domain.native)
        if mark is None:
            raise refused("the guest bears no mark of this API; adopt it first")
        return mark

    @property
    def tree(self) -> Tree:
        """Its checkpoints, read now."""
        return tree_of(self.mark())

    def save_tree(self, tree: Tree) -> None:
        """Write down its checkpoints."""
        mark = self.mark()
        if tree != tree_of(mark):
            self._verify()
            with translated("write down the guest's checkpoints"):
                write_mark(self.domain.native, with_tree(mark, tree))

    def refuse_others(self) -> None:
        """Refuse a guest whose checkpoints could not be kept.

        Raises:
            NotSupported: it bears no mark, would be gone when it stops, or has disks that overlays do not fit on.
        """
        self.mark()
        with translated("look at the guest"):
            persistent = self.domain.urgent.isPersistent()
        if not persistent:
            raise refused("a transient guest is gone when it stops; give it a definition first (virsh define)")
        definition, tops = self.definition(), self.tops()
        if not tops and (others := other_disks(definition, tops)):
            raise refused(f"its disks are not of this API's making: {', '.join(others)}")
        own = {top.target for top in tops}
        for disk in definition.iterfind("devices/disk"):
            if target_of(disk) in own and disk.find(".//encryption") is not None:
                raise refused(f"what the guest writes to disk {target_of(disk)} would not be encrypted any more")

    # --- the definition -------------------------------------------------------------------------------------------

    def is_active(self) -> bool:
        """Whether it has a QEMU now."""
        with translated("look at the guest"):
            return bool(self.domain.urgent.isActive())

    def definition(self, *, running: bool = False) -> etree._Element:
        """Its definition; with ``running`` that of its QEMU. Holds secrets."""
        flags = libvirt.VIR_DOMAIN_XML_SECURE | (0 if running else libvirt.VIR_DOMAIN_XML_INACTIVE)
        with translated("look at the guest's definition"):
            return etree.fromstring(self.domain.urgent.XMLDesc(flags), PARSER)

    def define_at_rest(self, definition: etree._Element, tree: Tree) -> None:
        """As :meth:`define`, for a guest that must be off: what it wrote to its former volumes would be lost.

        Raises:
            Busy: somebody has started it meanwhile; its definition is again what it was.
        """
        before = etree.tostring(self.definition(), encoding="unicode")
        self.define(definition, tree)
        if self.is_active() and {top.path for top in self.tops(running=True)} - {top.path for top in self.tops()}:
            with translated("define the guest"):
                self.connection.defineXML(before)
            raise Busy(f"guest {self.uuid} was started just now", hint="try again")

    def define(self, definition: etree._Element, tree: Tree) -> None:
        """Give it this definition and these checkpoints in one step."""
        metadata = definition.find("metadata")
        if metadata is None:
            metadata = etree.SubElement(definition, "metadata")
        for old in metadata.findall(INSTANCE):
            metadata.remove(old)
        metadata.append(with_tree(self.mark(), tree).element())
        self._verify()
        with translated("define the guest"):
            self.connection.defineXML(etree.tostring(definition, encoding="unicode"))

    def _verify(self) -> None:
        if self._hold is not None:
            self._hold.verify()

    # --- its disks ------------------------------------------------------------------------------------------------

    def tops(self, *, running: bool = False) -> list[Top]:
        """Its own disks and the volumes that they write to."""
        definition = self.definition(running=running)
        with translated("look at the guest's disks"):
            return own_tops(self.connection, definition, self.uuid)

    def top_paths(self) -> set[str]:
        """The volumes that its disks write to, now or when it is started next."""
        paths = {top.path for top in self.tops()}
        if self.is_active():
            paths |= {top.path for top in self.tops(running=True)}
        return paths

    def layers(self) -> Layers:
        """All volumes of its disks, read now."""
        return Layers(self.connection, self.uuid, self.places.active_pools(), self._op)


def refused(reason: str) -> NotSupported:
    """The error for a guest whose checkpoints cannot be kept."""
    return NotSupported(Capability.CHECKPOINT, reason=reason)
