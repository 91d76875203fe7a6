"""Running guests move from one libvirtd to another."""

import subprocess
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import libvirt
import pytest
import trustme

import nova_virt_api as virt
from nova_virt_api.driver.live_migration import LiveMigration
from nova_virt_api.errors import MigrationError

POOL = "nova-virt"


def definition(host: Any, guest: virt.Instance, flags: int = 0) -> str:
    """A guest's definition on a host, as text."""
    return str(host.raw().lookupByUUID(guest.uuid.bytes).XMLDesc(flags))


def test_a_guest_moves_with_all_that_it_has(
    hosts: Any,
    connect: Callable[..., virt.Compute],
    source: virt.Compute,
    destination: virt.Compute,
    spawn: Any,
    image: virt.LocalFile,
    tmp_path: Path,
) -> None:
    """Overlay, blank disk, seed, console log, NVRAM and network; to where nothing of it was, and back."""
    guest = spawn(
        disks=[
            virt.Disk(source=image, size_bytes=virt.MiB(16), tag="root"),
            virt.Disk(source=virt.Blank(), size_bytes=virt.MiB(4)),
        ],
        nics=[virt.Nic(network="default", tag="front")],
        cloud_init=virt.CloudInit(user_data="#cloud-config\n"),
        firmware=virt.Firmware.UEFI,
        labels={"role": "web"},
    )
    cards = [(nic.mac, nic.tag, nic.address) for nic in source.interfaces(guest)]
    assert cards[0][1] == "front"
    seed = (hosts[0].daemon.directory / "images" / f"{guest.uuid}.seed.iso").read_bytes()
    seen: list[tuple[str, float]] = []
    slow = connect(hosts[0], migration_bandwidth_mib=4)  # or it may be over before anybody looks how far it is
    moved = slow.live_migrate(
        guest, to=destination, timeout=100, on_progress=lambda op: seen.append((op.stage, op.counters[1]))
    )
    assert (moved.uuid, moved.power_state, moved.lifecycle) == (
        guest.uuid,
        virt.PowerState.RUNNING,
        virt.Lifecycle.READY,
    )
    assert moved.owned
    assert dict(moved.labels) == {"role": "web"}
    assert moved.node != guest.node
    assert any(total > 6 * 1024**2 for stage, total in seen if stage == "copy memory and disks")
    assert hosts[0].traces(guest.uuid) == []
    assert list(source.leftovers()) == list(destination.leftovers()) == []
    there = hosts[1].daemon.directory / "images"
    assert (there / f"{guest.uuid}.seed.iso").read_bytes() == seed
    for flags in (0, libvirt.VIR_DOMAIN_XML_INACTIVE):
        assert str(hosts[0].daemon.directory) not in definition(hosts[1], guest, flags)
        assert str(there) in definition(hosts[1], guest, flags)
    assert hosts[1].raw().lookupByUUID(guest.uuid.bytes).isPersistent()
    assert [(nic.mac, nic.tag, nic.address) for nic in destination.interfaces(guest)] == cards
    destination.power_off(guest, mode=virt.PowerOff.HARD, timeout=60)
    raw = tmp_path / "copied.raw"
    disk = there / f"{guest.uuid}.disk0.qcow2"
    subprocess.run(["qemu-img", "convert", "-f", "qcow2", "-O", "raw", str(disk), str(raw)], check=True)
    original = Path(image.path).read_bytes()
    assert raw.read_bytes()[: len(original)] == original
    destination.power_on(guest, timeout=60)  # from what it is defined as
    back = destination.live_migrate(guest, to=source, timeout=100)
    assert back.power_state is virt.PowerState.RUNNING
    assert hosts[1].traces(guest.uuid) == []
    assert source.destroy(guest, timeout=60)
    assert hosts[0].traces(guest.uuid) == []


def test_on_shared_storage_only_memory_moves(
    hosts: Any, connect: Callable[..., virt.Compute], spawn: Any, image: virt.LocalFile
) -> None:
    source, destination = (connect(host, pool="shared") for host in hosts)
    guest = spawn(source, disks=[virt.Disk(source=image, size_bytes=virt.MiB(16), pool="shared")])
    before = definition(hosts[0], guest)
    moved = source.live_migrate(guest, to=destination, timeout=100)
    assert moved.power_state is virt.PowerState.RUNNING
    assert hosts[0].domains() == []
    path = before.partition("source file='")[2].partition("'")[0]
    assert path.endswith(f"{guest.uuid}.disk0.qcow2")
    assert path in definition(hosts[1], guest)
    assert list(source.leftovers()) == list(destination.leftovers()) == []
    with pytest.raises(virt.errors.PermissionDenied, match="lives on the host"):
        source.destroy(guest, timeout=60)  # its disks are in use there
    assert Path(path).exists()
    assert destination.destroy(guest, timeout=60)
    assert not Path(path).exists()


