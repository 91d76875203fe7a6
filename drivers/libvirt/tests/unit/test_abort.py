"""What QEMU is told when a move does not end: real ones are stuck so now and then only."""

import json
from typing import Any

import libvirt
import libvirt_qemu
import pytest

from nova_virt_libvirt.migration import abort
from nova_virt_libvirt.migration.abort import Abort

READY = {"type": "mirror", "ready": True}


class Guest:
    """A guest whose QEMU gives these answers, and notes what else it is told."""

    def __init__(self, status: str, state: int, jobs: list[dict[str, Any]]) -> None:
        self.told: list[Any] = []
        self._answers: dict[str, Any] = {"query-migrate": {"status": status}, "query-block-jobs": jobs}
        self._state = state

    def qemu(self, asked: str) -> str:
        """Its monitor."""
        command = json.loads(asked)
        if command["execute"] in self._answers:
            return json.dumps({"return": self._answers[command["execute"]]})
        self.told.append((command["execute"], command["arguments"]))
        return json.dumps({"error": {"desc": "refused"}})

    def name(self) -> str:
        return "web"

    def state(self) -> list[int]:
        return [self._state, 0]

    def suspend(self) -> None:
        self.told.append("suspend")

    def abortJob(self) -> None:  # noqa: N802
        self.told.append("abort")


@pytest.fixture(autouse=True)
def monitor(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lets no time pass before QEMU is asked."""
    monkeypatch.setattr(libvirt_qemu, "qemuMonitorCommand", lambda guest, asked, flags: guest.qemu(asked))
    monkeypatch.setattr(abort, "PATIENCE", -1.0)


@pytest.mark.parametrize(
    ("status", "state", "jobs", "told"),
    [
        ("active", libvirt.VIR_DOMAIN_RUNNING, [READY], []),
        ("cancelling", libvirt.VIR_DOMAIN_PAUSED, [READY], [("migrate-continue", {"state": "cancelling"})]),
        ("cancelled", libvirt.VIR_DOMAIN_RUNNING, [READY], ["suspend"]),
        ("cancelled", libvirt.VIR_DOMAIN_PAUSED, [READY], []),
        ("cancelled", libvirt.VIR_DOMAIN_RUNNING, [], []),  # said of an earlier move
        ("cancelled", libvirt.VIR_DOMAIN_RUNNING, [{"type": "mirror", "ready": False}], []),
    ],
)
def test_what_is_missing_is_said(status: str, state: int, jobs: list[dict[str, Any]], told: list[Any]) -> None:
    guest: Any = Guest(status, state, jobs)
    moving = Abort(guest)
    assert not moving.until(lambda: False)
    assert guest.told == ["abort", *told]
    assert moving.stopped is ("suspend" in told)


def test_a_move_that_ends_by_itself_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(abort, "PATIENCE", 60.0)
    guest: Any = Guest("cancelling", libvirt.VIR_DOMAIN_PAUSED, [READY])
    moving = Abort(guest)
    assert not moving.until(lambda: False)
    assert moving.until(lambda: True)
    assert guest.told == ["abort"]


def test_a_guest_that_is_gone_hurts_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any) -> None:
        raise libvirt.libvirtError("the domain does not run")

    monkeypatch.setattr(libvirt_qemu, "qemuMonitorCommand", refuse)
    guest: Any = Guest("cancelling", libvirt.VIR_DOMAIN_PAUSED, [READY])
    assert not Abort(guest).until(lambda: False)
