"""Running guests with volumes move between two hosts: the volumes are reached from there, and nothing is copied."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import libvirt
import pytest

import nova_virt_api as virt
from nova_virt_api.driver.live_migration import LiveMigration
from nova_virt_api.errors import MigrationError

OWNER = "nova-virt-tests"


@pytest.fixture
def connect(tmp_path: Path) -> Iterator[Callable[[Any], virt.Compute]]:
    """Connects to a host as its operator would; disconnects in the end."""
    made: list[virt.Compute] = []

    def connect(host: Any) -> virt.Compute:
        places: dict[str, Any] = {"cache_dir": str(tmp_path / "cache"), "state_dir": str(tmp_path / "state")}
        options: dict[str, Any] = {"uri": host.uri, "pool": "nova-virt", "virt_type": "qemu", "owner": OWNER}
        made.append(virt.connect("libvirt", **places, **options, migration_address=host.address))
        return made[-1]

    yield connect
    for compute in made:
        compute.close(cancel=True)


@pytest.fixture
def here(connect: Callable[[Any], virt.Compute], daemon: Any, second_daemon: Any) -> virt.Compute:
    """Where guests are at first."""
    return connect(daemon)


@pytest.fixture
def there(connect: Callable[[Any], virt.Compute], second_daemon: Any, second_raw: Any) -> virt.Compute:
    """Where they are to go."""
    second_raw()
    return connect(second_daemon)


@pytest.fixture
def moving(here: virt.Compute, there: virt.Compute) -> Callable[..., virt.Ticket]:
    """Goes as far as the destination is prepared."""

    def moving(guest: Any, volumes: Any = None) -> virt.Ticket:
        def phase(compute: virt.Compute, verb: Any) -> Any:
            return compute.perform(guest.uuid, LiveMigration, verb, timeout=60)

        ref = virt.InstanceRef(uuid=guest.uuid)
        offer = phase(there, lambda role, op: role.check_destination(ref, op))
        plan = phase(here, lambda role, op: role.check_source(ref, offer, op))
        ticket: virt.Ticket = phase(there, lambda role, op: role.prepare(plan, op, volumes=volumes))
        return ticket

    return moving


def places(disks: list[Any]) -> list[tuple[Any, ...]]:
    """What a guest sees of each disk."""
    found = [(disk.find("target"), disk.findtext("serial"), disk.find("boot") is not None) for disk in disks]
    return [(target.get("dev"), target.get("bus"), serial, boots) for target, serial, boots in found]


def test_volumes_of_all_kinds(
    kinds: Any, spawn: Any, here: virt.Compute, there: virt.Compute, moving: Any, seen: Any, far_seen: Any
) -> None:
    """Passwords go along with the volumes that are named, and none is left where the guest was."""
    guest = spawn(volumes=[kinds.root, kinds.lun, kinds.nbd, kinds.block])
    here.attach_volume(guest.uuid, kinds.luks, timeout=60)
    before = places(seen.disks(guest))
    ticket = moving(guest, [kinds.luks, kinds.far_lun])
    assert not [password for password in kinds.passwords() if password in ticket.encode()]
    ref = virt.InstanceRef(uuid=guest.uuid)
    for compute, verb in (
        (here, lambda role, op: role.migrate(ref, ticket, op)),
        (here, lambda role, op: role.finish_source(ref, ticket, op)),
        (there, lambda role, op: role.finish_destination(ref, op)),
    ):
        compute.perform(guest.uuid, LiveMigration, verb, timeout=100)
    assert there.instance(guest.uuid, fresh=True).power_state is virt.PowerState.RUNNING
    assert places(far_seen.disks(guest)) == places(far_seen.disks(guest, libvirt.VIR_DOMAIN_XML_INACTIVE)) == before
    assert (len(seen.secrets()), len(far_seen.secrets())) == (0, 2)
    assert str(there.volume_connector().iscsi_initiator) in kinds.target.initiators()
    there.power_off(guest.uuid, mode=virt.PowerOff.HARD, timeout=60)
    there.power_on(guest.uuid, timeout=60)
    assert there.destroy(guest.uuid, timeout=60)
    assert far_seen.secrets() == []


def test_passwords_have_to_be_named(files: Any, spawn: Any, moving: Any, here: virt.Compute, far_seen: Any) -> None:
    luks, plain = files.luks(), files.volume()
    guest = spawn(volumes=[luks, plain])
    with pytest.raises(MigrationError, match=luks.id):
        moving(guest, [plain])
    with pytest.raises(MigrationError, match="does not use"):
        moving(guest, [luks, replace(plain, id="another")])
    assert far_seen.secrets() == []
    assert here.instance(guest.uuid, fresh=True).lifecycle is virt.Lifecycle.READY


def test_rolled_back(
    files: Any, spawn: Any, moving: Any, here: virt.Compute, there: virt.Compute, seen: Any, far_seen: Any
) -> None:
    """A volume that the destination does not reach ends the move; the guest runs on, and nothing is left there."""
    luks, plain = files.luks(), files.volume()
    guest = spawn(volumes=[luks, plain])
    ref = virt.InstanceRef(uuid=guest.uuid)
    ticket = moving(guest, [luks, replace(plain, connection=virt.FileVolume(path="/nowhere/volume"))])
    assert len(far_seen.secrets()) == 1
    with pytest.raises(MigrationError, match="/nowhere/volume"):
        here.perform(guest.uuid, LiveMigration, lambda role, op: role.migrate(ref, ticket, op), timeout=100)
    here.perform(guest.uuid, LiveMigration, lambda role, op: role.rollback_source(ref, ticket, op), timeout=60)
    there.perform(guest.uuid, LiveMigration, lambda role, op: role.rollback_destination(ticket, op), timeout=60)
    assert (far_seen.secrets(), len(seen.secrets())) == ([], 1)
    assert list(there.leftovers()) == []
    assert here.instance(guest.uuid, fresh=True).power_state is virt.PowerState.RUNNING
