"""Connections to the target: each driver with an observer around it, behind one fence, watched for secrets."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, Final

from nova_virt_api.compute.compute import Compute
from nova_virt_api.compute.connect import make_driver
from nova_virt_api.compute.guard import guarded
from nova_virt_api.model.secret import Secret
from nova_virt_conformance.fence import Fence
from nova_virt_conformance.loopback.codec import Codec
from nova_virt_conformance.loopback.passage import Direct, Loopback
from nova_virt_conformance.observed import Observer, observed
from nova_virt_conformance.secret_watch import SecretWatch

if TYPE_CHECKING:
    from pathlib import Path

    from nova_virt_api.driver.driver import Driver
    from nova_virt_conformance.rig import Rig


class Connections:
    """All connections of one run, and those who look at what goes through them.

    Args:
        rig: eyes and hands on the backend.
        directory: for images, caches and state; empty at first.
        loopback: whether drivers are to be treated as if they were in another process.
    """

    def __init__(self, rig: Rig, directory: Path, *, loopback: bool = False) -> None:
        self.rig: Final = rig
        self.target = rig.target
        self.directory: Final = directory
        self.loopback: Final = loopback
        self.fence: Final = Fence(rig.target)
        self.observer: Final = Observer()
        self.secrets: Final = SecretWatch(self.observer.violate)
        self._connections: dict[str, Compute] = {}
        self._raw: dict[Compute, Driver] = {}

    def connect(self, *, owner: str | None = None, **options: Any) -> Compute:
        """A new connection, seen by the observer; closed at the end if not before.

        Args:
            owner: the owner; None takes the target's.
            options: options that differ from the target's.
        """
        raw = self.make_driver(owner=owner, **options)
        return self._opened(raw, self.seen(raw))

    def connect_apart(self) -> Compute:
        """A new connection whose driver could be in another process, whatever kind of run this is."""
        raw = self.make_driver()
        apart = Loopback(Codec(raw.extras), self.observer.violate)
        return self._opened(raw, observed(raw, self.observer, self.fence, self.secrets, apart))

    def _opened(self, raw: Driver, seen: Driver) -> Compute:
        compute = Compute(seen)
        try:
            guarded("connect", None, compute._driver.open)
        except BaseException:
            raw.close()
            raise
        self._raw[compute] = raw
        return compute

    def make_driver(self, *, owner: str | None = None, **options: Any) -> Driver:
        """The driver itself, not opened and not seen by anybody; who opens it closes it."""
        places = {"cache_dir": str(self.directory / "cache"), "state_dir": str(self.directory / "state")}
        given = {**places, **self.rig.options(), **options}
        driver = make_driver(self.target.driver, owner=owner or self.target.owner, **given)
        self.secrets.add(value.reveal() for value in driver.endpoint.options.values() if isinstance(value, Secret))
        return driver

    def seen(self, raw: Driver) -> Driver:
        """A driver of :meth:`make_driver` with the observer around it, for what is called without a ``Compute``."""
        way = Loopback if self.loopback else Direct
        passage = way(Codec(raw.extras), self.observer.violate)
        return observed(raw, self.observer, self.fence, self.secrets, passage)

    def driver(self, compute: Compute) -> Driver:
        """The driver behind a connection with the observer around it, for what a ``Compute`` does not pass on."""
        return compute._driver

    def disconnect(self, compute: Compute) -> None:
        """Close a connection of :meth:`connect`."""
        compute.close(cancel=True)
        self._raw.pop(compute, None)

    def raw(self, compute: Compute) -> Driver:
        """The driver itself behind a connection."""
        return self._raw[compute]

    @property
    def compute(self) -> Compute:
        """The connection that most tests use."""
        return self._connection("first", self.target.owner)

    @property
    def second(self) -> Compute:
        """Another connection of the same owner; plays another process."""
        return self._connection("second", self.target.owner)

    @property
    def other(self) -> Compute:
        """A connection of another owner."""
        return self._connection("other", self.target.other_owner)

    @property
    def elsewhere(self) -> Compute:
        """A connection to another endpoint, to which guests can be moved.

        Raises:
            NotVerified: the rig knows of none.
        """
        if "elsewhere" not in self._connections:
            self._connections["elsewhere"] = self.connect(**dict[str, Any](self.rig.elsewhere()))
        return self._connections["elsewhere"]

    @property
    def owned_by_the_kit(self) -> tuple[Compute, ...]:
        """A connection for each owner and endpoint where guests of the kit may be."""
        further = self._connections.get("elsewhere")
        return (self.compute, self.other) if further is None else (self.compute, self.other, further)

    def disconnect_all(self) -> None:
        """Close all of them."""
        with ExitStack() as closings:
            for compute in list(self._raw):
                closings.callback(self.disconnect, compute)

    def _connection(self, name: str, owner: str) -> Compute:
        if name not in self._connections:
            self._connections[name] = self.connect(owner=owner)
        return self._connections[name]
