"""Checkpoints of a guest that somebody starts or changes at the worst moment."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from lxml import etree

from nova_virt_api.errors import Busy
from nova_virt_api.model.instance import PowerState
from nova_virt_api.model.size import Size
from nova_virt_api.model.spec import InstanceUpdate
from nova_virt_api.model.units import MiB
from nova_virt_libvirt import metadata, update
from nova_virt_libvirt.checkpoint.guest import CheckpointGuest
from nova_virt_libvirt.claims import hold


@pytest.fixture
def started_before_define(guest: Any, monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """From now on the guest is started right before a verb gives it another definition, once."""

    def arrange() -> None:
        define = CheckpointGuest.define

        def late(self: CheckpointGuest, *arguments: Any) -> None:
            monkeypatch.undo()
            guest.domain.create()
            define(self, *arguments)

        monkeypatch.setattr(CheckpointGuest, "define", late)

    return arrange


def test_started_while_it_is_taken(guest: Any, started_before_define: Callable[[], None]) -> None:
    """The guest goes on with the disks that it was started with, and nothing is left of the checkpoint."""
    guest.write(1)
    volumes = guest.volumes()
    started_before_define()
    with pytest.raises(Busy):
        guest.create("one")
    assert guest.state() is PowerState.RUNNING
    assert (guest.names(), guest.volumes()) == ([], volumes)
    guest.write(2)
    guest.create("two")
    guest.write(3)
    guest.off()
    assert guest.reads(3)
    guest.revert("two")
    assert guest.reads(2)


def test_started_while_it_goes_back(guest: Any, started_before_define: Callable[[], None]) -> None:
    guest.write(1)
    guest.create("one")
    guest.write(2)
    guest.on()
    started_before_define()
    guest.revert("one")
    assert guest.state() is PowerState.SHUTDOWN
    assert guest.reads(1)
    guest.on()
    guest.write(3)
    guest.off()
    assert guest.reads(3)


def test_started_while_its_disks_are_joined(guest: Any, started_before_define: Callable[[], None]) -> None:
    """What it writes from then on is not lost; the same call again gives back the room."""
    guest.write(1)
    volumes = guest.volumes()
    guest.create("one")
    guest.write(2, at=2 * 65536)
    started_before_define()
    with pytest.raises(Busy):
        guest.delete("one")
    assert guest.names() == []
    guest.write(3)
    guest.delete("one")
    guest.write(4, at=3 * 65536)
    guest.off()
    assert guest.volumes() == volumes
    assert guest.reads(3)
    assert guest.reads(2, at=2 * 65536)
    assert guest.reads(4, at=3 * 65536)


def test_disk_that_was_taken_away_reads_the_same_after_joining(guest: Any, raw: Any) -> None:
    """Nothing is joined into a volume on which a disk lies that is not at the guest just now."""
    guest.write(1, disk=1)
    guest.create("one")
    guest.write(2, disk=1)
    guest.create("two")
    guest.revert("one")
    guest.write(3, disk=1, at=3 * 65536)
    definition = guest.domain_xml()
    disk = definition.xpath("devices/disk[target/@dev='vdb']")[0]
    definition.find("devices").remove(disk)
    raw().defineXML(etree.tostring(definition, encoding="unicode"))
    guest.delete("one")
    definition = guest.domain_xml()
    definition.find("devices").append(disk)
    raw().defineXML(etree.tostring(definition, encoding="unicode"))
    assert guest.reads(3, disk=1, at=3 * 65536)
    assert guest.reads(1, disk=1)
    guest.revert("two")
    assert guest.reads(2, disk=1)


def test_labels_that_change_meanwhile_take_no_checkpoint_away(
    guest: Any, run: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever writes labels writes the whole mark, and the checkpoints stand in it."""
    write_mark = metadata.write_mark

    with ThreadPoolExecutor(1) as other:

        def late(*arguments: Any) -> None:
            monkeypatch.undo()
            done.append(other.submit(guest.create, "one"))
            with pytest.raises(TimeoutError):
                done[0].result(2)
            write_mark(*arguments)

        done: list[Any] = []
        monkeypatch.setattr(update, "write_mark", late)
        run(guest.driver.update, guest.ref, InstanceUpdate(labels={"tier": "front"}))
        done[0].result()
    assert guest.names() == ["one"]
    assert guest.driver.instance(guest.ref, fresh=True).labels == {"tier": "front"}


def test_what_a_resize_left_is_joined_too(guest: Any, run: Any) -> None:
    before = guest.volumes()
    guest.write(1)
    run(guest.driver.resize, guest.ref, Size(disks=[MiB(8)]))
    run(guest.driver.confirm_resize, guest.ref)
    guest.write(2, at=2 * 65536)
    guest.create("one")
    guest.write(3, at=3 * 65536)
    guest.delete("one")
    assert guest.volumes() == before
    assert all(guest.reads(number, at=number * 65536) for number in (1, 2, 3))


def test_process_that_slept_over_its_claim_changes_nothing(
    guest: Any, run: Any, make_driver: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever wakes after somebody else took over, and has finished, must not write what was true before."""
    other = make_driver()
    definition = CheckpointGuest.definition

    def asleep(self: CheckpointGuest, **flags: bool) -> Any:
        found = definition(self, **flags)
        if self.tree.named("two") is None and [path for path in guest.volumes() if ".at-" in path]:
            monkeypatch.setattr(CheckpointGuest, "definition", definition)
            run(other.create_checkpoint, guest.ref, "two")
            guest.write(2)
        return found

    guest.write(1)
    with monkeypatch.context() as silent:
        silent.setattr(hold, "LEASE", 0.0)
        silent.setattr(hold.Hold, "_renew", lambda _: None)
        monkeypatch.setattr(CheckpointGuest, "definition", asleep)
        with pytest.raises(Busy, match="took over"):
            guest.create("one")
    assert guest.names() == ["two"]
    assert guest.reads(2)
    guest.revert("two")
    assert guest.reads(1)
