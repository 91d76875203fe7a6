"""Points in time that guests can go back to.

libvirt has such points of its own, but before 9.9 it goes back to none whose content is in files of its own, and keeps
none of a guest with UEFI inside of its disks. So the driver does it: each disk is a chain of overlays, and a checkpoint
is the layers that the disks wrote to when it was taken. From then on they write to new overlays, made by the storage
API and named for the guest; those of a running guest are put in place by libvirt's snapshot of disks, all at one
moment. To go back is to write to new overlays on the checkpoint's layers. Which layers are whose stands in the guest's
mark; what stands nowhere is removed by the next verb.
"""

from __future__ import annotations

import secrets
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Final

from nova_virt_api.driver.checkpoint import Checkpoint
from nova_virt_api.errors import InvalidSpec, StateAfter, VirtError
from nova_virt_api.model.instance import PowerState
from nova_virt_libvirt.checkpoint.guest import CheckpointGuest
from nova_virt_libvirt.checkpoint.merge import remove_unused, settle, tidy
from nova_virt_libvirt.checkpoint.notes import Point, tree_of
from nova_virt_libvirt.checkpoint.revert import Revert
from nova_virt_libvirt.checkpoint.take import Take
from nova_virt_libvirt.claims.guest_claim import claimed
from nova_virt_libvirt.verbs import OnDomains

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from nova_virt_api.driver.operation import Operation
    from nova_virt_api.model.checkpoint import CheckpointInfo
    from nova_virt_api.model.identity import InstanceRef
    from nova_virt_libvirt.site import Site

KEPT_STATES: Final = (PowerState.RUNNING, PowerState.PAUSED, PowerState.SHUTDOWN)


class LibvirtCheckpoint(OnDomains, Checkpoint):
    """The role Checkpoint."""

    site: Site

    def checkpoints(self, guest: InstanceRef) -> Sequence[CheckpointInfo]:
        return tree_of(self.domains.find(guest).mark).infos()

    def create_checkpoint(
        self, guest: InstanceRef, name: str, op: Operation, *, memory: bool = False, description: str = ""
    ) -> CheckpointInfo:
        with self._held(guest, op) as found:
            state = found.domain.require(*KEPT_STATES)
            memory = memory and state is not PowerState.SHUTDOWN
            settle(found)
            tree = found.tree
            there = tree.named(name)
            if there is not None:
                refuse_other(there, description, memory)
            else:
                point = Point(
                    id=secrets.token_hex(6),
                    name=name,
                    description=description,
                    created=time.time(),
                    power_state=state,
                    parent=tree.current,
                    layers={},
                )
                tree = Take(found, point, op).take(memory=memory)
            return next(info for info in tree.infos() if info.name == name)

    def revert_to_checkpoint(self, guest: InstanceRef, name: str, op: Operation) -> None:
        with self._held(guest, op) as found:
            found.domain.require(*KEPT_STATES)
            found.tree.require(name)
            settle(found)
            point = found.tree.require(name)
            Revert(found, point, op).run()
            with suppress(VirtError):  # the next verb does it
                remove_unused(found)

    def delete_checkpoint(self, guest: InstanceRef, name: str, op: Operation, *, children: bool = False) -> None:
        with self._held(guest, op) as found:
            found.domain.require(*KEPT_STATES)
            settle(found)
            tree = found.tree
            point = tree.named(name)
            changed = point is not None
            if point is not None:
                op.checkpoint()
                found.save_tree(tree.without(tree.family(point) if children else {point.id}))
            try:
                tidy(found, op)
            except VirtError as error:
                error.state_after = StateAfter.CHANGED if changed else error.state_after
                raise

    @contextmanager
    def _held(self, guest: InstanceRef, op: Operation) -> Iterator[CheckpointGuest]:
        """The guest, on which nobody else works."""
        domain = self.domains.owned(guest)
        CheckpointGuest(self.site, domain).refuse_others()
        with claimed(self.site, domain, op) as hold:
            try:
                yield CheckpointGuest(self.site, self.domains.owned(guest), hold, op)
            finally:
                self.domains.forget(guest.uuid)


def refuse_other(there: Point, description: str, memory: bool) -> None:
    """Refuse a checkpoint that has the name but was asked for in another way.

    Raises:
        InvalidSpec: it was.
    """
    if there.description != description or (memory and there.memory is None):
        raise InvalidSpec("name", there.name, "a name that no other checkpoint of the guest has")
