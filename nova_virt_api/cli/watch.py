"""``nova-virt watch``."""

from __future__ import annotations

import json
import math
import time
from typing import TYPE_CHECKING, Any, Final

from nova_virt_api.cli.command import Command, add_timeout
from nova_virt_api.cli.guest_fields import fields_of
from nova_virt_api.cli.output import human, words
from nova_virt_api.cli.report import one_line
from nova_virt_api.events import Gap, InstanceEvent
from nova_virt_api.model.instance import Scope

if TYPE_CHECKING:
    import argparse

    from nova_virt_api.events import WatchEvent

TOLD_ALREADY: Final = ("power_state", "native_state", "addresses")


class Watch(Command):
    """Print the guests there are, and then a line for every change until Ctrl-C."""

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument(
            "-f", "--format", choices=("text", "json"), default="text", help="Text, or one JSON object per line."
        )
        parser.add_argument(
            "--owned",
            dest="scope",
            action="store_const",
            const=Scope.OWNED,
            default=Scope.ALL,
            help="Only guests of this owner.",
        )
        add_timeout(parser, "End after so many seconds.")

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        deadline = math.inf if parsed_args.timeout is None else time.monotonic() + parsed_args.timeout
        line_of = json_line if parsed_args.format == "json" else text_line
        try:
            with self.compute.watch(scope=parsed_args.scope) as watch:
                while (event := watch.next(None if math.isinf(deadline) else deadline - time.monotonic())) is not None:
                    self.app.stdout.write(line_of(event) + "\n")
                    self.app.stdout.flush()
        except KeyboardInterrupt:
            return


def json_line(event: WatchEvent) -> str:
    """An event as one JSON object."""
    return json.dumps({"time": round(time.time(), 3), **plain(event)})


def plain(event: WatchEvent) -> dict[str, Any]:
    """An event in plain values."""
    if isinstance(event, Gap):
        return {"event": "gap", "reason": event.reason}
    previous = event.previous.power_state.value if event.previous is not None else None
    return {
        "event": event.change.value,
        "synthetic": event.synthetic,
        "previous_power_state": previous,
        "guest": fields_of(event.instance),
    }


def text_line(event: WatchEvent) -> str:
    """An event for people."""
    clock = time.strftime("%H:%M:%S")
    if isinstance(event, Gap):
        return one_line(f"{clock} gap: {event.reason}; differences follow")
    return one_line(f"{clock} {event.change.value} {event.instance.name} ({event.instance.uuid}): {news(event)}")


def news(event: InstanceEvent) -> str:
    """What is to be told of a guest: its state, its addresses if it has any, and whatever else changed."""
    guest, previous = event.instance, event.previous
    state = guest.power_state.value
    if previous is not None and previous.power_state is not guest.power_state:
        state = f"{previous.power_state.value} -> {state}"
    now, before = fields_of(guest), fields_of(guest if previous is None else previous)
    others = [name for name in now if now[name] != before[name] and name not in TOLD_ALREADY]
    return ", ".join(
        [state, *(now["addresses"] or ()), *(f"{words(name)}: {human(name, now[name])}" for name in others)]
    )
