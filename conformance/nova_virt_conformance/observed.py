"""A driver with an observer around it: every call of every test is held against the contract's general rules."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from nova_virt_api.compute.operation import DriverSide
from nova_virt_api.driver.driver import Driver
from nova_virt_api.driver.role import Role
from nova_virt_api.errors import VirtError, shorten
from nova_virt_api.model.clone import CloneSpec
from nova_virt_api.model.identity import InstanceRef
from nova_virt_api.model.nic import Nic
from nova_virt_api.model.spec import InstanceSpec
from nova_virt_api.toolkit.committed import Committed
from nova_virt_conformance.contract import READS, allowed_errors, methods
from nova_virt_conformance.fence import OutOfBounds
from nova_virt_conformance.observed_operation import ObservedOperation

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from uuid import UUID

    from nova_virt_conformance.fence import Fence
    from nova_virt_conformance.loopback.passage import Passage
    from nova_virt_conformance.secret_watch import SecretWatch

METHODS: Final = methods()
VERBS_ON_NODES: Final = frozenset({"enter_maintenance", "leave_maintenance"})


@dataclass(frozen=True, slots=True)
class Call:
    """One call of a driver's method.

    Args:
        method: the contract's name of it, e.g. ``Driver.spawn``.
        error: what it raised.
    """

    method: str
    error: BaseException | None


class Observer:
    """What was seen since the last :meth:`begin`. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._begun: set[str] = set()
        self._calls: list[Call] = []
        self._violations: list[str] = []

    def begin(self) -> None:
        """Forget all that was seen."""
        with self._lock:
            self._begun.clear()
            self._calls.clear()
            self._violations.clear()

    @property
    def begun(self) -> frozenset[str]:
        """The methods that were called, even if they have not returned."""
        with self._lock:
            return frozenset(self._begun)

    @property
    def calls(self) -> tuple[Call, ...]:
        """The calls that returned, in that order."""
        with self._lock:
            return tuple(self._calls)

    def take_violations(self) -> tuple[str, ...]:
        """What broke a general rule, a line each; told once."""
        with self._lock:
            taken = tuple(dict.fromkeys(self._violations))
            self._violations.clear()
        return taken

    def violate(self, text: str) -> None:
        """Note that a rule was broken."""
        with self._lock:
            self._violations.append(text)

    def began(self, method: str) -> None:
        """Note the begin of a call."""
        with self._lock:
            self._begun.add(method)

    def returned(self, method: str, error: BaseException | None) -> None:
        """Note the end of a call, and judge what it raised."""
        with self._lock:
            self._calls.append(Call(method, error))
        if not isinstance(error, Exception | SystemExit):  # Ctrl-C and the end of a test's time come from outside
            return
        name = method.rpartition(".")[2]
        if not isinstance(error, VirtError):
            self.violate(f"{method} let a native {type(error).__qualname__} escape: {shorten(str(error), 200)}")
        elif method in METHODS and not isinstance(error, (OutOfBounds, *allowed_errors(name, METHODS[method]))):
            self.violate(f"{method} raised {type(error).__name__}, which it does not document: {error}")


def observed(driver: Driver, observer: Observer, fence: Fence, secrets: SecretWatch, passage: Passage) -> Driver:
    """The same driver with the same roles, seen by an observer and kept behind a fence.

    Args:
        driver: the driver under test.
        observer: is told of every call.
        fence: refuses what the kit must not do.
        secrets: looks into every error.
        passage: the way of every call of the contract.
    """
    kind = type(driver)
    owners: tuple[type, ...] = (*role_classes(kind), Driver)
    namespace: dict[str, Any] = {
        name: forward(f"{owner.__name__}.{name}") for owner in reversed(owners) for name in forwarded(owner)
    }
    namespace |= {"extras": kind.extras, "__init__": initialise}
    wrapped: Driver = type(f"Observed{kind.__name__}", owners, namespace)(driver, observer, fence, secrets, passage)
    return wrapped


def role_classes(kind: type) -> tuple[type[Role], ...]:
    """The roles that a driver's class has, the contract's and its vendor's own."""
    return tuple(base for base in kind.__mro__ if Role in base.__bases__)


def forwarded(owner: type) -> Iterator[str]:
    """The methods of a class of the contract, or of a vendor's role, that go to the driver."""
    members = ((name, getattr(member, "__func__", member)) for name, member in vars(owner).items())
    return (name for name, member in members if not name.startswith("_") and callable(member))


def initialise(
    self: Any, driver: Driver, observer: Observer, fence: Fence, secrets: SecretWatch, passage: Passage
) -> None:
    """Keep the driver and those who look at it."""
    Driver.__init__(self, driver.endpoint)
    self.observed_driver = driver
    self.observer = observer
    self.fence = fence
    self.secrets = secrets
    self.passage = passage


def forward(method: str) -> Callable[..., Any]:
    """A method that passes the fence, calls the driver's own and tells the observer how it ended."""
    name = method.rpartition(".")[2]

    def call(self: Any, *arguments: Any, **named: Any) -> Any:
        guests = admit(self.fence, name, arguments)
        if name in VERBS_ON_NODES:
            self.fence.admit_node(name, arguments[0], self.observed_driver)
        own = getattr(self.observed_driver, name)
        seen = [watched(self.observer, argument) for argument in arguments]
        self.observer.began(method)
        try:
            result = self.passage.call(method, own, seen, named) if method in METHODS else own(*seen, **named)
        except BaseException as error:
            self.observer.returned(method, error)
            self.secrets.look(f"{error} {error.args}", f"the {type(error).__name__} that {method} raised")
            raise
        self.observer.returned(method, None)
        self.fence.saw(result)
        if name == "destroy":
            self.fence.forget(guests[0])
        elif name == "leave_maintenance":
            self.fence.nodes.discard(arguments[0])
        return result

    call.__name__ = name
    call.__doc__ = f"See :meth:`{method}`."
    return call


def admit(fence: Fence, name: str, arguments: tuple[Any, ...]) -> list[UUID]:
    """Let the fence look at what a method is asked for; returns the guests that it names."""
    guests = [argument.uuid for argument in arguments if isinstance(argument, InstanceRef)]
    for argument in arguments:
        if isinstance(argument, InstanceSpec):
            fence.admit_spec(argument)
        elif isinstance(argument, CloneSpec):
            fence.admit_clone(guests[0], argument)
        elif isinstance(argument, Nic):
            fence.admit_nic(argument)
    if name not in READS:
        for guest in guests:
            fence.admit_verb(name, guest)
    return guests


def watched(observer: Observer, argument: Any) -> Any:
    """An argument as the driver gets it: of an operation, one whose use is seen."""
    operation = isinstance(argument, DriverSide | Committed)
    return ObservedOperation(argument, observer.violate) if operation else argument
