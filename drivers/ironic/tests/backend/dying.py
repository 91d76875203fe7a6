"""A process of its own that begins a verb and dies at a request: run by test_recovery.py.

Arguments: a JSON object with ``endpoint``, ``resource_class``, ``verb`` (``spawn`` or ``destroy``), ``guest``, and
``at``: the number of the request at which it is killed; negative numbers: right after that request was answered.
Prints ``done`` if it comes to its end.
"""

import itertools
import json
import os
import signal
import sys
import uuid
from typing import Any

import nova_virt_api as virt
from nova_virt_api.model.image import Native
from nova_virt_ironic.session import Session


def die() -> None:
    """End as power cuts do."""
    os.kill(os.getpid(), signal.SIGKILL)


def spec_of(guest: str) -> virt.InstanceSpec:
    """What is spawned; the test asks for the same."""
    return virt.InstanceSpec(
        uuid=uuid.UUID(guest),
        name="guest",
        memory_bytes=1024**3,
        disks=[virt.Disk(source=Native("http://127.0.0.1/image"))],
    )


def main() -> None:
    """Do it."""
    asked = json.loads(sys.argv[1])
    numbers = itertools.count(1)
    original = Session.request

    def request(self: Session, *args: Any, **more: Any) -> Any:
        number = next(numbers) if armed else 0
        if number == asked["at"]:
            die()
        answer = original(self, *args, **more)
        if number == -asked["at"]:
            die()
        return answer

    armed = False
    Session.request = request  # type: ignore[method-assign]
    with virt.connect(
        "ironic", owner="nova-virt-tests", endpoint=asked["endpoint"], resource_class=asked["resource_class"]
    ) as compute:
        armed = True
        if asked["verb"] == "spawn":
            compute.spawn(spec_of(asked["guest"]), timeout=60)
        else:
            compute.destroy(uuid.UUID(asked["guest"]), timeout=60)
    sys.stdout.write("done\n")


if __name__ == "__main__":
    main()
