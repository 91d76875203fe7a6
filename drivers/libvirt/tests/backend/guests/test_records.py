"""Claims on a real pool: taken by one, handed on when the holder is gone, never held by two."""

import threading
import uuid
from dataclasses import replace
from typing import Any

import pytest

from nova_virt_api.compute.operation import DriverSide, Operation
from nova_virt_api.errors import Busy
from nova_virt_api.model.record import Phase, Record
from nova_virt_libvirt.claims import hold as hold_module, records as records_module
from nova_virt_libvirt.claims.claim import SIZE
from nova_virt_libvirt.claims.records import Records
from nova_virt_libvirt.places import Places

GONE = "pid 1 on box (gone-1:1)"


@pytest.fixture
def key() -> str:
    return str(uuid.uuid4())


@pytest.fixture
def records(native: Any, traces: Any) -> Any:
    yield Records(Places(native, "nova-virt").records_pool(), "this-host")
    pool = native.storagePoolLookupByName("nova-virt")
    for name in pool.listVolumes():
        if ".claim" in name:
            pool.storageVolLookupByName(name).delete(0)


def record(key: str) -> Record:
    return Record(uuid=uuid.UUID(key), owner="o", fingerprint="f")


def begun(records: Records, key: str) -> Any:
    hold = records.create(key, record(key))
    assert hold is not None
    hold.begin()
    return hold


def die(hold: Any, **says: Any) -> None:
    """As if the holder had been killed."""
    hold.end()
    hold._write(**({"holder": None} | says))


