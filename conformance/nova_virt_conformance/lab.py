"""Where the tests work: guests in the state that a test wants, over any connection, and no remains."""

from __future__ import annotations

import logging
import uuid
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any, Final

from nova_virt_api.capability import Capability, Feature
from nova_virt_api.errors import VirtError
from nova_virt_api.model.disk import Blank, Disk, source_features
from nova_virt_api.model.instance import Instance, PowerState, Scope
from nova_virt_api.model.nic import Nic
from nova_virt_api.model.placement import Placement
from nova_virt_api.model.spec import InstanceSpec
from nova_virt_api.model.units import MiB
from nova_virt_conformance.booted import BootedGuests
from nova_virt_conformance.built_in import with_built_image
from nova_virt_conformance.connections import Connections
from nova_virt_conformance.image_files import QCOW2
from nova_virt_conformance.only_run import only_run_on
from nova_virt_conformance.outcome import NotApplicable, NotVerified
from nova_virt_conformance.stored_volumes import remove_stored

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from uuid import UUID

    from nova_virt_api.model.capabilities import Capabilities
    from nova_virt_api.model.image import ImageSource
    from nova_virt_conformance.hardware import Hardware
    from nova_virt_conformance.rig import Rig

LOG: Final = logging.getLogger(__name__)
SMALL_DISK: Final = MiB(4)
SMALL_MEMORY: Final = MiB(32)

NEEDED_FOR: Final = {PowerState.PAUSED: (Capability.PAUSE,), PowerState.SUSPENDED: (Capability.SUSPEND,)}
"""What an endpoint must declare so that the contract's verbs lead into a power state."""

OF_THE_CONTRACT: Final = frozenset({PowerState.RUNNING, PowerState.SHUTDOWN, *NEEDED_FOR})
"""States that the contract's verbs lead into."""


