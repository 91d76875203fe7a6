"""The agent inside one guest, asked through libvirt: bounded in time, and never over a connection that others need."""

from __future__ import annotations

import json
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, Final

import libvirt

from nova_virt_api.errors import BackendError, GuestAgentUnavailable, VirtError
from nova_virt_libvirt.agent.info import guest_info
from nova_virt_libvirt.errors import HINTS, message_of, translate

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nova_virt_api.model.guest_info import GuestInfo
    from nova_virt_libvirt.connection import Connection
    from nova_virt_libvirt.domain import Domain

ANSWER_SECONDS: Final = 10
"""For how long an agent may think about a question, or about what is quickly done."""

FREEZE_SECONDS: Final = 60
"""For how long it may take to bring file systems to rest: it writes what is in memory."""

WINDOWS: Final = "mswindows"
STATUS: Final = json.dumps({"execute": "guest-fsfreeze-status"})

UNAVAILABLE_CODES: Final = frozenset({libvirt.VIR_ERR_AGENT_UNRESPONSIVE, libvirt.VIR_ERR_AGENT_UNSYNCED})
UNAVAILABLE_TEXTS: Final = (
    "QEMU guest agent is not configured",
    "has been disabled",
    "has not been found",
    "Command not found",
    "agent command timed out",
)
"""What libvirt says of a guest without the agent's channel, and agents of commands that they may not or cannot do."""

DISABLED: Final = "has been disabled"
"""What an agent says of commands that it may not do, and while it is frozen, of almost all."""


REFUSED: Final = "unable to execute QEMU agent command"
"""How libvirt begins to tell what an agent could not do."""


class GuestAgent:
    """One running guest's agent.

    Args:
        connection: a connection for agents only; a silent one holds up what is asked over it.
        domain: the guest.
    """

    def __init__(self, connection: Connection, domain: Domain) -> None:
        self._connection = connection
        self._uuid = domain.uuid

    def info(self) -> GuestInfo:
        """All that it tells; what it does not know, libvirt leaves out.

        Raises:
            GuestAgentUnavailable: it is not there, or does not answer.
        """
        with self._asked("ask the guest", ANSWER_SECONDS) as native:
            return guest_info(native.guestInfo(0, 0))  # virDomainGetGuestInfo; 0: everything there is

    def administrator(self) -> str:
        """Who may do everything in the guest."""
        with self._asked("ask the guest for its operating system", ANSWER_SECONDS) as native:
            told = native.guestInfo(libvirt.VIR_DOMAIN_GUEST_INFO_OS, 0)
        return "Administrator" if told.get("os.id") == WINDOWS else "root"

    def set_password(self, user: str, password: str) -> None:
        """Change a user's password."""
        with self._asked(f"set the password of user {user}", ANSWER_SECONDS) as native:
            native.setUserPassword(user, password, 0)

    def freeze(self) -> bool:
        """Bring all file systems to rest; False if they were at rest already.

        Raises:
            GuestAgentUnavailable: it is not there, does not answer, or may not do it; nothing is at rest then.
        """
        try:
            with self._asked("bring the guest's file systems to rest", FREEZE_SECONDS) as native:
                try:
                    native.fsFreeze(None, 0)
                except libvirt.libvirtError as error:
                    if DISABLED in message_of(error) and is_frozen(native):
                        return False
                    raise
        except GuestAgentUnavailable:
            with suppress(VirtError):  # it may have been slow only, and would come to rest after all
                self.thaw()
            raise
        return True

    def thaw(self) -> None:
        """Let the guest write again; nothing happens if it does."""
        with self._asked("let the guest write again", ANSWER_SECONDS) as native:
            native.fsThaw(None, 0)

    @contextmanager
    def _asked(self, what: str, seconds: int) -> Iterator[Any]:
        try:
            native = self._connection.native.lookupByUUID(self._uuid.bytes)
            native.agentSetResponseTimeout(seconds, 0)  # libvirt's own default is to wait for ever
            yield native
        except libvirt.libvirtError as error:
            raise agent_error(error, what) from error


def is_frozen(native: Any) -> bool:
    """Whether the agent says that file systems are at rest; libvirt has no call of its own for that."""
    import libvirt_qemu

    answer = libvirt_qemu.qemuAgentCommand(native, STATUS, ANSWER_SECONDS, 0)
    return bool(json.loads(answer).get("return") == "frozen")


def agent_error(error: libvirt.libvirtError, what: str) -> VirtError:
    """Our error for what libvirt says when an agent was asked."""
    text = message_of(error)
    if error.get_error_code() in UNAVAILABLE_CODES or any(part in text for part in UNAVAILABLE_TEXTS):
        return GuestAgentUnavailable(f"{what}: {text}", hint=HINTS[GuestAgentUnavailable])
    if REFUSED in text:
        return BackendError(f"{what}: {text}", hint="see in the guest what keeps its agent from doing it")
    return translate(error, what)
