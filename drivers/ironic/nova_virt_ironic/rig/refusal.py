"""What Ironic answers when it refuses something; the relay says it in its stead, to see what becomes of it."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from nova_virt_api.errors import (
    Busy,
    ImageNotFound,
    ImageRejected,
    NetworkError,
    NoCapacity,
    StorageError,
    VirtError,
)

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
MAINTENANCE: Final = re.compile(r"/maintenance$")
NMI: Final = re.compile(r"/management/inject_nmi$")
VIFS: Final = re.compile(r"/vifs(/|$)")
VALIDATE: Final = re.compile(r"/validate(\?|$)")

HELD: Final = "Node 3d6a0f05 is locked by host conductor-7, please retry after the current operation is completed."
UNBOUND: Final = "Unable to attach VIF because of a failure of the network service: Connection refused"
UNREMOVED: Final = "Could not remove the binding of the VIF: the network service timed out"
NO_IMAGE: Final = (
    "Validation of image href http://192.0.2.1/image.qcow2 failed, reason: "
    "Got HTTP code 404 instead of 200 in response to HEAD request."
)
WRONG_IMAGE: Final = "Image http://192.0.2.1/image.qcow2 is unacceptable: the requested image is not valid for use."


def locked(method: str, path: re.Pattern[str], about: bytes = b"") -> Refusal:
    """A conductor works on the node (``NodeLocked``)."""
    return Refusal(method=method, path=path, status=409, text=HELD, about=about)


@dataclass(frozen=True, slots=True)
class Unfit:
    """Ironic's answer that a node cannot be deployed.

    Args:
        reason: what it says of the interface ``deploy``.
    """

    reason: str

    def __call__(self, request: Request) -> Answer | None:
        """The answer to a request; None for one that is not meant."""
        if request.method != "GET" or VALIDATE.search(request.path) is None:
            return None
        return Answer(200, json.dumps({"deploy": {"result": False, "reason": self.reason}}).encode())


REFUSALS: Final[Mapping[tuple[str, type[VirtError]], Refusal | Unfit]] = {
    ("Adopt.adopt", Busy): locked("PATCH", NODE),
    ("Adopt.release", Busy): locked("PATCH", NODE),
    ("CrashDump.trigger_crash_dump", Busy): locked("PUT", NMI),
    ("Driver.power_off", Busy): locked("PUT", POWER),
    ("Driver.power_on", Busy): locked("PUT", POWER),
    ("Driver.reboot", Busy): locked("PUT", POWER),
    ("Driver.spawn", ImageNotFound): Unfit(NO_IMAGE),
    ("Driver.spawn", ImageRejected): Unfit(WRONG_IMAGE),
    ("Driver.update", Busy): locked("PATCH", NODE),
    ("HostControl.enter_maintenance", Busy): locked("PUT", MAINTENANCE),
    ("HostControl.leave_maintenance", Busy): locked("DELETE", MAINTENANCE),
    ("Interfaces.attach_interface", Busy): locked("POST", VIFS),
    ("Interfaces.attach_interface", NetworkError): Refusal(method="POST", path=VIFS, status=400, text=UNBOUND),
    ("Interfaces.detach_interface", Busy): locked("DELETE", VIFS),
    ("Interfaces.detach_interface", NetworkError): Refusal(method="DELETE", path=VIFS, status=400, text=UNREMOVED),
    ("Rebuild.rebuild", Busy): locked("PUT", PROVISION),
    ("Rebuild.rebuild", ImageNotFound): Refusal(method="PUT", path=PROVISION, status=400, text=NO_IMAGE),
    ("Rebuild.rebuild", ImageRejected): Refusal(method="PUT", path=PROVISION, status=400, text=WRONG_IMAGE),
    ("Rescue.rescue", Busy): locked("PUT", PROVISION),
    ("Rescue.unrescue", Busy): locked("PUT", PROVISION),
}
"""For each method and error of the contract a refusal that it has to come of."""

OWN_MACHINE: Final = "the machine is the guest's own: there is nothing that could run out"
NO_VOLUMES: Final = "storage fails only for guests that use volumes"

NEVER: Final[Mapping[tuple[str, type[VirtError]], str]] = {
    ("Adopt.check_adoptable", Busy): "it only looks, which Ironic always allows",
    ("Driver.destroy", StorageError): NO_VOLUMES,
    ("Driver.power_on", NoCapacity): OWN_MACHINE,
    ("Driver.spawn", NetworkError): "the network fails only for guests that use VIFs",
    ("Driver.spawn", StorageError): NO_VOLUMES,
    ("Rebuild.rebuild", NoCapacity): OWN_MACHINE,
    ("Rescue.rescue", NoCapacity): OWN_MACHINE,
    ("Rescue.unrescue", NoCapacity): OWN_MACHINE,
}
"""What cannot happen to a machine, with the reason."""


def unauthorized(_: Request) -> Answer:
    """Whoever asks is not known."""
    return Answer(401, json.dumps({"error": {"message": "Incorrect username or password", "code": 401}}).encode())
