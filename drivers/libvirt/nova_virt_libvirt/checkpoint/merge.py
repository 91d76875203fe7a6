"""Giving back the room that no checkpoint needs: unused volumes go, and those between two checkpoints are joined."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from nova_virt_api.driver.operation import CancelMode
from nova_virt_libvirt.checkpoint.commit import Commit, end_commits
from nova_virt_libvirt.checkpoint.joining_machine import TARGET, end_joining_machine, joining_machine
from nova_virt_libvirt.checkpoint.layers import Layer, put_disks
from nova_virt_libvirt.checkpoint.notes import Joining

if TYPE_CHECKING:
    from nova_virt_api.driver.operation import Operation
    from nova_virt_libvirt.checkpoint.guest import CheckpointGuest


def tidy(guest: CheckpointGuest, op: Operation) -> None:
    """Remove the volumes that nothing of the guest needs, and join those that only one other needs.

    Where a volume is no checkpoint's and has one overlay, that one's content goes down into it, and the overlay goes.
    At each moment the overlay lies on a volume with which it reads the same as before, so whoever dies in between
    leaves nothing wrong, and the next call goes on. QEMU does it: that of the guest where the volumes are in use, else
    one that runs nothing and goes with this process.
    """
    settle(guest)
    while (pair := remove_unused(guest)) is not None:
        join(guest, *pair, op)
        settle(guest)


def settle(guest: CheckpointGuest) -> None:
    """See what became of the merge that was begun, and write it down."""
    end_joining_machine(guest.connection, guest.uuid)
    end_commits(guest)
    tree = guest.tree
    if tree.joining is None:
        return
    above = None if tree.joining.above is None else guest.layers().of(tree.joining.above)
    ended = above is not None and above.backing == tree.joining.lower
    guest.save_tree(tree.joined() if ended else replace(tree, joining=None))


def remove_unused(guest: CheckpointGuest) -> tuple[Layer, Layer, Layer | None] | None:
    """Remove what is not used.

    Returns:
        The next two volumes to join, the lower and the upper, with what lies on that; None when there are none.
    """
    layers, tops, kept = guest.layers(), guest.top_paths(), guest.tree.kept()
    used = layers.under(tops | kept)
    gone = layers.unused(used, tops)
    for volume in gone:
        volume.remove()
    names = {volume.name for volume in gone}
    for path in sorted(used - tops - kept):
        lower, uppers = layers.of(path), layers.overlays(path, gone=names)
        if lower is None or len(uppers) != 1:
            continue
        above = layers.overlays(uppers[0].path, gone=names)
        if len(above) <= 1:  # else the others would go on needing the upper one
            return lower, uppers[0], above[0] if above else None
    return None


def join(guest: CheckpointGuest, lower: Layer, upper: Layer, above: Layer | None, op: Operation) -> None:
    """Move the upper volume's content into the lower one, and let what lies on the upper one lie on that.

    Raises:
        StorageError: QEMU could not, e.g. for lack of room.
    """
    op.stage("join disks", CancelMode.IMMEDIATE)
    note = Joining(upper=upper.path, lower=lower.path, above=None if above is None else above.path)
    guest.save_tree(replace(guest.tree, joining=note))
    layers = guest.layers()
    for top in guest.tops(running=True) if guest.is_active() else ():
        if upper.path in layers.chain(top.path):
            Commit(guest.domain.native, top.target, lower, upper, top.path == upper.path, op).run()
            return
    leaf = above or upper
    while above_leaf := layers.overlays(leaf.path):
        leaf = above_leaf[0]
    with joining_machine(guest.connection, guest.uuid, guest.virt_type, leaf.path, leaf.format) as machine:
        Commit(machine, TARGET, lower, upper, leaf is upper, op).run()
    if leaf is upper:
        keep_lower(guest, lower, upper)


def keep_lower(guest: CheckpointGuest, lower: Layer, upper: Layer) -> None:
    """After the uppermost volume went into the one below it: let the guest's disk, or the checkpoint, use that."""
    tree = guest.tree.joined()
    definition = guest.definition()
    targets = {top.target for top in guest.tops() if top.path == upper.path}
    if targets:
        put_disks(definition, dict.fromkeys(targets, (lower.path, lower.format)))
        guest.define_at_rest(definition, tree)
    else:
        guest.save_tree(tree)
