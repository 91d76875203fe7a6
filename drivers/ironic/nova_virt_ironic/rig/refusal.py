"""What Ironic answers when it refuses something; the relay says it in its stead, to see what becomes of it."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from nova_virt_api.errors import Busy, VirtError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from nova_virt_ironic.rig.relay import Request


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer in the endpoint's stead.

    Args:
        status: its HTTP status.
        body: JSON, or nothing.
    """

    status: int
    body: bytes = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """An error that certain requests are answered with.

    Args:
        method: of the requests.
        path: what their path looks like.
        status: the HTTP status of the answer.
        text: Ironic's own words.
        about: only requests whose body contains this.
    """

    method: str
    path: re.Pattern[str]
    status: int
    text: str
    about: bytes = b""

    def __call__(self, request: Request) -> Answer | None:
        """The answer to a request; None for one that is not meant."""
        meant = request.method == self.method and self.path.search(request.path) and self.about in request.body
        return refused(self.status, self.text) if meant else None


def refused(status: int, text: str) -> Answer:
    """An error as Ironic's API words it (ironic/common/wsgi, ``error_message``)."""
    fault = {"faultcode": "Client" if status < 500 else "Server", "faultstring": text, "debuginfo": None}
    return Answer(status, json.dumps({"error_message": json.dumps(fault)}).encode())


NODE: Final = re.compile(r"/v1/nodes/[0-9a-f-]{36}$")
PROVISION: Final = re.compile(r"/states/provision$")
POWER: Final = re.compile(r"/states/power$")

HELD: Final = "Node 3d6a0f05 is locked by host conductor-7, please retry after the current operation is completed."


def locked(method: str, path: re.Pattern[str], about: bytes = b"") -> Refusal:
    """A conductor works on the node (``NodeLocked``)."""
    return Refusal(method=method, path=path, status=409, text=HELD, about=about)


REFUSALS: Final[Mapping[tuple[str, type[VirtError]], Refusal]] = {
    ("Driver.power_off", Busy): locked("PUT", POWER),
    ("Driver.power_on", Busy): locked("PUT", POWER),
    ("Driver.reboot", Busy): locked("PUT", POWER),
    ("Driver.update", Busy): locked("PATCH", NODE),
}
"""For each method and error of the contract a refusal that it has to come of."""


def unauthorized(_: Request) -> Answer:
    """Whoever asks is not known."""
    return Answer(401, json.dumps({"error": {"message": "Incorrect username or password", "code": 401}}).encode())