def test_of_many_one_takes_it(records: Records, key: str) -> None:
    start, holds = threading.Barrier(8), []

    def take() -> None:
        start.wait()
        holds.append(records.create(key, record(key)))

    threads = [threading.Thread(target=take) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len([hold for hold in holds if hold is not None]) == 1


def test_is_held_by_this_process_until_it_ends(records: Records, key: str) -> None:
    hold = begun(records, key)
    chain = records.read(key)
    assert chain is not None
    assert records.holder(chain) == chain.newest.claim.record.holder  # type: ignore[union-attr]
    hold.end()
    assert records.holder(chain) is None


def test_of_many_one_succeeds(records: Records, key: str) -> None:
    die(begun(records, key))
    chain = records.read(key)
    assert chain is not None
    start, holds = threading.Barrier(8), []

    def take() -> None:
        start.wait()
        holds.append(records.succeed(chain, record(key)))

    threads = [threading.Thread(target=take) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    won = [hold for hold in holds if hold is not None]
    assert len(won) == 1
    now = records.read(key)
    assert now is not None
    assert now.newest.claim == won[0].claim
    won[0].remove()
    assert records.read(key) is None


def test_nobody_succeeds_a_claim_of_an_earlier_life(records: Records, key: str, traces: Any) -> None:
    die(begun(records, key))
    old = records.read(key)
    assert old is not None
    old.head.volume.remove()
    second = begun(records, key)
    assert records.succeed(old, record(key)) is None
    second.remove()
    assert records.succeed(old, record(key)) is None
    assert traces.volumes() & {name for name in traces.volumes() if key in name} == set()


def test_settled_chain_is_one_volume_and_old_readers_come_too_late(records: Records, key: str, traces: Any) -> None:
    die(begun(records, key))
    chain = records.read(key)
    assert chain is not None
    hold = records.succeed(chain, record(key))
    assert hold is not None
    seen_before = records.read(key)
    assert seen_before is not None
    hold.settle(Phase.READY)
    assert {name for name in traces.volumes() if key in name} == {f"{key}.claim"}
    assert records.succeed(seen_before, record(key)) is None
    now = records.read(key)
    assert now is not None
    assert now.claim is not None
    assert (now.claim.record.phase, records.holder(now)) == (Phase.READY, None)


def test_silent_holder_elsewhere_counts_until_its_lease_ends(
    records: Records, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    hold = begun(records, key)
    hold.end()
    hold._write(holder=GONE)
    chain = records.read(key)
    assert chain is not None
    assert records.holder(chain) == GONE
    assert chain.newest.claim is not None
    until = chain.newest.claim.record.lease_until or 0.0
    monkeypatch.setattr("nova_virt_libvirt.claims.records.time.time", lambda: until + 0.1)
    assert records.holder(chain) is None


def test_lease_is_renewed(records: Records, key: str, monkeypatch: pytest.MonkeyPatch, eventually: Any) -> None:
    monkeypatch.setattr(hold_module, "LEASE", 0.3)
    hold = begun(records, key)
    first = hold.claim.record.lease_until

    def is_later() -> bool:
        chain = records.read(key)
        assert chain is not None
        return chain.newest.claim is not None and (chain.newest.claim.record.lease_until or 0) > first

    eventually(is_later, "the lease is renewed")
    hold.end()


def test_who_was_silent_for_too_long_does_not_go_on(
    records: Records, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow = begun(records, key)
    slow.end()
    chain = records.read(key)
    assert chain is not None
    assert records.succeed(chain, record(key)) is not None
    until = slow.claim.record.lease_until
    slow.verify()
    monkeypatch.setattr("nova_virt_libvirt.claims.hold.time.time", lambda: until + 0.1)
    with pytest.raises(Busy, match="took over"):
        slow.verify()


@pytest.mark.parametrize("settled", [False, True], ids=["at work", "finished"])
@pytest.mark.parametrize(
    "late",
    [
        lambda hold: hold.settle(Phase.READY),
        lambda hold: hold.release(),
        lambda hold: hold.retract(),
        lambda hold: hold.remove(),
    ],
    ids=["settle", "release", "retract", "remove"],
)
def test_who_wakes_late_takes_nothing_from_his_successor(
    records: Records, key: str, monkeypatch: pytest.MonkeyPatch, late: Any, settled: bool
) -> None:
    sleeper = begun(records, key)
    sleeper.end()
    chain = records.read(key)
    assert chain is not None
    second = records.succeed(chain, record(key))
    assert second is not None
    if settled:
        second.settle(Phase.READY)
    before = records.read(key)
    monkeypatch.setattr(sleeper, "claim", replace(sleeper.claim, record=replace(sleeper.claim.record, lease_until=1.0)))
    with pytest.raises(Busy, match="took over"):
        late(sleeper)
    after = records.read(key)
    assert before is not None
    assert after is not None
    assert [link.claim for link in after.links] == [link.claim for link in before.links]
    second.end()


def test_unwritten_claim_counts_for_a_few_seconds(records: Records, key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert records.create(key, record(key)) is not None
    chain = records.read(key)
    assert chain is not None
    assert records.holder(chain) is not None
    monkeypatch.setattr(records_module, "GRACE", 0.0)
    assert records.holder(chain) is None
    hold = records.succeed(chain, record(key))
    assert hold is not None
    hold.remove()
    assert records.read(key) is None


def test_who_took_too_long_to_write_looks_whether_he_was_succeeded(
    records: Records, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow = records.create(key, record(key))
    assert slow is not None
    chain = records.read(key)
    assert chain is not None
    assert records.succeed(chain, record(key)) is not None
    monkeypatch.setattr(hold_module, "GRACE", 0.0)
    with pytest.raises(Busy, match="took over"):
        slow.begin()


def test_waiting_ends_at_the_deadline_and_says_for_whom(records: Records, key: str) -> None:
    hold = begun(records, key)
    operation: Operation[None] = Operation("test", None, timeout=0.2)
    operation.begin()
    with pytest.raises(Busy) as caught:
        records.acquire(key, record(key), DriverSide(operation), "guest x")
    assert caught.value.holder == hold.claim.record.holder
    hold.end()


def test_content_of_an_earlier_life_is_overwritten_whole(records: Records, key: str) -> None:
    hold = begun(records, key)
    hold.rewrite(phase=Phase.DELETING)
    assert len(hold.volume.read(2 * SIZE)) == SIZE
    hold.end()


def test_holder_that_wakes_late_writes_over_nothing(
    records: Records, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever took over has finished and rewritten the head: a late sign of life would make it the sleeper's again."""
    renew = hold_module.Hold._renew
    monkeypatch.setattr(hold_module, "LEASE", 0.0)
    monkeypatch.setattr(hold_module.Hold, "_renew", lambda _: None)
    sleeper = begun(records, key)
    chain = records.read(key)
    assert chain is not None
    second = records.succeed(chain, record(key))
    assert second is not None
    second.settle(Phase.READY)
    waking = threading.Thread(target=renew, args=(sleeper,), daemon=True)
    waking.start()
    waking.join(20)
    assert not waking.is_alive()
    now = records.read(key)
    assert now is not None
    assert [link.claim for link in now.links] == [second.claim]
    with pytest.raises(Busy, match="took over"):
        sleeper.verify()
