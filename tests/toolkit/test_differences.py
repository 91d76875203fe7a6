"""Events out of two listings."""

from dataclasses import replace
from uuid import UUID

import pytest

from nova_virt_api import Instance, PowerState, stable_uuid
from nova_virt_api.events import Changed, Gone
from nova_virt_api.toolkit.differences import differences


def listing(*instances: Instance) -> dict[UUID, Instance]:
    return {instance.uuid: instance for instance in instances}


def guest(name: str) -> Instance:
    return Instance(
        uuid=stable_uuid(name), name=name, power_state=PowerState.RUNNING, native_id=name, vcpus=1, memory_bytes=1
    )


def test_new_changed_and_gone_guests_are_told_and_no_others() -> None:
    web, db, old = guest("web"), guest("db"), guest("old")
    off, new = replace(db, power_state=PowerState.SHUTDOWN), guest("new")
    told = list(differences(listing(web, db, old), listing(web, off, new)))
    assert told == [Changed(off), Changed(new), Gone(old.uuid)]


def test_what_is_the_same_object_is_not_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> bool:
        raise AssertionError("compared")

    web = guest("web")
    monkeypatch.setattr(Instance, "__eq__", fail)
    assert list(differences(listing(web), listing(web))) == []
