"""Where the tests work: connections to the target, guests in the state that a test wants, and no remains."""

from __future__ import annotations

import logging
import uuid
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, Final

from nova_virt_api.capability import Capability, Feature
from nova_virt_api.compute.compute import Compute
from nova_virt_api.compute.connect import make_driver
from nova_virt_api.compute.guard import guarded
from nova_virt_api.errors import VirtError
from nova_virt_api.model.disk import Blank, Disk
from nova_virt_api.model.instance import Instance, PowerState, Scope
from nova_virt_api.model.nic import Nic
from nova_virt_api.model.placement import Placement
from nova_virt_api.model.secret import Secret
from nova_virt_api.model.spec import InstanceSpec
from nova_virt_api.model.units import MiB
from nova_virt_conformance.booted import BootedGuests
from nova_virt_conformance.built_in import with_built_image
from nova_virt_conformance.fence import Fence
from nova_virt_conformance.loopback.codec import Codec
from nova_virt_conformance.loopback.passage import Direct, Loopback
from nova_virt_conformance.observed import Observer, observed
from nova_virt_conformance.only_run import only_run_on
from nova_virt_conformance.outcome import NotApplicable, NotVerified
from nova_virt_conformance.secret_watch import SecretWatch

if TYPE_CHECKING:
    from pathlib import Path
    from uuid import UUID

    from nova_virt_api.driver.driver import Driver
    from nova_virt_api.model.capabilities import Capabilities
    from nova_virt_conformance.rig import Rig

LOG: Final = logging.getLogger(__name__)
SMALL_DISK: Final = MiB(4)
SMALL_MEMORY: Final = MiB(32)
PATIENCE: Final = 60.0
"""Seconds that any one verb of a test may take."""


