"""Volumes of a storage service in guests that exist: attached, detached, grown and swapped while they live."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

import pytest

from nova_virt_api.capability import Feature
from nova_virt_api.driver.driver import Driver
from nova_virt_api.driver.volumes import Volumes
from nova_virt_api.errors import Cancelled, InvalidSpec
from nova_virt_api.model.disk import DiskBus
from nova_virt_api.model.host_connection import HostConnection
from nova_virt_api.model.instance import Instance, PowerOff, PowerState
from nova_virt_conformance.aftermath import leaving_as_is, leaving_nothing
from nova_virt_conformance.calls import GROWN, NO_VOLUME
from nova_virt_conformance.covers import covers, needs
from nova_virt_conformance.lab import Lab
from nova_virt_conformance.suite.secrets import look, planted, recorded_logs
from nova_virt_conformance.suite.volumes import with_password
from nova_virt_conformance.verb import RUNNING, SHUTDOWN

if TYPE_CHECKING:
    from nova_virt_api.compute.compute import Compute
    from nova_virt_api.compute.operation import Operation
    from nova_virt_api.model.volume import AttachedVolume, Volume

SERIAL: Final = "conformance-4711"
BOTH = pytest.mark.parametrize("state", [RUNNING, SHUTDOWN], ids=lambda state: state.value)
"""A guest that gets it at once, and one that has it when it starts."""


def attach(lab: Lab, guest: Instance, volume: Volume | None = None) -> AttachedVolume:
    """Let a guest use one more volume."""
    return lab.compute.attach_volume(guest, volume or lab.rig.volume(), timeout=lab.patience)


def detach(lab: Lab, guest: Instance, volume: AttachedVolume | Volume) -> None:
    """Take a volume away."""
    with lab.rig.letting_go(guest.uuid):
        lab.compute.detach_volume(guest, volume, timeout=lab.patience)


def ids(compute: Compute, guest: Instance) -> list[str]:
    """The ids of the volumes that a guest uses, in order."""
    return [volume.id for volume in compute.volumes(guest)]


def check_backend(lab: Lab, guest: Instance) -> None:
    """See that the driver shows the volumes that the backend has, as it has them."""
    hardware = lab.rig.hardware(guest.uuid)
    shown = {volume.id: volume for volume in lab.compute.volumes(guest)}
    assert hardware.volumes is None or set(hardware.volumes) == set(shown), f"the backend has {hardware.volumes}"
    for there in hardware.volume_disks or ():
        for name in ("bus", "boot", "encrypted", "shared", "read_only", "serial"):
            said, found = getattr(shown[there.id], name), getattr(there, name)
            assert None in (said, found) or said == found, f"{there.id}: {name} is {found} and shown as {said}"


# --- attached ---------------------------------------------------------------------------------------------------------


@BOTH
@covers(Feature.ATTACH_VOLUMES, Volumes.attach_volume, Volumes.volumes)
def test_attached_volume_is_there(lab: Lab, state: PowerState) -> None:
    """A volume that was attached is shown, to others too, and is there on the backend, beside the guest's own disks."""
    guest = lab.guest(state)
    before = lab.rig.hardware(guest.uuid).disks
    volume = lab.rig.volume()
    added = attach(lab, guest, volume)
    assert added.id == volume.id
    assert volume.bus in (None, added.bus)
    for compute in (lab.compute, lab.second, lab.other):
        assert list(compute.volumes(guest)) == [added]
    check_backend(lab, guest)
    assert lab.rig.hardware(guest.uuid).disks == before
    assert lab.compute.instance(guest, fresh=True).power_state is state


@covers(Feature.ATTACH_VOLUMES, Volumes.attach_volume, Driver.power_off, Driver.power_on)
def test_attached_volume_survives_a_restart(lab: Lab, running: Instance) -> None:
    """A running guest that was given volumes uses them after it was stopped and started; nobody names them anew."""
    added = [attach(lab, running).id for _ in range(2)]
    lab.compute.power_off(running, mode=PowerOff.HARD, timeout=lab.patience)
    assert ids(lab.compute, running) == added
    lab.compute.power_on(running, timeout=lab.patience)
    assert ids(lab.compute, running) == ids(lab.second, running) == added
    check_backend(lab, running)


