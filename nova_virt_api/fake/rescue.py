"""Starting a rescue system in a guest's place."""

from dataclasses import replace

from nova_virt_api.capability import Capability, Feature
from nova_virt_api.driver.operation import Operation
from nova_virt_api.driver.rescue import Rescue
from nova_virt_api.errors import InvalidState
from nova_virt_api.fake.connection import Connection
from nova_virt_api.fake.guest import Guest
from nova_virt_api.fake.images import image_of
from nova_virt_api.fake.power import restart
from nova_virt_api.fake.state import State
from nova_virt_api.fake.steps import STAGES, Step
from nova_virt_api.model.identity import InstanceRef
from nova_virt_api.model.image import ImageSource
from nova_virt_api.model.instance import Lifecycle, PowerState
from nova_virt_api.model.secret import Secret

OWN = "the fake hypervisor's own"
RESCUABLE = (PowerState.RUNNING, PowerState.PAUSED, PowerState.SHUTDOWN, PowerState.CRASHED)


class FakeRescue(Rescue):
    """The role ``Rescue`` of the fake driver: the rescue system says on the console what it was made from."""

    connection: Connection

    def rescue(
        self, guest: InstanceRef, op: Operation, *, image: ImageSource | None = None, password: Secret | None = None
    ) -> None:
        connection = self.connection
        connection.require(Capability.RESCUE)
        if password is not None:
            connection.require(Feature.RESCUE_PASSWORD)
        with connection.hold(guest.uuid, "rescue"):
            with connection.world.reading() as state:
                if self._rescuable(state, guest) is None:
                    return
            system = OWN if image is None else self._fetched(image, op)
            connection.step(Step.RESCUE, op)
            with connection.world.changing() as state:
                found = self._rescuable(state, guest)
                if found is not None:
                    restart(connection.world, state, replace(found, rescue=system))

    def unrescue(self, guest: InstanceRef, op: Operation) -> None:
        connection = self.connection
        connection.require(Capability.RESCUE)
        with connection.hold(guest.uuid, "unrescue"):
            with connection.world.reading() as state:
                if connection.ready(state, guest, Lifecycle.RESCUED, Lifecycle.ERROR).rescue is None:
                    return
            connection.step(Step.UNRESCUE, op)
            with connection.world.changing() as state:
                found = connection.ready(state, guest, Lifecycle.RESCUED, Lifecycle.ERROR)
                if found.rescue is not None:
                    restart(connection.world, state, replace(found, rescue=None))

    def _rescuable(self, state: State, guest: InstanceRef) -> Guest | None:
        """The guest; None if it is rescued already."""
        found = self.connection.ready(state, guest, Lifecycle.RESCUED)
        if found.rescue is not None:
            return None
        if found.power_state not in RESCUABLE:
            raise InvalidState(found.power_state, RESCUABLE, hint="resume it first")
        return found

    def _fetched(self, image: ImageSource, op: Operation) -> str:
        self.connection.require(Feature.RESCUE_IMAGE)
        op.stage(STAGES[Step.RESCUE_IMAGE])
        self.connection.switches.reach(Step.RESCUE_IMAGE, op)
        return image_of(self.connection, image, "image", op).text
