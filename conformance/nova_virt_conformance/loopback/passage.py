"""The way of every call from Compute to a driver: straight, with a look at what passes, or as text both ways."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Protocol

from nova_virt_api.errors import VirtError
from nova_virt_conformance.loopback.codec import CannotCrossError, Codec, same
from nova_virt_conformance.loopback.remote_operation import NearOperation, RemoteOperation
from nova_virt_conformance.observed_operation import ObservedOperation

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from nova_virt_api.events import DriverEvent, Emit, Subscription

STAYING: Final = frozenset({"Driver.native", "Driver.options"})
"""Methods whose results are used only where the driver is."""


class Passage(Protocol):
    """How calls reach a driver."""

    def call(self, method: str, own: Callable[..., Any], arguments: Sequence[Any], named: Mapping[str, Any]) -> Any:
        """Call the driver's own method and return, or raise, what comes of it.

        Args:
            method: the contract's name of it.
            own: the driver's method.
            arguments: its arguments; an operation and an ``Emit`` among them work both ways.
            named: its keyword arguments.
        """


class Direct:
    """Calls go straight; everything that passes is encoded, decoded and compared, and a loss is a violation.

    Args:
        codec: writes and reads.
        violate: takes a line of text when something could not have been sent.
    """

    def __init__(self, codec: Codec, violate: Callable[[str], None]) -> None:
        self._codec = codec
        self._violate = violate

    def call(self, method: str, own: Callable[..., Any], arguments: Sequence[Any], named: Mapping[str, Any]) -> Any:
        """See :meth:`Passage.call`."""
        for argument in (*arguments, *named.values()):
            if not isinstance(argument, ObservedOperation) and not callable(argument):
                self._check(argument, f"an argument of {method}")
        given = [self._looked_at(argument) if callable(argument) else argument for argument in arguments]
        try:
            result = own(*given, **named)
        except VirtError as error:
            self._check(error, f"the error of {method}")
            raise
        if method not in STAYING and method != "Driver.events":
            self._check(result, f"the result of {method}")
        return result

    def _looked_at(self, emit: Emit) -> Emit:
        def look(event: DriverEvent) -> None:
            self._check(event, "an event")
            emit(event)

        return look

    def _check(self, value: object, what: str) -> None:
        try:
            copy = self._codec.decode(self._codec.encode(value, what))
        except CannotCrossError as error:
            self._violate(str(error))
            return
        if not same(value, copy):
            self._violate(f"{what} is another one after it was encoded and decoded")


class Loopback:
    """A driver as if it were in another process: both sides see copies only, made from text.

    Args:
        codec: writes and reads.
        violate: takes a line of text when something cannot be sent.
    """

    def __init__(self, codec: Codec, violate: Callable[[str], None]) -> None:
        self._codec = codec
        self._violate = violate

    def call(self, method: str, own: Callable[..., Any], arguments: Sequence[Any], named: Mapping[str, Any]) -> Any:
        """See :meth:`Passage.call`."""
        operations = [NearOperation(self._codec, one) for one in arguments if isinstance(one, ObservedOperation)]
        given = [self._far(argument, method, operations) for argument in arguments]
        more = {name: self._copy(value, f"an argument of {method}") for name, value in named.items()}
        try:
            result = own(*given, **more)
        except VirtError as raised:
            error = raised
        else:
            return self._returned(result, method)
        raise self._at_home(self._copy(error, f"the error of {method}"), operations)

    def _returned(self, result: Any, method: str) -> Any:
        if method in STAYING:
            return result
        if method == "Driver.events":
            return RemoteSubscription(result)
        return self._copy(result, f"the result of {method}")

    def _far(self, argument: Any, method: str, operations: Sequence[NearOperation]) -> Any:
        """An argument as the driver gets it."""
        if isinstance(argument, ObservedOperation):
            return RemoteOperation(self._codec, operations[0])
        if callable(argument):
            return lambda event: argument(self._copy(event, "an event"))
        return self._copy(argument, f"an argument of {method}")

    def _at_home(self, error: VirtError, operations: Sequence[NearOperation]) -> BaseException:
        """An error as its receiver gets it; what a hook of the receiver's own raised never left, and is its cause."""
        for operation in operations:
            for sent in operation.raised:
                if type(sent) is type(error) and sent.message == error.message:
                    error.__cause__ = sent.__cause__
        return error

    def _copy(self, value: object, what: str) -> Any:
        try:
            return self._codec.decode(self._codec.encode(value, what))
        except CannotCrossError as error:
            self._violate(str(error))
            raise


class RemoteSubscription:
    """The receiver's end of a subscription.

    Args:
        subscription: the driver's end.
    """

    def __init__(self, subscription: Subscription) -> None:
        self._subscription = subscription

    def close(self) -> None:
        """Send the word, and wait for the answer."""
        self._subscription.close()