@covers(Feature.ATTACH_VOLUMES, Volumes.attach_volume)
def test_volume_is_attached_once(lab: Lab, running: Instance) -> None:
    """Attaching a volume that the guest has already returns it, over any connection, and changes nothing."""
    volume = lab.rig.volume()
    first = attach(lab, running, volume)
    with leaving_as_is(lab, running.uuid, "the same attach again"):
        assert attach(lab, running, volume) == first
        assert lab.second.attach_volume(running, volume, timeout=lab.patience) == first
    assert ids(lab.compute, running) == [volume.id]


@covers(Feature.ATTACH_VOLUMES, Volumes.attach_volume)
def test_secret_of_an_attached_volume_is_not_shown(lab: Lab) -> None:
    """The password with which a volume is reached is in no log, no error and no text of the guest or its volumes."""
    password = planted(lab)
    volume = lab.rig.volume()
    wanted = with_password(volume, password)
    guest = lab.guest(SHUTDOWN)
    with recorded_logs() as logs:
        said = [repr(wanted), repr(attach(lab, guest, wanted)), repr(lab.compute.volumes(guest))]
        with pytest.raises(InvalidSpec) as caught:
            lab.compute.attach_volume(guest, replace(wanted, id=NO_VOLUME, boot=True), timeout=lab.patience)
        said += [repr(caught.value), caught.value.public_message, repr(lab.compute.instance(guest, fresh=True))]
        detach(lab, guest, wanted)
    look(lab, [*said, *logs])


# --- detached ---------------------------------------------------------------------------------------------------------


@BOTH
@covers(Feature.ATTACH_VOLUMES, Volumes.detach_volume, Volumes.volumes)
def test_detached_volume_is_gone(lab: Lab, state: PowerState) -> None:
    """A volume that was detached is gone from the guest when the verb returns, and is there in the storage service."""
    guest = lab.guest(state)
    volume = lab.rig.volume()
    gone, stays = attach(lab, guest, volume), attach(lab, guest)
    detach(lab, guest, gone)
    assert ids(lab.compute, guest) == ids(lab.second, guest) == [stays.id]
    check_backend(lab, guest)
    assert lab.rig.has_volume(volume), "the volume itself was removed"


@covers(Feature.ATTACH_VOLUMES, Volumes.detach_volume)
def test_detaching_a_volume_is_idempotent(lab: Lab, running: Instance) -> None:
    """Detaching what is detached, or never was there, succeeds and changes nothing."""
    stays, gone = attach(lab, running), attach(lab, running)
    detach(lab, running, gone)
    with leaving_as_is(lab, running.uuid, "a detach of what is not there"):
        lab.second.detach_volume(running, gone, timeout=lab.patience)
        lab.compute.detach_volume(running, NO_VOLUME, timeout=lab.patience)
    assert ids(lab.compute, running) == [stays.id]


@covers(Feature.ATTACH_VOLUMES, Volumes.attach_volume, Volumes.detach_volume, Driver.destroy)
def test_volumes_leave_nothing_but_themselves(lab: Lab, running: Instance) -> None:
    """What an attach makes, e.g. for passwords, goes with the detach, or with the guest; the volume stays."""
    volume = lab.rig.volume()
    with leaving_nothing(lab, "an attach and a detach"):
        detach(lab, running, attach(lab, running, volume))
    with leaving_nothing(lab, "a guest's life"):
        guest = lab.spawn()
        attach(lab, guest, volume)
        lab.compute.destroy(guest, timeout=lab.patience)
    assert lab.rig.has_volume(volume), "the volume itself was removed"


# --- grown ------------------------------------------------------------------------------------------------------------


