"""Writing guests' boot disks anew."""

from collections.abc import Callable
from dataclasses import replace

from nova_virt_api.capability import Capability
from nova_virt_api.driver.operation import CancelMode, Operation
from nova_virt_api.driver.rebuild import Rebuild
from nova_virt_api.errors import InvalidSpec, InvalidState, NoCapacity, StateAfter, StorageError, VirtError
from nova_virt_api.fake.connection import Connection
from nova_virt_api.fake.guest import Guest, Volume
from nova_virt_api.fake.images import image_of
from nova_virt_api.fake.places import check_host, check_pool
from nova_virt_api.fake.power import restart
from nova_virt_api.fake.seed import seed_content
from nova_virt_api.fake.spawn import SIDE_VOLUME_SIZE
from nova_virt_api.fake.state import HOLDS_MEMORY, State
from nova_virt_api.fake.steps import STAGES, Step
from nova_virt_api.fake.switches import SimulatedCrash
from nova_virt_api.model.cloud_init import CloudInit
from nova_virt_api.model.identity import InstanceRef
from nova_virt_api.model.image import ImageSource
from nova_virt_api.model.instance import Instance, Lifecycle, PowerState

REBUILDABLE = (PowerState.RUNNING, PowerState.PAUSED, PowerState.SHUTDOWN, PowerState.CRASHED)


class FakeRebuild(Rebuild):
    """The role ``Rebuild`` of the fake driver. A disk remembers in words what it was made from."""

    connection: Connection

    def rebuild(
        self,
        guest: InstanceRef,
        op: Operation,
        *,
        source: ImageSource | None = None,
        cloud_init: CloudInit | None = None,
    ) -> Instance:
        self.connection.require(Capability.REBUILD)
        with self.connection.hold(guest.uuid, "rebuild"):
            return Run(self.connection, guest, op, source, cloud_init).run()


class Run:
    """One rebuild. From where the guest is stopped there is no way back, so neither a cancel nor a deadline stops it.

    Args:
        connection: for whom.
        guest: the guest.
        op: the operation worked for.
        source: the new image.
        cloud_init: the new first-boot data.
    """

    def __init__(
        self,
        connection: Connection,
        guest: InstanceRef,
        op: Operation,
        source: ImageSource | None,
        cloud_init: CloudInit | None,
    ) -> None:
        self._connection = connection
        self._world = connection.world
        self._guest = guest
        self._op = op
        self._source = source
        self._cloud_init = cloud_init
        self._text = ""

    def run(self) -> Instance:
        """Do it."""
        with self._world.reading() as state:
            self._found(state)
        self._op.stage(STAGES[Step.REBUILD_IMAGE])
        self._connection.switches.reach(Step.REBUILD_IMAGE, self._op)
        self._text = self._image()
        self._connection.step(Step.REBUILD_STOP, self._op)
        with self._world.changing() as state:
            self._stop(state, self._found(state))
        try:
            self._do(Step.REBUILD_WRITE, self._write)
            self._do(Step.REBUILD_START, self._start)
        except SimulatedCrash:
            raise
        except VirtError as error:
            error.state_after = StateAfter.CHANGED
            self._let_go()
            raise
        except BaseException:
            self._let_go()
            raise
        with self._world.reading() as state:
            return self._connection.listing.view(state, self._torn(state))

    def _found(self, state: State) -> Guest:
        """The guest, which can be rebuilt as it is now."""
        guest = self._connection.ready(state, self._guest, Lifecycle.ERROR)
        if guest.power_state not in REBUILDABLE:
            raise InvalidState(guest.power_state, REBUILDABLE, hint="resume it first")
        boot_disk_of(guest)
        if guest.power_state not in HOLDS_MEMORY:
            check_host(state, self._world.shape, guest.node, guest.vcpus, guest.memory_bytes)
        return guest

    def _image(self) -> str:
        """What the new disk is made from, in words."""
        with self._world.reading() as state:
            disk = state.volumes[boot_disk_of(self._found(state))]
        if self._source is None:
            if not disk.image:
                raise InvalidSpec("source", None, "an image, since it is not known what the guest was made from")
            return disk.image
        image = image_of(self._connection, self._source, "source", self._op)
        if image.size_bytes > disk.size_bytes:
            allowed = f"an image of at most {disk.size_bytes} bytes, the disk's size"
            raise InvalidSpec("source", f"{image.size_bytes} bytes", allowed)
        return image.text

    def _stop(self, state: State, guest: Guest) -> None:
        if self._cloud_init is not None:
            self._make_room_for_seed(state, guest)
        record = state.records.get(guest.uuid)
        if record is not None:
            state.put_record(replace(record, holder=self._connection.holder))
            guest = state.guests[guest.native_id]
        state.put(replace(guest.stopped(), torn=True))

    def _make_room_for_seed(self, state: State, guest: Guest) -> None:
        pool, _ = seed_key(guest)
        if seed_key(guest) in state.volumes:
            return
        try:
            check_pool(state, self._world.shape, pool, SIDE_VOLUME_SIZE)
        except NoCapacity as error:
            raise StorageError(f"no room for the first-boot data: {error.message}", hint="make room there") from error

    def _write(self, state: State, guest: Guest) -> None:
        state.put_volume(replace(state.volumes[boot_disk_of(guest)], content=self._text, image=self._text, base=""))
        if self._cloud_init is None:
            return
        key = seed_key(guest)
        if key not in state.volumes:
            guest = replace(guest, disks=(*guest.disks, key))
        state.put_volume(
            Volume(
                pool=key[0],
                name=key[1],
                kind="seed",
                size_bytes=SIDE_VOLUME_SIZE,
                uuid=guest.uuid,
                owner=guest.owner,
                content=seed_content(self._cloud_init),
            )
        )
        state.put(replace(guest, hostname=self._cloud_init.hostname or guest.name))

    def _start(self, state: State, guest: Guest) -> None:
        restart(self._world, state, replace(guest, torn=False))
        release_record(state, guest)

    def _torn(self, state: State) -> Guest:
        return self._connection.ready(state, self._guest, Lifecycle.ERROR)

    def _do(self, step: Step, change: Callable[[State, Guest], None]) -> None:
        self._op.stage(STAGES[step], CancelMode.NONE)
        self._connection.switches.reach(step)
        with self._world.changing() as state:
            change(state, self._torn(state))

    def _let_go(self) -> None:
        with self._world.changing() as state:
            for guest in state.claimants(self._guest.uuid):
                release_record(state, guest)


def boot_disk_of(guest: Guest) -> tuple[str, str]:
    """Pool and name of the disk that is written.

    Raises:
        InvalidSpec: the guest has none of its own.
    """
    if guest.boot_disk is None:
        raise InvalidSpec("guest", guest.name, "a guest with a boot disk of its own")
    return guest.boot_disk


def seed_key(guest: Guest) -> tuple[str, str]:
    """Pool and name of the volume with a guest's first-boot data."""
    return guest.own_disks[0][0], f"{guest.uuid}-seed"


def release_record(state: State, guest: Guest) -> None:
    """Write down that nobody works on the guest any more."""
    record = state.records.get(guest.uuid)
    if record is not None:
        state.put_record(replace(record, holder=None))