def test_only_what_differs_from_the_image_is_copied(
    hosts: Any, source: virt.Compute, destination: virt.Compute, spawn: Any, make_spec: Any, image: virt.LocalFile
) -> None:
    """Where the destination has the image, the guest's disk becomes an overlay of it again."""
    disks = [virt.Disk(source=image, size_bytes=virt.MiB(16))]
    other = make_spec(disks=disks, power_on=False)
    destination.spawn(other, timeout=60)
    guest = spawn(disks=disks)
    totals: list[float] = []
    source.live_migrate(guest, to=destination, timeout=100, on_progress=lambda op: totals.append(op.counters[0]))
    disk = hosts[1].daemon.directory / "images" / f"{guest.uuid}.disk0.qcow2"
    assert disk.stat().st_size < 4 * 1024**2
    assert "nova-virt-base-" in definition(hosts[1], guest)
    destination.destroy(other.uuid, timeout=60)


def test_a_paused_guest_stays_paused(source: virt.Compute, destination: virt.Compute, spawn: Any) -> None:
    guest = spawn()
    source.pause(guest, timeout=60)
    assert source.live_migrate(guest, to=destination, timeout=100).power_state is virt.PowerState.PAUSED


def test_each_phase_in_a_process_of_its_own(hosts: Any, spawn: Any, processes: Any, destination: virt.Compute) -> None:
    """They share nothing but the ticket's text; each is repeated, and nothing changes."""
    guest, ticket = spawn(), ""
    phases = ("check_destination", "check_source", "prepare", "migrate", "finish_source", "finish_destination")
    for phase in phases:
        first = processes.run(phase, guest.uuid, ticket)
        assert "error" not in first, (phase, first)
        if phase in phases[2:]:
            again = processes.run(phase, guest.uuid, ticket)
            assert again == first, phase
        ticket = first["ticket"] or ticket
    assert hosts[0].traces(guest.uuid) == []
    found = destination.instance(guest, fresh=True)
    assert (found.power_state, found.lifecycle) == (virt.PowerState.RUNNING, virt.Lifecycle.READY)


def test_what_was_prepared_is_rolled_back(hosts: Any, spawn: Any, processes: Any, source: virt.Compute) -> None:
    guest, ticket = spawn(), ""
    before = hosts[0].traces(guest.uuid)
    for phase in ("check_destination", "check_source", "prepare"):
        ticket = processes.run(phase, guest.uuid, ticket)["ticket"]
    assert hosts[1].traces(guest.uuid) != []
    for _ in range(2):
        assert "error" not in processes.run("rollback_source", guest.uuid, ticket)
        assert "error" not in processes.run("rollback_destination", guest.uuid, ticket)
    assert hosts[1].traces(guest.uuid) == []
    assert hosts[0].traces(guest.uuid) == before
    assert source.instance(guest, fresh=True).lifecycle is virt.Lifecycle.READY


def test_destroy_at_the_destination_removes_what_was_prepared(
    hosts: Any, spawn: Any, processes: Any, destination: virt.Compute
) -> None:
    guest, ticket = spawn(), ""
    for phase in ("check_destination", "check_source", "prepare"):
        ticket = processes.run(phase, guest.uuid, ticket)["ticket"]
    assert {leftover.uuid for leftover in destination.leftovers()} == {guest.uuid}
    assert destination.destroy(guest, timeout=60)
    assert hosts[1].traces(guest.uuid) == []


def test_cancelled_in_the_middle_it_stays(
    hosts: Any,
    connect: Callable[..., virt.Compute],
    destination: virt.Compute,
    restless: Callable[..., virt.Instance],
) -> None:
    slow = connect(hosts[0], migration_bandwidth_mib=1, migration_auto_converge=False)
    guest = restless(slow)  # it goes on for as long as nobody ends it
    before = hosts[0].traces(guest.uuid)
    moving = threading.Event()

    def note(operation: virt.Operation[Any]) -> None:
        if operation.counters[0] > 0:
            moving.set()

    operation = slow.submit.live_migrate(guest, to=destination, timeout=100, on_progress=note)
    assert moving.wait(60)
    seen = slow.instance(guest, fresh=True)
    assert (seen.lifecycle, seen.power_state) == (virt.Lifecycle.MIGRATING, virt.PowerState.RUNNING)
    with pytest.raises(virt.InvalidState):
        connect(hosts[0]).power_off(guest, mode=virt.PowerOff.HARD, timeout=30)
    assert operation.cancel() is virt.CancelMode.IMMEDIATE
    with pytest.raises(virt.Cancelled):
        operation.result()
    seen = slow.instance(guest, fresh=True)
    assert (seen.lifecycle, seen.power_state) == (virt.Lifecycle.READY, virt.PowerState.RUNNING)
    assert hosts[1].traces(guest.uuid) == []
    assert hosts[0].traces(guest.uuid) == before


