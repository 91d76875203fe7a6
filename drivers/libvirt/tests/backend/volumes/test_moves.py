"""Guests with volumes that are resized and moved while they are off: the volumes stay where they are."""

from dataclasses import replace
from typing import Any

import libvirt
import pytest

from nova_virt_api.errors import InvalidState, MigrationError, VolumeError
from nova_virt_api.model.disk import Blank, Disk, DiskBus
from nova_virt_api.model.instance import Lifecycle, PowerOff, PowerState
from nova_virt_api.model.secret import Secret
from nova_virt_api.model.size import Size
from nova_virt_api.model.spec import InstanceSpec
from nova_virt_api.model.ticket import Ticket
from nova_virt_api.model.units import MiB
from nova_virt_api.model.volume import LuksEncryption, Volume
from nova_virt_libvirt import peers

INACTIVE = libvirt.VIR_DOMAIN_XML_INACTIVE
WRONG = LuksEncryption(passphrase=Secret("not-this-4711"))


class Far:
    """A second host, as the destination, in another process: it reaches the first by its options."""

    def __init__(self, driver: Any, run: Any, seen: Any) -> None:
        self.driver = driver
        self.seen = seen
        self._run = run

    def finish(self, ticket: Ticket, spec: InstanceSpec | None = None) -> Any:
        """Make the guest there."""
        peers.OPEN.clear()
        return self._run(self.driver.finish_resize, Ticket.decode(ticket.encode()), spec=spec)

    def left(self) -> list[Any]:
        """All that is there of guests."""
        return [*self.seen.secrets(), *self.driver.instances(fresh=True), *self.driver.leftovers()]


@pytest.fixture
def far(make_driver: Any, second_daemon: Any, far_seen: Any, native: Any, daemon: Any, run: Any) -> Far:
    """A second host."""
    driver = make_driver(uri=second_daemon.uri, peers={str(native.getHostname()): daemon.uri})
    return Far(driver, run, far_seen)


def spec_of(guest: Any, *volumes: Volume, power_on: bool = True, **fields: Any) -> InstanceSpec:
    """The guest at its destination."""
    wanted: dict[str, Any] = {
        "uuid": guest.uuid,
        "name": guest.name,
        "memory_bytes": MiB(16),
        "disks": [Disk(source=Blank(), size_bytes=MiB(8))],
        "volumes": volumes,
        "power_on": power_on,
    }
    return InstanceSpec(**(wanted | fields))


def places(disks: list[Any]) -> list[tuple[str, str, str | None, bool]]:
    """Name, bus, serial number and whether the guest boots from it, of each disk."""
    return [
        (
            disk.find("target").get("dev"),
            disk.find("target").get("bus"),
            disk.findtext("serial"),
            disk.find("boot") is not None,
        )
        for disk in disks
    ]


# --- here -------------------------------------------------------------------------------------------------------------


def test_resized_here_and_back(files: Any, spawn: Any, driver: Any, run: Any, seen: Any) -> None:
    root, luks = files.volume(boot=True), files.luks(bus=DiskBus.SCSI)
    guest = spawn(power_on=False, volumes=[root], disks=[])
    run(driver.attach_volume, guest.ref, luks)
    before, secrets = places(seen.disks(guest, INACTIVE)), seen.secrets()
    ticket = run(driver.prepare_resize, guest.ref, Size(vcpus=2))
    spec = spec_of(guest, root, luks, disks=[], vcpus=2)
    for _ in range(2):
        assert run(driver.finish_resize, ticket, spec=spec).power_state is PowerState.RUNNING
    assert places(seen.disks(guest)) == before
    run(driver.revert_resize, guest.ref, power_on=True)
    assert (places(seen.disks(guest)), seen.secrets()) == (before, secrets)
    run(driver.power_off, guest.ref, mode=PowerOff.HARD, grace_seconds=0.0)
    run(driver.resize, guest.ref, Size(vcpus=2))
    run(driver.power_on, guest.ref)
    run(driver.confirm_resize, guest.ref)
    assert (places(seen.disks(guest)), seen.secrets()) == (before, secrets)


def test_a_wrong_password_is_not_kept(files: Any, spawn: Any, driver: Any, run: Any, seen: Any) -> None:
    luks = files.luks()
    guest = spawn(power_on=False, volumes=[luks])
    secrets = seen.secrets()
    ticket = run(driver.prepare_resize, guest.ref, Size(vcpus=2))
    with pytest.raises(VolumeError, match=luks.id):
        run(driver.finish_resize, ticket, spec=spec_of(guest, replace(luks, encryption=WRONG)))
    assert seen.secrets() == secrets
    run(driver.revert_resize, guest.ref, power_on=True)  # with the one that was there before
    assert seen.secrets() == secrets


