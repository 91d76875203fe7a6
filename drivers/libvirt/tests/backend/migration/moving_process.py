"""A process that does one phase of a live migration, or a whole one, and says how it ended; tests kill some."""

import json
import sys
from collections.abc import Callable
from typing import Any
from uuid import UUID

import nova_virt_api as virt
from nova_virt_api.driver.live_migration import LiveMigration

AT_SOURCE = ("check_source", "migrate", "finish_source", "rollback_source")


def main() -> None:
    """Do what standard input says."""
    asked = json.loads(sys.stdin.readline())
    try:
        outcome = {"ticket": done(asked)}
    except virt.VirtError as error:
        outcome = {"error": error.code, "text": str(error), "state_after": error.state_after.value}
    print(json.dumps(outcome), flush=True)  # noqa: T201


def done(asked: dict[str, Any]) -> str:
    """Do it; returns the ticket that it gave, as text."""
    source, destination = asked["ends"]
    guest = virt.InstanceRef(uuid=UUID(str(asked["guest"])))
    what = str(asked["what"])
    if what == "live_migrate":
        with virt.connect("libvirt", **source) as here, virt.connect("libvirt", **destination) as there:
            here.live_migrate(guest, to=there, timeout=100)
        return ""
    ticket = virt.Ticket.decode(str(asked["ticket"])) if asked["ticket"] else None
    with virt.connect("libvirt", **(source if what in AT_SOURCE else destination)) as compute:
        given = compute.perform(guest, LiveMigration, phase(what, guest, ticket), timeout=100)
    return given.encode() if isinstance(given, virt.Ticket) else ""


def phase(what: str, guest: virt.InstanceRef, ticket: Any) -> Callable[[LiveMigration, Any], Any]:
    """Calls a phase with the arguments that it takes."""
    calls: dict[str, Callable[[LiveMigration, Any], Any]] = {
        "check_destination": lambda role, op: role.check_destination(guest, op),
        "check_source": lambda role, op: role.check_source(guest, ticket, op),
        "prepare": lambda role, op: role.prepare(ticket, op),
        "migrate": lambda role, op: role.migrate(guest, ticket, op),
        "finish_source": lambda role, op: role.finish_source(guest, ticket, op),
        "finish_destination": lambda role, op: role.finish_destination(guest, op),
        "rollback_source": lambda role, op: role.rollback_source(guest, ticket, op),
        "rollback_destination": lambda role, op: role.rollback_destination(ticket, op),
    }
    return calls[what]


if __name__ == "__main__":
    main()