class Lab(Connections):
    """One target, opened for tests.

    Args:
        rig: eyes and hands on the backend.
        directory: for images, caches and state; empty at first.
        loopback: whether drivers are to be treated as if they were in another process.
    """

    def __init__(self, rig: Rig, directory: Path, *, loopback: bool = False) -> None:
        super().__init__(rig, directory, loopback=loopback)
        self.patience = rig.target.seconds_per_test / 2
        """Seconds that any one verb of a test may take: half of a test's time, so that one that hangs is told."""

        self.booted: Final = BootedGuests(self)
        self.declared: Capabilities
        """What the endpoint said of itself when it was opened."""

        self._no_way: dict[PowerState, NotApplicable | NotVerified] = {}
        self._kept: set[UUID] = set()
        self._given_up: set[UUID] = set()
        self._known_objects: frozenset[str] = frozenset()
        self._exits: Final = ExitStack()

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
        self._exits.callback(self.disconnect_all)
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
            "nics": (Nic(network=self.target.network),),
            "placement": Placement(pool=self.target.pool),
        }
        return InstanceSpec(**(standard | fields))

    def disk(self) -> Disk:
        """A disk without an operating system where the endpoint makes such, else one from the target's image."""
        has = self.compute.capabilities().has
        if has(Feature.BLANK_DISK):
            return Disk(source=Blank(), size_bytes=SMALL_DISK)
        if self.target.image is None:
            raise NotVerified("the endpoint makes no blank disks and the target names no image")
        if not all(map(has, source_features(self.target.image))):
            raise NotVerified("the endpoint makes no blank disks, and the target's image is of a kind that it lacks")
        return Disk(source=self.target.image)

    def check_size(self, guest: Instance | Hardware, spec: InstanceSpec) -> None:
        """See that a guest has the CPUs and the memory of its spec, or as a whole node at least these.

        Raises:
            AssertionError: it has not.
        """
        has, asked = (guest.vcpus, guest.memory_bytes), (spec.vcpus, spec.memory_bytes)
        enough = has[0] >= asked[0] and has[1] >= asked[1] if self.whole_nodes else has == asked
        assert enough, f"CPUs and memory are {has}, {asked} were asked for"

    def image(self) -> ImageSource:
        """An image for a boot disk, of a kind that the endpoint takes; its disk is smaller than :meth:`disk`."""
        has = self.compute.capabilities().has
        if has(Feature.CLIENT_IMAGES):
            return QCOW2.source(self.directory)
        if self.target.image is None or not all(map(has, source_features(self.target.image))):
            raise NotVerified("the target names no image of a kind that the endpoint takes")
        return self.target.image

    @property
    def whole_nodes(self) -> bool:
        """Whether a guest is a whole node, which may have more than was asked for."""
        return self.compute.capabilities().has(Feature.WHOLE_NODES)

    def spawn(self, **fields: Any) -> Instance:
        """A guest made from :meth:`spec`."""
        return self.compute.spawn(self.spec(**fields), timeout=self.patience)

    def guest(self, state: PowerState) -> Instance:
        """A new guest in this power state.

        Raises:
            NotApplicable: the endpoint has no way into this state.
            NotVerified: neither the contract nor the rig has.
        """
        self.require(*NEEDED_FOR.get(state, ()))
        if state not in OF_THE_CONTRACT:
            self.check_way(state)
        guest = self.spawn(power_on=state is not PowerState.SHUTDOWN)
        match state:
            case PowerState.RUNNING | PowerState.SHUTDOWN:
                pass
            case PowerState.PAUSED:
                self.compute.pause(guest, timeout=self.patience)
            case PowerState.SUSPENDED:
                self.compute.suspend(guest, timeout=self.patience)
            case _:
                self.enter(guest, state)
        seen = self.compute.instance(guest, fresh=True)
        assert seen.power_state is state, f"the guest should be {state.value} and is shown as {seen.power_state.value}"
        return seen

    @contextmanager
    def hurried(self, seconds: float) -> Iterator[None]:
        """Let verbs have no more time than this for a while: a driver may wait as long as it has."""
        usual, self.patience = self.patience, seconds
        try:
            yield
        finally:
            self.patience = usual

    def enter(self, guest: Instance, state: PowerState) -> None:
        """Bring a guest natively into a state; that there is no way is kept, so that no guest is made for it again.

        Raises:
            NotApplicable: the backend has no such state.
            NotVerified: the rig cannot do it.
        """
        try:
            self.rig.enter(guest, state)
        except (NotApplicable, NotVerified) as error:
            self._no_way[state] = error
            raise

    def spare_node(self) -> str:
        """The name of a node that may be taken out of use: the one that a new guest is, or one that the target names.

        Raises:
            NotVerified: the target names none.
        """
        if self.whole_nodes:
            guest = self.spawn(power_on=False)
            assert guest.node is not None, "a guest that is a whole node is on none"
            return guest.node
        if not self.target.nodes:
            raise NotVerified("the target names no node that the kit may take out of use")
        same = [node.name for node in self.compute.nodes() if self.target.nodes[0] in (node.name, node.id)]
        assert same, f"the target's node {self.target.nodes[0]} is not there any more"
        return same[0]

    def check_way(self, state: PowerState) -> None:
        """Raise what :meth:`enter` is known to raise for a state, before a guest is made for it."""
        if state in self._no_way:
            raise self._no_way[state]

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
        """Remove all guests, leftovers and volumes of the kit's owners, except guests that are kept.

        What could not be removed is left alone until the end, so that it fails one test and not all that follow.

        Raises:
            VirtError: something could not be removed; all else is.
        """
        failures: list[VirtError] = []
        for node in sorted(self.fence.nodes):
            self.compute.leave_maintenance(node, timeout=self.patience)
        for compute in self.owned_by_the_kit:
            guests = [guest.uuid for guest in compute.instances(scope=Scope.OWNED, fresh=True)]
            remains = [leftover.uuid for leftover in compute.leftovers()]
            for guest in dict.fromkeys([*guests, *remains]):
                if guest in self._kept | self._given_up:
                    continue
                try:
                    compute.destroy(guest, timeout=self.patience)
                except VirtError as error:
                    self._given_up.add(guest)
                    failures.append(error)
            remove_stored(compute, self.patience)
        self.fence.keep_only(self._kept | self._given_up)
        if failures:
            raise failures[0]
