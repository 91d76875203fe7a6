"""A process of its own whose children begin a verb and die at a request: run by test_recovery.py and test_claim.py.

Each line of standard input is a JSON object with ``options`` of the driver, ``verb`` (``spawn`` or ``destroy``),
``guest``, and ``at``: the number of the request at which the child is killed; negative numbers: right after that
request was answered; 0: never. It is answered by one line: ``killed``, or ``done`` with what the verb returned.
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
from nova_virt_vmware.wire import Wire


def die() -> None:
    """End as power cuts do."""
    os.kill(os.getpid(), signal.SIGKILL)


def spec_of(guest: str) -> virt.InstanceSpec:
    """What is spawned; the test asks for the same."""
    return virt.InstanceSpec(
        uuid=uuid.UUID(guest),
        name="guest",
        vcpus=1,
        memory_bytes=virt.MiB(128),
        disks=[virt.Disk(source=Native("small"), size_bytes=virt.MiB(64))],
        placement=virt.Placement(node="DC0_C0", pool="LocalDS_0"),
    )


def work(asked: dict[str, Any]) -> object:
    """Do what is asked for, up to the moment."""
    numbers = itertools.count(1)
    original = Wire.post
    armed = False

    def post(self: Wire, body: bytes, headers: Any, *, late: bool = False) -> Any:
        number = next(numbers) if armed and not late else 0
        if number and number == asked["at"]:
            die()
        answer = original(self, body, headers, late=late)
        if number and number == -asked["at"]:
            die()
        return answer

    Wire.post = post  # type: ignore[method-assign]
    with virt.connect("vmware", owner="nova-virt-tests", **asked["options"]) as compute:
        armed = True
        if asked["verb"] == "spawn":
            return compute.spawn(spec_of(asked["guest"]), timeout=120).native_id
        return compute.destroy(uuid.UUID(asked["guest"]), timeout=120)


def tell(line: str) -> None:
    """Answer."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def main() -> None:
    """Serve until the end of standard input."""
    for line in sys.stdin:
        child = os.fork()
        if not child:
            try:
                tell(f"done {work(json.loads(line))}")
            finally:
                os._exit(0)
        _, status = os.waitpid(child, 0)
        if os.WIFSIGNALED(status):
            tell("killed")


if __name__ == "__main__":
    main()
