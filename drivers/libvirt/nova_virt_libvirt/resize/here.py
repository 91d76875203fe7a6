"""A resize within one endpoint: layers on the disks as they are, and a definition with the new size.

The order is what makes it safe to be killed at any point: first the mark says what is going to be made, then it is
made, then one call puts definition and mark in place together. Whoever finds the mark goes on, or goes back.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

import libvirt

from nova_virt_api.capability import Feature
from nova_virt_api.driver.operation import CancelMode, Stage
from nova_virt_api.errors import InstanceNotFound, InvalidState, NotSupported, StateAfter, VirtError
from nova_virt_api.model.image import ImageFormat
from nova_virt_api.model.instance import PowerState
from nova_virt_libvirt.errors import translated
from nova_virt_libvirt.host.cpus import bound_cpus
from nova_virt_libvirt.machine.told_devices import tell_news_now
from nova_virt_libvirt.metadata import read_mark, write_mark
from nova_virt_libvirt.names import layer_name
from nova_virt_libvirt.native_call import is_left_behind
from nova_virt_libvirt.network.vif import Owner
from nova_virt_libvirt.network.vif_note import VifNote
from nova_virt_libvirt.places import Places
from nova_virt_libvirt.power import connect_again, kill
from nova_virt_libvirt.resize.definition import (
    keep_passwords,
    parsed,
    set_disk,
    set_mark,
    set_size,
    text_of,
    without_mark,
)
from nova_virt_libvirt.resize.disks import new_sizes, own_disks, refuse_unfit
from nova_virt_libvirt.resize.host_parts import on_host
from nova_virt_libvirt.resize.note import Layer, ResizeNote, ResizeStage, pending_note, with_note
from nova_virt_libvirt.resize.wanted import Wanted
from nova_virt_libvirt.volumes.opening import start_guest
from nova_virt_libvirt.volumes.secrets import remove_unused_secrets

if TYPE_CHECKING:
    from lxml import etree

    from nova_virt_api.driver.operation import Operation
    from nova_virt_api.model.size import Size
    from nova_virt_libvirt.domain import Domain
    from nova_virt_libvirt.metadata import Mark
    from nova_virt_libvirt.site import Site

AS_IT_IS: Final = Wanted()
MAY_START: Final = "the guest has its new size and may still start: a revert stops it and gives the old back"


class Reshaping:
    """One guest of this endpoint that is given another size, or its old one back. Its claim must be held.

    Args:
        site: the endpoint.
        domain: the guest.
        op: the operation worked for.
    """

    def __init__(self, site: Site, domain: Domain, op: Operation) -> None:
        self._site = site
        self._connection = site.connection()
        self.places = Places(self._connection, site.pool, site.bridges)
        self._domain = domain
        self.native: Any = domain.native
        self._uuid = domain.uuid
        self._owner = Owner(domain.uuid, domain.name)
        self._op = op

    # --- there ----------------------------------------------------------------------------------------------------

    def begin(self, stage: ResizeStage, size: Size, token: str) -> ResizeNote:
        """Write down what the guest is and what it is to become.

        Raises:
            InvalidSpec: a disk would shrink, or there is no such disk.
            StorageError: a disk cannot be found.
        """
        with translated("look at the guest"):
            xml = self.native.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE)
        definition = parsed(xml)
        with translated("look at the guest's disks"):
            disks = own_disks(self._connection, definition, self._uuid)
        refuse_unfit(definition, disks, self._uuid)
        if stage is ResizeStage.RESIZING:  # else whoever finishes it says which processors it gets
            refuse_unbound(definition, size)
        new_sizes(disks, size)
        layers = tuple(
            Layer(pool=disk.volume.pool.name, name=layer_name(self._uuid, index, token))
            for index, disk in enumerate(disks)
        )
        was, ports = without_mark(xml), VifNote.of(self.mark())
        note = ResizeNote(stage=stage, token=token, size=size, definition=was, layers=layers, ports=ports)
        self.remember(note)
        self._refuse_started()
        return note

    def _refuse_started(self) -> None:
        """Refuse a guest that somebody started right before the mark said that it must not be."""
        with translated("look at the guest's state"):
            active = bool(self.native.isActive())
        if active:
            self.remember(None)
            raise InvalidState(PowerState.RUNNING, (PowerState.SHUTDOWN,), hint="stop it first")

    def finish(self, note: ResizeNote, wanted: Wanted = AS_IT_IS) -> None:
        """Make the layers and put the new definition in place.

        Args:
            note: what :meth:`begin` wrote.
            wanted: interfaces and volumes in place of those that there are.
        """
        definition = self._secure()
        if wanted.placed is None:
            refuse_unbound(definition, note.size)
        with translated("look at the guest's disks"):
            disks = own_disks(self._connection, definition, self._uuid)
        self._op.stage(Stage.DISKS)
        for disk, layer, size in zip(disks, note.layers, new_sizes(disks, note.size), strict=True):
            disk.volume.pool.remove(layer.name)  # of somebody who is gone; nothing refers to it yet
            made = disk.volume.pool.create(layer.name, size, ImageFormat.QCOW2, base=disk.backing())
            set_disk(disk.element, made)
        set_size(definition, note.size)
        self._op.stage(Stage.DEFINE, CancelMode.NONE)
        self._define(definition, replace(note, stage=ResizeStage.DONE), wanted, wanted.vifs)

    def take_back(self, note: ResizeNote, wanted: Wanted = AS_IT_IS) -> None:
        """Put the old definition in place, then remove what was made. The mark goes on saying that it is pending.

        Args:
            note: what :meth:`begin` wrote.
            wanted: interfaces and volumes in place of those that it had.
        """
        definition = parsed(note.definition)
        keep_passwords(definition, self._secure())
        ports = note.ports if wanted.vifs is None else wanted.vifs
        self._define(definition, replace(note, stage=ResizeStage.REVERTING), wanted, ports)
        self._remove_layers(note)
        self.forget_secrets()

    def undo(self, note: ResizeNote, now: ResizeNote | None, error: BaseException) -> None:
        """Take back what failed, so that all is as it was; an error that comes in between is told as a hint.

        A guest that may still start keeps its layers, which QEMU opens then: a revert stops it first.
        """
        if isinstance(error, VirtError) and is_left_behind(error):
            error.hint = MAY_START
            return
        self._op.stage(Stage.CLEAN_UP, CancelMode.NONE)
        try:
            there = pending_note(self.mark())
            if there is not None and there.stage is ResizeStage.DONE:
                kill(self._domain)
                self.take_back(note)
            else:
                self._remove_layers(note)
                self.forget_secrets()
            self.remember(now)
        except VirtError:
            if isinstance(error, VirtError):
                error.state_after = StateAfter.CHANGED
                error.hint = "revert the resize once the endpoint works again"

    def start(self) -> None:
        """Start the guest; nothing happens to one that runs."""
        self._op.stage(Stage.BEFORE_START)
        self._op.stage(Stage.START, CancelMode.NONE)
        with translated("look at the guest's state"):
            active = bool(self.native.isActive())
        if not active:
            self._site.vifs.plug_again(self._owner, VifNote.of(self.mark()))
            connect_again(self._site, self._domain, self._op)
            tell_news_now(self._connection, self.native, self._uuid)
            start_guest(self.native, self._op)

    def forget_secrets(self) -> None:
        """Let libvirt forget the passwords of volumes that the guest does not use and is not going to."""
        with translated("look at the guest"):
            flags = (libvirt.VIR_DOMAIN_XML_INACTIVE, 0)
            definitions = [parsed(self.native.XMLDesc(flag)) for flag in flags]
        remove_unused_secrets(self._connection, self._uuid, definitions)

    # --- what it says of itself -----------------------------------------------------------------------------------

    def mark(self) -> Mark:
        """The guest's mark now.

        Raises:
            InstanceNotFound: the guest is gone.
        """
        with translated("look at the guest's mark"):
            mark = read_mark(self.native)
        if mark is None:
            raise InstanceNotFound(f"guest {self._uuid} lost its mark since a moment")
        return mark

    def remember(self, note: ResizeNote | None) -> None:
        """Write the note into the guest's mark; None for a guest that waits for nothing."""
        mark = with_note(self.mark(), note)
        with translated("write the guest's mark"):
            write_mark(self.native, mark)

    def _remove_layers(self, note: ResizeNote) -> None:
        for layer in note.layers:
            self.places.pool("pool", layer.pool).remove(layer.name)

    def _secure(self) -> Any:
        """The definition that it starts from next, with passwords: one that is given back without them has none."""
        with translated("look at the guest"):
            return parsed(self.native.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE | libvirt.VIR_DOMAIN_XML_SECURE))

    def _define(self, definition: etree._Element, note: ResizeNote, wanted: Wanted, ports: VifNote | None) -> None:
        """Put a definition and a mark in place.

        Args:
            definition: the definition, without what is wanted.
            note: what the mark tells of the resize.
            wanted: interfaces and volumes in place of those in the definition.
            ports: those of the interfaces that os-vif makes; None for those that the mark tells of.
        """
        wanted.put_into(definition, self._connection, self._uuid)
        mark = self.mark()
        before = VifNote.of(mark)
        after = before if ports is None else ports
        self._site.vifs.unplug_all(self._owner, before.without(after))  # while the mark still tells of them
        set_mark(definition, after.put_into(with_note(mark, note)))
        parts = on_host(self._site, self.places, text_of(definition), wanted.placed, self._op)
        with parts as text, translated("define the guest"):
            self.native = self._connection.defineXML(text)
        if wanted.ports is not None:
            self._site.vifs.plug_all(self._owner, after)


def refuse_unbound(definition: etree._Element, size: Size) -> None:
    """Refuse more virtual CPUs for a guest that has a processor of the host for each: those would have none.

    Raises:
        NotSupported: it is such a guest.
    """
    now = int(definition.findtext("vcpu") or 1)
    if size.vcpus is not None and size.vcpus > now and bound_cpus(definition):
        reason = f"the guest has a processor of the host for each of its {now} virtual CPUs; it can have fewer"
        raise NotSupported(Feature.DEDICATED_CPUS, "size.vcpus", reason)
