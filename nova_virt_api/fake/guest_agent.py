"""The agents that run in fake guests."""

from collections.abc import Callable
from dataclasses import replace
from ipaddress import ip_interface

from nova_virt_api.capability import Capability, Feature
from nova_virt_api.driver.guest import Guest as GuestRole
from nova_virt_api.driver.operation import Operation
from nova_virt_api.errors import GuestAgentUnavailable
from nova_virt_api.fake.connection import Connection
from nova_virt_api.fake.guest import Guest
from nova_virt_api.fake.listing import find
from nova_virt_api.fake.power import require
from nova_virt_api.fake.state import State
from nova_virt_api.fake.steps import Step
from nova_virt_api.model.guest_info import GuestFilesystem, GuestInfo, GuestInterface, GuestOs
from nova_virt_api.model.identity import InstanceRef
from nova_virt_api.model.instance import PowerState
from nova_virt_api.model.secret import Secret
from nova_virt_api.version import __version__

ADMINISTRATOR = "root"
PREFIX_LENGTH = 24
USED = 1024**2


class FakeGuestAgent(GuestRole):
    """The role ``Guest`` of the fake driver: agents know what their guest is made of, and forget passwords at once."""

    connection: Connection

    def guest_info(self, guest: InstanceRef) -> GuestInfo:
        self.connection.require(Capability.GUEST)
        self.connection.switches.reach(Step.READ)
        with self.connection.world.reading() as state:
            return told(state, answering(find(guest, state.claimants(guest.uuid))))

    def set_password(self, guest: InstanceRef, password: Secret, op: Operation, *, user: str | None = None) -> None:
        self.connection.require(Feature.GUEST_PASSWORD)
        name = user or ADMINISTRATOR
        self._act(guest, op, Step.SET_PASSWORD, lambda found: replace(found, passwords=(*found.passwords, name)))

    def quiesce(self, guest: InstanceRef, op: Operation) -> None:
        self.connection.require(Feature.GUEST_QUIESCE)
        self._act(guest, op, Step.QUIESCE, lambda found: replace(found, quiesced=True))

    def unquiesce(self, guest: InstanceRef, op: Operation) -> None:
        self.connection.require(Feature.GUEST_QUIESCE)
        self._act(guest, op, Step.UNQUIESCE, Guest.thawed)

    def _act(self, ref: InstanceRef, op: Operation, step: Step, change: Callable[[Guest], Guest]) -> None:
        connection = self.connection
        connection.require(Capability.GUEST)
        with connection.hold(ref.uuid, step.value):
            with connection.world.reading() as state:
                answering(connection.ready(state, ref))
            connection.step(step, op)
            with connection.world.changing() as state:
                state.put(change(answering(connection.ready(state, ref))))


def answering(guest: Guest) -> Guest:
    """The guest, whose agent answers.

    Raises:
        InvalidState: the guest does not run.
        GuestAgentUnavailable: it has no agent, or none yet.
    """
    require(guest, (PowerState.RUNNING,))
    if not has_agent(guest):
        raise GuestAgentUnavailable(
            "the guest's agent does not answer", hint="install and start it in the guest, or wait for until.agent()"
        )
    return guest


def has_agent(guest: Guest) -> bool:
    """Whether a guest has an agent that answers now."""
    return guest.power_state is PowerState.RUNNING and guest.has_agent and guest.ready_at is None


def told(state: State, guest: Guest) -> GuestInfo:
    """What a guest's agent says."""
    ports = [state.ports[name] for name in guest.ports if name in state.ports]
    disks = [state.volumes[key] for key in guest.own_disks if key in state.volumes]
    return GuestInfo(
        hostname=guest.hostname or guest.name,
        os=GuestOs(id="fake", name="Fake OS", version=__version__, kernel="0.4.2-fake", machine="x86_64"),
        interfaces=tuple(
            GuestInterface(name=f"eth{index}", mac=port.mac, addresses=(ip_interface(f"{port.ip}/{PREFIX_LENGTH}"),))
            for index, port in enumerate(ports)
        ),
        filesystems=tuple(
            GuestFilesystem(
                mountpoint=f"/disk{index}" if index else "/",
                kind="fakefs",
                size_bytes=disk.size_bytes,
                used_bytes=min(disk.size_bytes, USED),
            )
            for index, disk in enumerate(disks)
        ),
        users=(),
        time_zone="UTC",
        utc_offset_seconds=0,
    )