class Lab:
    """One target, opened for tests.

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
        self.booted: Final = BootedGuests(self)
        self.secrets: Final = SecretWatch(self.observer.violate)
        self._connections: dict[str, Compute] = {}
        self._raw: dict[Compute, Driver] = {}
        self.declared: Capabilities
        """What the endpoint said of itself when it was opened."""

        self._kept: set[UUID] = set()
        self._given_up: set[UUID] = set()
        self._known_objects: frozenset[str] = frozenset()
        self._exits: Final = ExitStack()

    # --- connections ----------------------------------------------------------------------------------------------

    def open(self) -> None:
        """Connect, see that the target is as described, and remove what an earlier run left.

        Raises:
            VirtError: the endpoint cannot be reached, is not as the target says, or another run is under way on it.
        """
        self._exits.enter_context(self.secrets)
        self._exits.enter_context(only_run_on(self.target))
        self.target = with_built_image(self.target, LOG.info)
        self.rig.open()
        self._exits.callback(self.rig.close)
        self._exits.callback(self._disconnect_all)
        self.secrets.add(self.rig.secrets())
        self.declared = self.compute.capabilities()
        self.fence.look_around(self.compute)
        self._exits.callback(self.sweep)
        self.sweep()
        self._known_objects = self.objects()

    def close(self) -> None:
        """Remove everything and disconnect; each step is made even if the one before it failed. Idempotent."""
        self._kept.clear()
        self._given_up.clear()
        self._exits.close()

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

    def _disconnect_all(self) -> None:
        with ExitStack() as closings:
            for compute in list(self._raw):
                closings.callback(self.disconnect, compute)

    def _connection(self, name: str, owner: str) -> Compute:
        if name not in self._connections:
            self._connections[name] = self.connect(owner=owner)
        return self._connections[name]

    # --- guests ---------------------------------------------------------------------------------------------------

    def spec(self, **fields: Any) -> InstanceSpec:
        """A small guest with a blank disk and one NIC, with a new uuid and name.

        Args:
            fields: fields of the spec that are to be different.
        """
        new = uuid.uuid4()
        standard: dict[str, Any] = {
            "uuid": new,
            "name": f"conformance-{new.hex[:12]}",
            "memory_bytes": SMALL_MEMORY,
            "disks": (self.disk(),),
            "nics": (Nic(network=self.target.networks[0]),),
            "placement": Placement(pool=self.target.pools[0]),
        }
        return InstanceSpec(**(standard | fields))

    def disk(self) -> Disk:
        """A disk without an operating system where the endpoint makes such, else one from the target's image."""
        if self.compute.capabilities().has(Feature.BLANK_DISK):
            return Disk(source=Blank(), size_bytes=SMALL_DISK)
        if self.target.image is None:
            raise NotVerified("the endpoint makes no blank disks and the target names no image")
        return Disk(source=self.target.image)

    def spawn(self, **fields: Any) -> Instance:
        """A guest made from :meth:`spec`."""
        return self.compute.spawn(self.spec(**fields), timeout=PATIENCE)

    def guest(self, state: PowerState) -> Instance:
        """A new guest in this power state.

        Raises:
            NotApplicable: the endpoint has no way into this state.
            NotVerified: neither the contract nor the rig has.
        """
        guest = self.spawn(power_on=state is not PowerState.SHUTDOWN)
        match state:
            case PowerState.RUNNING | PowerState.SHUTDOWN:
                pass
            case PowerState.PAUSED:
                self.require(Capability.PAUSE)
                self.compute.pause(guest, timeout=PATIENCE)
            case PowerState.SUSPENDED:
                self.require(Capability.SUSPEND)
                self.compute.suspend(guest, timeout=PATIENCE)
            case _:
                self.rig.enter(guest, state)
        seen = self.compute.instance(guest, fresh=True)
        assert seen.power_state is state, f"the guest should be {state.value} and is shown as {seen.power_state.value}"
        return seen

    def require(self, *members: Capability | Feature) -> None:
        """End the test as not applicable unless the endpoint declares all of these."""
        capabilities = self.compute.capabilities()
        for member in members:
            answer = capabilities.answer(member)
            if not answer.available:
                raise NotApplicable(f"{member.value}: {answer.reason}")

    def keep(self, guest: Instance) -> None:
        """Leave this guest out of the clean-up between tests; it goes at the end."""
        self._kept.add(guest.uuid)
        self._known_objects = self.objects()

    def release(self, guest: Instance) -> None:
        """End :meth:`keep`: the next clean-up removes it."""
        self._kept.discard(guest.uuid)

    # --- begin and end of a test ---------------------------------------------------------------------------------

    def begin(self) -> None:
        """Forget what earlier tests did.

        Raises:
            AssertionError: a rule was broken since then, e.g. while the endpoint was opened.
        """
        self.check_rules()
        self.observer.begin()
        self.fence.refusals.clear()

    def end(self) -> None:
        """Remove what the test made, and see that nothing is left and no rule was broken.

        Raises:
            AssertionError: something is left behind, or a rule was broken.
            VirtError: a guest could not be removed.
        """
        try:
            self.sweep()
        except BaseException as error:
            for line in (*self.left_behind(), *self.broken_rules()):
                error.add_note(line)
            raise
        told = [*self.left_behind(), *self.broken_rules()]
        if told:
            raise AssertionError("\n".join(told))

    def broken_rules(self) -> list[str]:
        """The rules for every call that were broken since :meth:`begin`, a line each; told once."""
        return [*self.observer.take_violations(), *self.fence.take_breaches()]

    def check_rules(self) -> None:
        """See that none was broken.

        Raises:
            AssertionError: one was; says which.
        """
        broken = self.broken_rules()
        if broken:
            raise AssertionError("\n".join(broken))

    def objects(self) -> frozenset[str]:
        """What the rig sees on the backend; nothing when it cannot look."""
        try:
            return frozenset(self.rig.backend_objects())
        except NotVerified:
            return frozenset()

    def left_behind(self) -> list[str]:
        """A line that names what is on the backend now and was not known before; told once."""
        now = self.objects()
        new = now - self._known_objects
        self._known_objects = now
        return [f"left behind on the backend: {', '.join(sorted(new))}"] if new else []

    def sweep(self) -> None:
        """Remove all guests and leftovers of the kit's owners, except guests that are kept.

        What could not be removed is left alone until the end, so that it fails one test and not all that follow.

        Raises:
            VirtError: something could not be removed; all else is.
        """
        failures: list[VirtError] = []
        for compute in (self.compute, self.other):
            guests = [guest.uuid for guest in compute.instances(scope=Scope.OWNED, fresh=True)]
            remains = [leftover.uuid for leftover in compute.leftovers()]
            for guest in dict.fromkeys([*guests, *remains]):
                if guest in self._kept | self._given_up:
                    continue
                try:
                    compute.destroy(guest, timeout=PATIENCE)
                except VirtError as error:
                    self._given_up.add(guest)
                    failures.append(error)
        self.fence.keep_only(self._kept | self._given_up)
        if failures:
            raise failures[0]
