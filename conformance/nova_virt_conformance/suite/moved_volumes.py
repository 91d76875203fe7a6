"""Volumes of a storage service in guests that are resized and moved: they are where they are, and the same disks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from nova_virt_api.capability import Capability, Feature
from nova_virt_api.driver.live_migration import LiveMigration
from nova_virt_api.driver.resize import Resize
from nova_virt_api.errors import InvalidState, MigrationError
from nova_virt_api.model.instance import Instance, Lifecycle, PowerState
from nova_virt_api.model.size import Size
from nova_virt_conformance import calls
from nova_virt_conformance.aftermath import leaving_as_is, leaving_nothing
from nova_virt_conformance.covers import covers, needs
from nova_virt_conformance.lab import Lab
from nova_virt_conformance.suite.attached_volumes import attach, check_backend

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nova_virt_api.compute.compute import Compute
    from nova_virt_api.model.volume import AttachedVolume


def seen(compute: Compute, guest: Instance) -> list[tuple[object, ...]]:
    """What a guest sees of each of its volumes."""
    return [view(volume) for volume in compute.volumes(guest)]


def view(volume: AttachedVolume) -> tuple[object, ...]:
    """What a guest sees of a volume."""
    return volume.id, volume.bus, volume.serial, volume.boot, volume.read_only


def with_volumes(lab: Lab, guest: Instance, count: int = 2) -> Sequence[AttachedVolume]:
    """Let a guest use volumes, and return them all."""
    for _ in range(count):
        attach(lab, guest)
    return lab.compute.volumes(guest)


@covers(Capability.RESIZE, Resize.resize, Resize.confirm_resize, Resize.revert_resize)
@needs(Feature.ATTACH_VOLUMES)
def test_resized_guest_keeps_its_volumes(lab: Lab, stopped: Instance) -> None:
    """A guest that was resized uses its volumes as before, running too; also once that is reverted, or confirmed."""
    before = with_volumes(lab, stopped)
    lab.compute.resize(stopped, calls.LARGER, timeout=lab.patience)
    lab.compute.power_on(stopped, timeout=lab.patience)
    assert lab.second.volumes(stopped) == before
    check_backend(lab, stopped)
    lab.compute.revert_resize(stopped, timeout=lab.patience)
    assert lab.second.volumes(stopped) == before
    check_backend(lab, stopped)
    lab.compute.resize(stopped, calls.LARGER, timeout=lab.patience)
    lab.compute.confirm_resize(stopped, timeout=lab.patience)
    assert lab.second.volumes(stopped) == before
    check_backend(lab, stopped)


@covers(Capability.RESIZE, Resize.finish_resize, Resize.revert_resize)
@needs(Feature.ATTACH_VOLUMES, Feature.SPAWN_VOLUMES)
def test_finished_guest_uses_the_volumes_that_are_named(lab: Lab) -> None:
    """A spec names all volumes that a guest uses from then on, each the disk that it was; a revert brings all back."""
    spec = lab.spec(power_on=False)
    guest = lab.compute.spawn(spec, timeout=lab.patience)
    kept, other = lab.rig.volume(), lab.rig.volume()
    for volume in (other, kept):
        attach(lab, guest, volume)
    before = seen(lab.compute, guest)
    ticket = calls.prepare_resize(lab.compute, guest, lab)
    there = lab.spec(uuid=spec.uuid, name=spec.name, volumes=(kept,), power_on=False)
    lab.compute.finish_resize(ticket, spec=there, timeout=lab.patience)
    assert seen(lab.second, guest) == [one for one in before if one[0] == kept.id]
    check_backend(lab, guest)
    lab.compute.revert_resize(guest, timeout=lab.patience)
    assert seen(lab.second, guest) == before
    check_backend(lab, guest)
    assert lab.rig.has_volume(other), "the volume itself was removed"


@covers(Capability.RESIZE, Resize.prepare_resize, Resize.confirm_resize)
def test_only_copy_is_not_given_up(lab: Lab, stopped: Instance) -> None:
    """A guest that was prepared, and that no endpoint has finished, is not confirmed: it would be gone for good."""
    calls.prepare_resize(lab.compute, stopped, lab)
    with leaving_as_is(lab, stopped.uuid, "a refused confirmation"), pytest.raises(InvalidState) as caught:
        lab.second.confirm_resize(stopped, timeout=lab.patience)
    assert caught.value.current is Lifecycle.RESIZE_PENDING
    lab.compute.revert_resize(stopped, timeout=lab.patience)


@covers(Capability.RESIZE, Feature.COLD_MIGRATION, Resize.finish_resize, Resize.confirm_resize)
@needs(Feature.ATTACH_VOLUMES)
def test_volumes_follow_a_guest(lab: Lab) -> None:
    """A guest that another endpoint fetched has its volumes there, as the disks that they were; no volume is lost."""
    lab.require(Feature.COLD_MIGRATION)
    there, volume = lab.elsewhere, lab.rig.volume()
    with leaving_nothing(lab, "a guest that has moved"):
        guest = lab.spawn(power_on=False)
        attach(lab, guest, volume)
        before = seen(lab.compute, guest)
        ticket = lab.compute.prepare_resize(guest, Size(), timeout=lab.patience)
        for _ in range(2):
            there.finish_resize(ticket, timeout=lab.patience)
        assert seen(there, guest) == before
        lab.compute.confirm_resize(guest, timeout=lab.patience)
    assert seen(there, guest) == before
    assert there.destroy(guest.uuid, timeout=lab.patience)
    assert lab.rig.has_volume(volume), "the volume itself was removed"


@covers(Capability.RESIZE, Feature.COLD_MIGRATION, Resize.finish_resize, Resize.revert_resize)
@needs(Feature.ATTACH_VOLUMES, Feature.SPAWN_VOLUMES, Feature.VOLUME_ENCRYPTION)
def test_password_of_a_volume_stays_at_its_source(lab: Lab) -> None:
    """A volume that needs a password is named for the other endpoint; the error names it, and the way back is open."""
    lab.require(Feature.COLD_MIGRATION)
    there, volume = lab.elsewhere, lab.rig.special_volume(Feature.VOLUME_ENCRYPTION)
    spec = lab.spec(power_on=False)
    guest = lab.compute.spawn(spec, timeout=lab.patience)
    attach(lab, guest, volume)
    before = seen(lab.compute, guest)
    ticket = lab.compute.prepare_resize(guest, Size(), timeout=lab.patience)
    with leaving_as_is(lab, guest.uuid, "a refused finish"), pytest.raises(MigrationError, match=volume.id):
        there.finish_resize(ticket, timeout=lab.patience)
    named = lab.spec(uuid=spec.uuid, name=spec.name, volumes=(volume,), power_on=False)
    there.finish_resize(ticket, spec=named, timeout=lab.patience)
    assert seen(there, guest) == before
    assert there.destroy(guest.uuid, timeout=lab.patience)
    lab.compute.revert_resize(guest, power_on=True, timeout=lab.patience)
    assert seen(lab.compute, guest) == before
    assert lab.compute.instance(guest, fresh=True).power_state is PowerState.RUNNING


@covers(Capability.LIVE_MIGRATION, LiveMigration.prepare, LiveMigration.migrate)
@needs(Feature.ATTACH_VOLUMES)
def test_volumes_follow_a_running_guest(lab: Lab) -> None:
    """A running guest that moves has its volumes there, as the disks that they were, and brings them back."""
    guest = lab.guest(PowerState.RUNNING)
    volume = lab.rig.volume()
    attach(lab, guest, volume)
    before = seen(lab.compute, guest)
    lab.compute.live_migrate(guest, to=lab.elsewhere, volumes=[volume], timeout=lab.patience)
    assert seen(lab.elsewhere, guest) == before
    lab.elsewhere.live_migrate(guest, to=lab.compute, timeout=lab.patience)
    assert seen(lab.compute, guest) == before
    check_backend(lab, guest)
