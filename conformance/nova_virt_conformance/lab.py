"""Where the tests work: connections to the target, guests in the state that a test wants, and no remains."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any, Final

from nova_virt_api.capability import Capability, Feature
from nova_virt_api.compute.compute import Compute
from nova_virt_api.compute.connect import make_driver
from nova_virt_api.compute.guard import guarded
from nova_virt_api.model.disk import Blank, Disk
from nova_virt_api.model.instance import Instance, PowerState, Scope
from nova_virt_api.model.nic import Nic
from nova_virt_api.model.placement import Placement
from nova_virt_api.model.spec import InstanceSpec
from nova_virt_api.model.units import MiB
from nova_virt_conformance.fence import Fence
from nova_virt_conformance.observed import Observer, observed
from nova_virt_conformance.outcome import NotApplicable, NotVerified
from nova_virt_conformance.secret_watch import SecretWatch

if TYPE_CHECKING:
    from pathlib import Path
    from uuid import UUID

    from nova_virt_api.driver.driver import Driver
    from nova_virt_conformance.rig import Rig

SMALL_DISK: Final = MiB(4)
SMALL_MEMORY: Final = MiB(32)
PATIENCE: Final = 60.0
"""Seconds that any one verb of a test may take."""


class Lab:
    """One target, opened for tests.

    Args:
        rig: eyes and hands on the backend.
        directory: for images, caches and state; empty at first.
    """

    def __init__(self, rig: Rig, directory: Path) -> None:
        self.rig: Final = rig
        self.target: Final = rig.target
        self.directory: Final = directory
        self.fence: Final = Fence(rig.target)
        self.observer: Final = Observer()
        self.secrets: Final = SecretWatch(self.observer.violate)
        self._connections: dict[str, Compute] = {}
        self._raw: dict[Compute, Driver] = {}
        self._kept: set[UUID] = set()
        self._known_objects: frozenset[str] | None = None

    # --- connections ----------------------------------------------------------------------------------------------

    def open(self) -> None:
        """Connect, see that the target is as described, and remove what an earlier run left."""
        self.secrets.__enter__()
        self.rig.open()
        self.secrets.add(self.rig.secrets())
        self.fence.look_around(self.compute)
        self.sweep()
        self._known_objects = self.objects()

    def close(self) -> None:
        """Remove everything and disconnect."""
        self._kept.clear()
        try:
            if self._known_objects is not None:
                self.sweep()
        finally:
            for compute in list(self._raw):
                self.disconnect(compute)
            self.rig.close()
            self.secrets.__exit__()

    def connect(self, *, owner: str | None = None, **options: Any) -> Compute:
        """A new connection, seen by the observer; closed at the end if not before.

        Args:
            owner: the owner; None takes the target's.
            options: options that differ from the target's.
        """
        raw = self.make_driver(owner=owner, **options)
        try:
            compute = Compute(observed(raw, self.observer, self.fence, self.secrets))
            guarded("connect", None, compute._driver.open)
        except BaseException:
            raw.close()
            raise
        self._raw[compute] = raw
        return compute

    def make_driver(self, *, owner: str | None = None, **options: Any) -> Driver:
        """The driver itself, not opened and not seen by anybody; who opens it closes it."""
        places = {"cache_dir": str(self.directory / "cache"), "state_dir": str(self.directory / "state")}
        given = {**places, **self.target.options, **options}
        return make_driver(self.target.driver, owner=owner or self.target.owner, **given)

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

    # --- begin and end of a test ----------------------------------------------------------------------------------------

    def begin(self) -> None:
        """Forget what earlier tests did."""
        self.observer.begin()
        self.fence.refusals.clear()

    def objects(self) -> frozenset[str]:
        """What the rig sees on the backend; nothing when it cannot look."""
        try:
            return frozenset(self.rig.backend_objects())
        except NotVerified:
            return frozenset()

    def left_behind(self) -> list[str]:
        """What is on the backend now and was not known before; told once."""
        now = self.objects()
        new = now - (self._known_objects or frozenset())
        self._known_objects = now
        return sorted(new)

    def sweep(self) -> None:
        """Remove all guests and leftovers of the kit's owners, except guests that are kept.

        Raises:
            VirtError: something could not be removed.
        """
        for compute in (self.compute, self.other):
            guests = [guest.uuid for guest in compute.instances(scope=Scope.OWNED, fresh=True)]
            remains = [leftover.uuid for leftover in compute.leftovers()]
            for guest in dict.fromkeys([*guests, *remains]):
                if guest not in self._kept:
                    compute.destroy(guest, timeout=PATIENCE)
        self.fence.keep_only(self._kept)
