"""Going back to a checkpoint: the guest is stopped, and its disks write to new overlays on the checkpoint's layers."""

from __future__ import annotations

import secrets
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

import libvirt
from lxml import etree

from nova_virt_api.capability import Feature
from nova_virt_api.driver.operation import CancelMode, Stage
from nova_virt_api.errors import NotSupported, StateAfter, StorageError, VirtError
from nova_virt_api.model.instance import PowerState
from nova_virt_libvirt.checkpoint.layers import Overlays, layer_at, put_disks
from nova_virt_libvirt.definition import PARSER
from nova_virt_libvirt.errors import translated
from nova_virt_libvirt.power import kill
from nova_virt_libvirt.shares.ties import refuse_shares

if TYPE_CHECKING:
    from nova_virt_api.driver.operation import Operation
    from nova_virt_libvirt.checkpoint.guest import CheckpointGuest
    from nova_virt_libvirt.checkpoint.notes import Point


class Revert:
    """One guest going back.

    Args:
        guest: the guest.
        point: the checkpoint.
        op: the operation worked for.
    """

    def __init__(self, guest: CheckpointGuest, point: Point, op: Operation) -> None:
        self._guest = guest
        self._point = point
        self._op = op
        self._overlays = Overlays(guest.uuid, secrets.token_hex(6))

    def run(self) -> None:
        """Do it.

        Raises:
            NoCapacity: there is no room for overlays, or not enough memory on the host.
            StorageError: a layer is gone, or the memory cannot be brought back.
        """
        try:
            self._op.stage(Stage.DISKS)
            if self._point.memory is not None:
                refuse_shares(self._guest.domain, Feature.CHECKPOINT_MEMORY)
                self._refuse_renamed(self._memory_definition(self._point.memory))
            self._make_overlays()
            self._op.checkpoint()
            self._op.stage(Stage.STOP, CancelMode.NONE)
            kill(self._guest.domain)
        except VirtError:
            with suppress(VirtError):  # else the next verb does it
                self._overlays.remove()
            raise
        try:
            self._go_back()
        except VirtError as error:
            error.state_after = StateAfter.CHANGED
            raise

    def _make_overlays(self) -> None:
        there = {top.target for top in self._guest.tops()}
        for target, path in self._point.layers.items():
            with translated("look for the checkpoint's disks"):
                layer = layer_at(self._guest.connection, path)
            if layer is None:
                raise StorageError(
                    f"checkpoint {self._point.name} has lost volume {path} of disk {target}",
                    hint="somebody removed it by other means; delete the checkpoint",
                )
            if target in there or self._point.memory is not None:  # memory goes on with the disks that it knows
                self._overlays.add(target, layer.volume, path, layer.format)

    def _go_back(self) -> None:
        guest = self._guest
        self._op.stage(Stage.DEFINE, CancelMode.NONE)
        definition = guest.definition()
        put_disks(definition, self._overlays.made)
        guest.define(definition, replace(guest.tree, current=self._point.id))
        kill(guest.domain)  # it may have been started once more before that
        self._forget_backups()
        if self._point.memory is not None:
            self._op.stage("restore memory", CancelMode.NONE)
            self._restore(self._point.memory)

    def _forget_backups(self) -> None:
        """The disks do not note any more what changed since the last backup: the next one has to be a full one."""
        with translated("forget the guest's backups"):
            for backup in self._guest.domain.native.listAllCheckpoints(0):
                backup.delete(libvirt.VIR_DOMAIN_CHECKPOINT_DELETE_METADATA_ONLY)

    def _restore(self, path: str) -> None:
        """Go on with the memory of then, on the disks of then, but with the mark of now."""
        guest = self._guest
        paused = self._point.power_state is PowerState.PAUSED
        flags = libvirt.VIR_DOMAIN_SAVE_PAUSED if paused else libvirt.VIR_DOMAIN_SAVE_RUNNING
        definition = self._memory_definition(path)
        put_disks(definition, self._overlays.made)
        put_metadata(definition, guest.definition())
        with translated("restore the guest's memory"):
            guest.connection.restoreFlags(path, etree.tostring(definition, encoding="unicode"), flags)

    def _memory_definition(self, path: str) -> etree._Element:
        """The definition that the guest had when its memory was kept. Holds secrets."""
        with translated("look at the memory of the checkpoint"):
            text = self._guest.connection.saveImageGetXMLDesc(path, libvirt.VIR_DOMAIN_SAVE_IMAGE_XML_SECURE)
        return etree.fromstring(text, PARSER)

    def _refuse_renamed(self, then: etree._Element) -> None:
        if (name := then.findtext("name")) != self._guest.domain.name:
            reason = f"libvirt restores memory only to a guest of the same name; name it {name} for that time"
            raise NotSupported(Feature.CHECKPOINT_MEMORY, reason=reason)


def put_metadata(definition: etree._Element, now: etree._Element) -> None:
    """Let a definition of then say of the guest, to us and to others, what is said now."""
    for old in definition.findall("metadata"):
        definition.remove(old)
    definition.extend(now.findall("metadata"))
