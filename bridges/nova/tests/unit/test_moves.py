"""Tickets that are kept for who looks after a killed process's moves."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import nova_virt_api as virt
from nova_virt_bridge.moves import Moves

GUEST = virt.stable_uuid("moving")
TICKET = virt.Ticket(move=virt.Move.LIVE, guest=GUEST, driver="fake", driver_version="1", content="{}")


@pytest.fixture
def directory(config: Any, tmp_path: Path) -> Path:
    """Where tickets are kept."""
    config.config(group="nova_virt", state_dir=str(tmp_path / "state"))
    return tmp_path / "state" / "nova-moves"


def test_only_the_owner_can_read_a_ticket(directory: Path) -> None:
    moves = Moves()
    operation = object()
    with moves.under_way(GUEST, TICKET, lambda: operation) as given:  # type: ignore[arg-type, return-value]
        assert given is operation
        (path,) = directory.iterdir()
        assert (path.stat().st_mode & 0o777, directory.stat().st_mode & 0o777) == (0o600, 0o700)
    assert moves.abort(GUEST) == TICKET
    moves.forget(GUEST)
    moves.forget(GUEST)
    assert moves.abort(GUEST) is None


def test_a_move_that_is_aborted_while_it_begins_is_cancelled(directory: Path) -> None:
    moves, cancelled = Moves(), []

    def begin() -> Any:
        assert moves.abort(GUEST) is None, "somebody is there who looks after it"
        return SimpleNamespace(cancel=lambda: cancelled.append(GUEST))

    with moves.under_way(GUEST, TICKET, begin):
        assert cancelled == [GUEST]


def test_a_move_that_could_not_begin_is_not_under_way(directory: Path) -> None:
    moves = Moves()

    def begin() -> Any:
        raise virt.NotSupported(virt.Capability.LIVE_MIGRATION)

    with pytest.raises(virt.NotSupported), moves.under_way(GUEST, TICKET, begin):
        pytest.fail("it did not begin")
    with pytest.raises(virt.MigrationError):
        moves.complete_now(GUEST)


def test_what_cannot_be_read_is_left_alone(directory: Path) -> None:
    moves = Moves()
    with moves.under_way(GUEST, TICKET, object):  # type: ignore[arg-type]
        pass
    (directory / "another.new").write_text(TICKET.encode())
    (directory / "gone").symlink_to(directory / "nowhere")
    assert moves.left() == [TICKET]