@pytest.mark.parametrize("post_copy", [False, True], ids=["paused", "post-copy"])
def test_a_guest_that_changes_its_memory_too_fast_is_moved_at_its_expense(
    post_copy: bool,
    hosts: Any,
    connect: Callable[..., virt.Compute],
    destination: virt.Compute,
    spawn: Any,
    restless: Callable[..., virt.Instance],
    eventually: Callable[..., None],
) -> None:
    source = connect(hosts[0], migration_bandwidth_mib=16, migration_post_copy=post_copy, migration_auto_converge=False)
    guest = restless(source)
    domain = hosts[0].raw().lookupByUUID(guest.uuid.bytes)
    operation = source.submit.live_migrate(guest, to=destination, timeout=100)
    eventually(lambda: operation.done() or iteration(domain) > 2, "its memory is copied a third time", 90)
    assert not operation.done(), operation.error
    assert operation.complete_now()
    assert not operation.complete_now()
    assert operation.result().power_state is virt.PowerState.RUNNING
    assert hosts[0].traces(guest.uuid) == []


def iteration(domain: Any) -> int:
    """How often a guest's memory was gone through."""
    try:
        return int(domain.jobStats().get("memory_iteration", 0))
    except libvirt.libvirtError:
        return 0


@pytest.mark.parametrize("then", ["stay", "complete"])
def test_a_guest_that_has_used_up_its_time(
    then: str,
    hosts: Any,
    connect: Callable[..., virt.Compute],
    destination: virt.Compute,
    spawn: Any,
    restless: Callable[..., virt.Instance],
) -> None:
    source = connect(
        hosts[0],
        migration_bandwidth_mib=16,
        migration_auto_converge=False,
        migration_seconds_per_gib=1,
        migration_when_late=then,
    )
    guest = restless(source)
    if then == "complete":
        assert source.live_migrate(guest, to=destination, timeout=100).power_state is virt.PowerState.RUNNING
        return
    with pytest.raises(MigrationError, match="faster than it can be copied") as raised:
        source.live_migrate(guest, to=destination, timeout=100)
    assert raised.value.phase == "migrate"
    assert raised.value.state_after is virt.StateAfter.UNCHANGED
    assert source.instance(guest, fresh=True).lifecycle is virt.Lifecycle.READY
    assert hosts[1].traces(guest.uuid) == []


def test_a_destination_that_is_full_leaves_the_guest_where_it_is(
    hosts: Any, source: virt.Compute, destination: virt.Compute, spawn: Any, image: virt.LocalFile
) -> None:
    guest = spawn(disks=[virt.Disk(source=image, size_bytes=virt.MiB(16), pool="small")])
    with pytest.raises(virt.VirtError) as raised:
        source.live_migrate(guest, to=destination, timeout=100)
    assert raised.value.state_after is virt.StateAfter.UNCHANGED
    seen = source.instance(guest, fresh=True)
    assert (seen.lifecycle, seen.power_state) == (virt.Lifecycle.READY, virt.PowerState.RUNNING)
    assert hosts[1].domains() == []
    assert list(destination.leftovers()) == []


def test_a_destination_in_maintenance_takes_no_guest(
    source: virt.Compute, destination: virt.Compute, spawn: Any
) -> None:
    guest = spawn()
    [node] = destination.nodes()
    destination.enter_maintenance(node, "its second disk is dying")
    try:
        with pytest.raises(virt.NoCapacity, match="second disk"):
            source.live_migrate(guest, to=destination, timeout=100)
    finally:
        destination.leave_maintenance(node)
    assert source.instance(guest, fresh=True).power_state is virt.PowerState.RUNNING
    assert list(destination.leftovers()) == []