def test_other_volumes_come_and_go(files: Any, spawn: Any, driver: Any, run: Any, seen: Any) -> None:
    """A spec names all that the guest uses from then on; a revert brings back what it had, or what it is told."""
    old, new, newest = files.luks(), files.luks(bus=DiskBus.SCSI), files.volume()
    guest = spawn(power_on=False, volumes=[old])
    ticket = run(driver.prepare_resize, guest.ref, Size())
    run(driver.finish_resize, ticket, spec=spec_of(guest, new))
    assert [held.id for held in driver.volumes(guest.ref)] == [new.id]
    assert len(seen.secrets()) == 2, "the old one is not there for the way back, or the new one is not"
    run(driver.revert_resize, guest.ref, power_on=True)
    assert [held.id for held in driver.volumes(guest.ref)] == [old.id]
    assert len(seen.secrets()) == 1
    run(driver.power_off, guest.ref, mode=PowerOff.HARD, grace_seconds=0.0)
    ticket = run(driver.prepare_resize, guest.ref, Size())
    run(driver.finish_resize, ticket, spec=spec_of(guest, new))
    run(driver.confirm_resize, guest.ref)
    (secret,) = seen.secrets()
    assert secret.endswith(new.id)
    run(driver.power_off, guest.ref, mode=PowerOff.HARD, grace_seconds=0.0)
    run(driver.prepare_resize, guest.ref, Size())
    run(driver.revert_resize, guest.ref, volumes=[newest])
    assert [held.id for held in driver.volumes(guest.ref)] == [newest.id]
    assert not seen.secrets()


# --- to another host --------------------------------------------------------------------------------------------------


def test_moved_with_all_kinds(kinds: Any, spawn: Any, driver: Any, far: Far, run: Any, seen: Any) -> None:
    """Each has its disk at the destination; confirmed, nothing is left at the source, not even a password."""
    guest = spawn(power_on=False, volumes=[kinds.root, kinds.lun, kinds.luks, kinds.nbd, kinds.block])
    before = places(seen.disks(guest, INACTIVE))
    ticket = run(driver.prepare_resize, guest.ref, Size(vcpus=2))
    volumes = (kinds.root, kinds.far_lun, kinds.luks, kinds.nbd, kinds.block)
    for _ in range(2):
        assert far.finish(ticket, spec_of(guest, *volumes, vcpus=2)).power_state is PowerState.RUNNING
    assert places(far.seen.disks(guest)) == before
    assert far.driver.volume_connector().iscsi_initiator in kinds.target.initiators()
    run(driver.confirm_resize, guest.ref)
    assert seen.secrets() == []
    assert len(far.seen.secrets()) == 2
    run(far.driver.power_off, guest.ref, mode=PowerOff.HARD, grace_seconds=0.0)
    run(far.driver.power_on, guest.ref)
    assert run(far.driver.destroy, guest.ref)
    assert far.left() == []


def test_moved_as_it_is(files: Any, nbd: Volume, spawn: Any, driver: Any, far: Far, run: Any, seen: Any) -> None:
    """What needs no password is reached as at the source; what does is asked for, before anything is made."""
    guest, luks = spawn(power_on=False, volumes=[nbd, files.volume(boot=True)]), files.luks()
    before = places(seen.disks(guest, INACTIVE))
    far.finish(run(driver.prepare_resize, guest.ref, Size()))
    assert places(far.seen.disks(guest, INACTIVE)) == before
    run(far.driver.power_on, guest.ref)
    assert run(far.driver.destroy, guest.ref)
    run(driver.revert_resize, guest.ref, power_on=True)
    run(driver.attach_volume, guest.ref, luks)
    run(driver.power_off, guest.ref, mode=PowerOff.HARD, grace_seconds=0.0)
    ticket = run(driver.prepare_resize, guest.ref, Size())
    with pytest.raises(MigrationError, match=luks.id) as caught:
        far.finish(ticket)
    assert "spec.volumes" in caught.value.hint
    assert far.left() == []
    run(driver.revert_resize, guest.ref, power_on=True)


def test_a_volume_out_of_reach_is_named(files: Any, spawn: Any, driver: Any, far: Far, run: Any, seen: Any) -> None:
    """The destination keeps nothing, and the guest starts again where it was."""
    luks, lost = files.luks(), files.volume()
    guest = spawn(power_on=False, volumes=[luks, lost])
    before = places(seen.disks(guest, INACTIVE))
    ticket = run(driver.prepare_resize, guest.ref, Size(vcpus=2))
    nowhere = replace(lost, connection=replace(lost.connection, path="/nowhere/volume.raw"))
    with pytest.raises(VolumeError, match=lost.id) as caught:
        far.finish(ticket, spec_of(guest, luks, nowhere))
    assert luks.id not in str(caught.value)
    assert far.left() == []
    with pytest.raises(VolumeError, match=luks.id):
        far.finish(ticket, spec_of(guest, replace(luks, encryption=WRONG), lost))
    assert far.left() == []
    with pytest.raises(InvalidState):
        run(driver.confirm_resize, guest.ref)
    run(driver.revert_resize, guest.ref, power_on=True)
    assert places(seen.disks(guest)) == before
    assert driver.domains.find(guest.ref).lifecycle is Lifecycle.READY
