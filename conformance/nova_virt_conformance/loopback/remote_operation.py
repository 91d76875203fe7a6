"""An operation whose driver could be in another process: each callback is a message, and its outcome another one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nova_virt_api.driver.operation import CancelMode, Operation, Stage
from nova_virt_api.errors import VirtError

if TYPE_CHECKING:
    from collections.abc import Callable

    from nova_virt_conformance.loopback.codec import Codec


class NearOperation:
    """The end at the caller's: takes messages from the driver.

    Args:
        codec: writes and reads.
        operation: the operation.
    """

    def __init__(self, codec: Codec, operation: Operation) -> None:
        self._codec = codec
        self._operation = operation
        self.raised: list[VirtError] = []
        """What was raised into the driver: a request to cancel, the deadline, a hook's failure."""

    def answer(self, message: str, ask: Callable[[str], str]) -> str:
        """Do what a message says; its outcome as text.

        Args:
            message: a callback's name and its arguments.
            ask: takes a message back to the driver, and has its answer.
        """
        name, arguments = self._codec.decode(message)
        given = list(arguments)
        if name in ("on_cancel", "on_complete_now", "wait_until"):
            number = self._codec.encode(given[0])
            given = [lambda: self._codec.decode(ask(number))]
        try:
            return self._codec.encode(("returned", getattr(self._operation, name)(*given)))
        except VirtError as error:
            self.raised.append(error)
            return self._codec.encode(("raised", error))


class RemoteOperation:
    """The end at the driver's: implements :class:`nova_virt_api.driver.operation.Operation`.

    Args:
        codec: writes and reads.
        near: the other end.
    """

    def __init__(self, codec: Codec, near: NearOperation) -> None:
        self._codec = codec
        self._near = near
        self._kept: list[Callable[[], Any]] = []

    def stage(self, stage: Stage | str, cancel: CancelMode = CancelMode.AT_NEXT_STEP) -> None:
        """Begin a stage."""
        self._send("stage", stage, cancel)

    def progress(self, done: float, total: float) -> None:
        """Report progress."""
        self._send("progress", done, total)

    def checkpoint(self) -> None:
        """Raise if the work is to stop."""
        self._send("checkpoint")

    def remaining(self) -> float:
        """Seconds until the deadline."""
        left: float = self._send("remaining")
        return left

    def on_cancel(self, callback: Callable[[], None]) -> None:
        """Have a function called when somebody asks to cancel."""

        def call() -> None:
            callback()

        self._send("on_cancel", self._keep(call))

    def on_complete_now(self, callback: Callable[[], None]) -> None:
        """Have a function called when somebody asks to end the stage at the guest's expense."""

        def call() -> None:
            callback()

        self._send("on_complete_now", self._keep(call))

    def wait_until(self, condition: Callable[[], bool]) -> None:
        """Return once a condition holds; what it raises stays on this side, ends the wait and is raised here."""
        failures: list[BaseException] = []

        def ask() -> bool:
            try:
                return bool(condition())
            except BaseException as error:  # noqa: BLE001 - raised again below
                failures.append(error)
                return True

        self._send("wait_until", self._keep(ask))
        if failures:
            raise failures[0]

    def _keep(self, function: Callable[[], Any]) -> int:
        """Keep a function that the other end asks for by its number."""
        self._kept.append(function)
        return len(self._kept) - 1

    def _called(self, message: str) -> str:
        """The other end asks for one of the functions."""
        number: int = self._codec.decode(message)
        return self._codec.encode(self._kept[number]())

    def _send(self, name: str, *arguments: object) -> Any:
        how, outcome = self._codec.decode(self._near.answer(self._codec.encode((name, arguments)), self._called))
        if how == "raised":
            raise outcome
        return outcome