@covers(Feature.EXTEND_VOLUME, Volumes.extend_volume)
@needs(Feature.ATTACH_VOLUMES)
def test_volume_grows_and_never_shrinks(lab: Lab, running: Instance) -> None:
    """A running guest sees a volume grow, twice with the same result; a smaller size is InvalidSpec."""
    volume = attach(lab, running)
    lab.compute.extend_volume(running, volume, GROWN, timeout=lab.patience)
    with leaving_as_is(lab, running.uuid, "the same extension again, and a smaller one"):
        lab.second.extend_volume(running, volume, GROWN, timeout=lab.patience)
        with pytest.raises(InvalidSpec) as caught:
            lab.compute.extend_volume(running, volume, GROWN // 2, timeout=lab.patience)
    assert caught.value.field == "size_bytes"


# --- swapped ----------------------------------------------------------------------------------------------------------


@covers(Feature.SWAP_VOLUME, Volumes.swap_volume)
@needs(Feature.ATTACH_VOLUMES)
def test_swapped_volume_takes_the_place(lab: Lab, running: Instance) -> None:
    """After a swap the guest uses the new volume with the disk that it had, also after a restart; both volumes stay."""
    old, new = lab.rig.volume(), lab.rig.volume()
    before = attach(lab, running, old)
    wanted = replace(before, id=new.id)
    for compute in (lab.compute, lab.second):
        found = compute.swap_volume(running, old, new, timeout=lab.patience)
        assert (found.id, found.device, found.bus, found.serial) == (new.id, before.device, before.bus, before.serial)
    assert ids(lab.second, running) == [wanted.id]
    check_backend(lab, running)
    lab.compute.power_off(running, mode=PowerOff.HARD, timeout=lab.patience)
    lab.compute.power_on(running, timeout=lab.patience)
    assert ids(lab.compute, running) == [new.id]
    assert lab.rig.has_volume(old)
    assert lab.rig.has_volume(new)


@covers(Feature.SWAP_VOLUME, Volumes.swap_volume)
@needs(Feature.ATTACH_VOLUMES)
def test_cancelled_swap_stays_on_the_old_volume(lab: Lab, running: Instance) -> None:
    """A swap that is cancelled leaves the guest with the old volume, or completes; there is nothing in between."""
    old, new = lab.rig.volume(), lab.rig.volume()
    attach(lab, running, old)

    def cancel(operation: Operation[Any]) -> None:
        operation.cancel()

    operation = lab.compute.submit.swap_volume(running, old, new, timeout=lab.patience, on_progress=cancel)
    try:
        operation.result()
        uses = new.id
    except Cancelled:
        uses = old.id
    assert ids(lab.compute, running) == ids(lab.second, running) == [uses]
    check_backend(lab, running)


# --- fields -----------------------------------------------------------------------------------------------------------


def check_kept(lab: Lab, volume: Volume, **wanted: Any) -> None:
    """See that a guest that is made with a volume, and one that is given it, have it as it was asked for."""
    if lab.compute.capabilities().has(Feature.SPAWN_VOLUMES):
        guest = lab.spawn(volumes=(volume,))
        check_shown(lab, guest, volume, wanted)
        lab.compute.destroy(guest, timeout=lab.patience)
    guest = lab.guest(SHUTDOWN)
    attach(lab, guest, volume)
    check_shown(lab, guest, volume, wanted)


def check_shown(lab: Lab, guest: Instance, volume: Volume, wanted: dict[str, Any]) -> None:
    """See that a guest's one volume is as it was asked for, in the driver's eyes and the backend's."""
    (shown,) = lab.compute.volumes(guest)
    assert shown.id == volume.id
    assert {name: getattr(shown, name) for name in wanted} == wanted
    check_backend(lab, guest)


@covers(Feature.VOLUME_BUS, Volumes.attach_volume)
@needs(Feature.ATTACH_VOLUMES)
def test_volume_is_on_the_bus_asked_for(lab: Lab) -> None:
    """A volume is on the bus that was asked for."""
    check_kept(lab, replace(lab.rig.volume(), bus=DiskBus.SATA), bus=DiskBus.SATA)


@covers(Feature.VOLUME_READ_ONLY, Volumes.attach_volume)
@needs(Feature.ATTACH_VOLUMES)
def test_volume_is_read_only(lab: Lab) -> None:
    """A volume that the guest may only read is such a disk."""
    check_kept(lab, replace(lab.rig.volume(), read_only=True), read_only=True)


@covers(Feature.VOLUME_SERIAL, Volumes.attach_volume)
@needs(Feature.ATTACH_VOLUMES)
def test_volume_has_its_serial(lab: Lab) -> None:
    """A volume has the serial number that was asked for."""
    check_kept(lab, replace(lab.rig.volume(), serial=SERIAL), serial=SERIAL)


@covers(Feature.VOLUME_SHARED, Volumes.attach_volume)
@needs(Feature.ATTACH_VOLUMES)
def test_volume_is_shared(lab: Lab) -> None:
    """A volume that is shared is used by two running guests at a time, and stays with one when the other goes."""
    volume = replace(lab.rig.volume(), shared=True)
    guests = [lab.guest(RUNNING) for _ in range(2)]
    for guest in guests:
        assert attach(lab, guest, volume).shared
        check_backend(lab, guest)
    lab.compute.destroy(guests[0], timeout=lab.patience)
    assert ids(lab.compute, guests[1]) == [volume.id]
    assert lab.rig.has_volume(volume)


@covers(Feature.VOLUME_ENCRYPTION, Volumes.attach_volume)
@needs(Feature.ATTACH_VOLUMES)
def test_encrypted_volume_is_opened(lab: Lab, running: Instance) -> None:
    """A running guest is given a volume that is encrypted; its passphrase is in no log, and goes with the volume."""
    volume = lab.rig.special_volume(Feature.VOLUME_ENCRYPTION)
    assert volume.encryption is not None
    lab.secrets.add([volume.encryption.passphrase.reveal()])
    with leaving_nothing(lab, "an attach and a detach"):
        added = attach(lab, running, volume)
        assert added.encrypted
        check_backend(lab, running)
        detach(lab, running, added)


@BOTH
@covers(Feature.HOST_VOLUMES, Volumes.attach_volume)
@needs(Feature.ATTACH_VOLUMES)
def test_volume_of_the_host_is_used(lab: Lab, state: PowerState) -> None:
    """A guest uses a file or a block device of the hypervisor's host."""
    check_used(lab, Feature.HOST_VOLUMES, state)


@covers(Feature.NBD_VOLUMES, Volumes.attach_volume)
@needs(Feature.ATTACH_VOLUMES)
def test_volume_of_an_nbd_server_is_used(lab: Lab) -> None:
    """A running guest uses an export of an NBD server."""
    check_used(lab, Feature.NBD_VOLUMES, RUNNING)


@covers(Feature.NFS_VOLUMES, Volumes.attach_volume)
@needs(Feature.ATTACH_VOLUMES)
def test_volume_of_an_nfs_server_is_used(lab: Lab) -> None:
    """A running guest uses a file of an NFS server that its host has not mounted."""
    check_used(lab, Feature.NFS_VOLUMES, RUNNING)


@covers(Feature.RBD_VOLUMES, Volumes.attach_volume)
@needs(Feature.ATTACH_VOLUMES)
def test_volume_of_a_ceph_cluster_is_used(lab: Lab) -> None:
    """A running guest uses a block device of a Ceph cluster."""
    check_used(lab, Feature.RBD_VOLUMES, RUNNING)


@BOTH
@covers(Feature.HOST_CONNECTIONS, Volumes.attach_volume)
@needs(Feature.ATTACH_VOLUMES)
def test_volume_that_the_host_connects_is_used(lab: Lab, state: PowerState) -> None:
    """A guest uses a volume that its host connects; with it goes all that the host had made of it."""
    check_connected(lab, lab.guest(state), lab.rig.special_volume(Feature.HOST_CONNECTIONS))


@pytest.mark.parametrize("protocol", ["fibre_channel", "nvmeof", "iscsi"])
@covers(Feature.HOST_CONNECTIONS, Volumes.attach_volume)
@needs(Feature.ATTACH_VOLUMES)
def test_volume_of_a_fabric_is_used(lab: Lab, protocol: str) -> None:
    """The same for what hosts connect by adapters of theirs, or over many paths."""
    volume = lab.rig.fabric_volume(protocol)
    check_connected(lab, lab.guest(RUNNING), volume)


def check_connected(lab: Lab, guest: Instance, volume: Volume) -> None:
    """See that a guest gets a volume that its host connects, that nobody sees its password, and that all goes again."""
    way = volume.connection
    if isinstance(way, HostConnection) and way.secrets is not None:
        lab.secrets.add(json.loads(way.secrets.reveal()).values())
    with leaving_nothing(lab, "an attach and a detach"):
        added = attach(lab, guest, volume)
        assert attach(lab, guest, volume) == added
        assert ids(lab.second, guest) == [volume.id]
        check_backend(lab, guest)
        detach(lab, guest, added)
    assert ids(lab.compute, guest) == []


def check_used(lab: Lab, feature: Feature, state: PowerState) -> None:
    """See that a guest gets and loses a volume of a kind."""
    volume = lab.rig.special_volume(feature)
    guest = lab.guest(state)
    added = attach(lab, guest, volume)
    assert ids(lab.second, guest) == [volume.id]
    check_backend(lab, guest)
    detach(lab, guest, added)
    assert ids(lab.compute, guest) == []