def test_over_tls_only_with_certificates(
    hosts: Any,
    connect: Callable[..., virt.Compute],
    spawn: Any,
) -> None:
    """Without certificates it fails and the guest stays; with them it goes."""
    source, destination = (connect(host, migration_tls=True) for host in hosts)
    guest = spawn(source)
    with pytest.raises(MigrationError) as raised:
        source.live_migrate(guest, to=destination, timeout=100)
    assert raised.value.state_after is virt.StateAfter.UNCHANGED
    with pytest.raises(MigrationError, match="over TLS only"):
        source.live_migrate(guest, to=connect(hosts[1]), timeout=100)
    authority = trustme.CA(key_type=trustme.KeyType.RSA)
    for host in hosts:
        give_certificates(authority, host)
    assert source.live_migrate(guest, to=destination, timeout=100).power_state is virt.PowerState.RUNNING


def give_certificates(authority: trustme.CA, host: Any) -> None:
    """Put a certificate for server and client where a host's QEMU looks for them."""
    directory = host.daemon.directory / "etc" / "pki"
    certificate = authority.issue_cert(host.address, key_type=trustme.KeyType.RSA)
    authority.cert_pem.write_to_path(directory / "ca-cert.pem")
    for role in ("server", "client"):
        (directory / f"{role}-cert.pem").write_bytes(b"".join(part.bytes() for part in certificate.cert_chain_pems))
        certificate.private_key_pem.write_to_path(directory / f"{role}-key.pem")


def test_a_guest_with_checkpoints_stays(
    hosts: Any, source: virt.Compute, destination: virt.Compute, spawn: Any
) -> None:
    guest = spawn()
    domain = hosts[0].raw().lookupByUUID(guest.uuid.bytes)
    snapshot = domain.snapshotCreateXML("<domainsnapshot><name>one</name></domainsnapshot>", 0)
    with pytest.raises(MigrationError, match="checkpoint"):
        source.live_migrate(guest, to=destination, timeout=100)
    snapshot.delete(0)
    assert source.instance(guest, fresh=True).lifecycle is virt.Lifecycle.READY
    assert hosts[1].traces(guest.uuid) == []


def test_a_stopped_guest_is_refused(source: virt.Compute, destination: virt.Compute, spawn: Any) -> None:
    guest = spawn(power_on=False)
    with pytest.raises(virt.InvalidState):
        source.live_migrate(guest, to=destination, timeout=100)


def test_the_same_host_is_refused(hosts: Any, connect: Callable[..., virt.Compute], spawn: Any, source: Any) -> None:
    guest = spawn()
    with pytest.raises(virt.InstanceExists):
        source.live_migrate(guest, to=connect(hosts[0]), timeout=100)
    with pytest.raises(virt.NotSupported):
        source.migrate(guest, node="elsewhere", timeout=100)


def test_a_ticket_leads_where_it_was_made(hosts: Any, connect: Callable[..., virt.Compute], spawn: Any) -> None:
    """A URI that leads somewhere else than the destination said is noticed before anything is done."""
    source = connect(hosts[0])
    astray = connect(hosts[1], migration_uri=hosts[0].daemon.uri)
    guest = spawn(source)
    with pytest.raises(MigrationError, match="does not lead"):
        source.live_migrate(guest, to=astray, timeout=100)
    runs_commands = connect(hosts[1], migration_uri="qemu+ext:///system?command=/bin/true")
    with pytest.raises(MigrationError, match="not one that is opened"):
        source.live_migrate(guest, to=runs_commands, timeout=100)


def test_watchers_never_find_it_gone_from_both(
    source: virt.Compute, destination: virt.Compute, spawn: Any, eventually: Callable[..., None]
) -> None:
    guest = spawn()
    begun, gone = threading.Event(), threading.Event()
    there_first: list[bool] = []

    def look() -> None:
        with source.watch() as watch:
            for event in watch:
                begun.set()
                if isinstance(event, virt.InstanceEvent) and event.change is virt.Change.GONE:
                    there_first.append(any(one.uuid == guest.uuid for one in destination.instances(fresh=True)))
                    gone.set()
                    return

    watcher = threading.Thread(target=look, daemon=True)
    watcher.start()
    assert begun.wait(60)
    source.live_migrate(guest, to=destination, timeout=100)
    assert gone.wait(60)
    assert there_first == [True]


def test_the_role_is_not_for_unmarked_guests(hosts: Any, connect: Callable[..., virt.Compute], spawn: Any) -> None:
    guest = spawn()
    everything = connect(hosts[0], manage="all")
    with pytest.raises(virt.NotSupported):
        everything.perform(guest, LiveMigration, lambda role, op: role.check_destination(guest.ref, op))
