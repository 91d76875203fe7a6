"""How errors of single roles are brought about."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Final

from nova_virt_api.capability import Capability, Feature
from nova_virt_api.errors import Busy, InvalidSpec, InvalidState, PermissionDenied, VirtError
from nova_virt_api.model.instance import Instance, PowerState
from nova_virt_api.model.nic import Nic
from nova_virt_conformance.calls import rescue
from nova_virt_conformance.scene import NOWHERE, Recipe, Scene, act, provoked, refused_by_the_backend

if TYPE_CHECKING:
    from nova_virt_conformance.lab import Lab


# --- images and rescue systems ----------------------------------------------------------------------------------------


def rescued(lab: Lab) -> Instance:
    """A new guest whose rescue system runs."""
    guest = lab.guest(PowerState.SHUTDOWN)
    rescue(lab.compute, guest, lab)
    return lab.compute.instance(guest, fresh=True)


@contextmanager
def image_not_known(lab: Lab, _: str, __: type[VirtError]) -> Iterator[Scene]:
    """A guest whose disk began empty, or that was made by other means, is to be written anew with its first image."""
    if lab.compute.capabilities().has(Feature.BLANK_DISK):
        guest = lab.guest(PowerState.SHUTDOWN)
        yield Scene(lambda: lab.compute.rebuild(guest, timeout=lab.patience), guest)
        return
    lab.require(Capability.ADOPT)
    with lab.rig.adoptable_guest("conformance-of-unknown-image") as uuid:
        guest = lab.compute.adopt(uuid, timeout=lab.patience)
        yield Scene(
            lambda: lab.compute.rebuild(guest, timeout=lab.patience),
            guest,
            unless="the endpoint knows what guests of other making were made from",
        )
        lab.compute.release(guest, timeout=lab.patience)


@contextmanager
def nothing_to_rescue_with(lab: Lab, _: str, __: type[VirtError]) -> Iterator[Scene]:
    """Neither an image nor a password is given."""
    guest = lab.guest(PowerState.SHUTDOWN)
    yield Scene(
        lambda: lab.compute.rescue(guest, timeout=lab.patience),
        guest,
        unless="the endpoint has a rescue system of its own and needs no password",
    )


# --- interfaces -------------------------------------------------------------------------------------------------------


@contextmanager
def unknown_network(lab: Lab, _: str, __: type[VirtError]) -> Iterator[Scene]:
    """An interface on a network that is not there."""
    guest = lab.guest(PowerState.SHUTDOWN)
    nic = Nic(network=NOWHERE)
    yield Scene(lambda: lab.compute.attach_interface(guest, nic, timeout=lab.patience), guest)


# --- guests of other making -------------------------------------------------------------------------------------------


@contextmanager
def adoption_at_fault(lab: Lab, method: str, error: type[VirtError]) -> Iterator[Scene]:
    """A guest that could be adopted, or released, if the backend did not refuse it."""
    if method == "Adopt.release":
        with refused_by_the_backend(lab, method, error) as made:
            yield made
        return
    with lab.rig.adoptable_guest("conformance-not-now") as uuid:
        guest = lab.compute.instance(uuid, fresh=True)
        with provoked(lab, method, error, guest):
            yield Scene(partial(act, lab, method, guest), guest)


# --- nodes ------------------------------------------------------------------------------------------------------------


@contextmanager
def unknown_node(lab: Lab, method: str, _: type[VirtError]) -> Iterator[Scene]:
    """A node that is not there."""
    reads: dict[str, Callable[[str], object]] = {
        "Devices.devices": lab.compute.devices,
        "Volumes.volume_connector": lab.compute.volume_connector,
        "HostControl.enter_maintenance": partial(lab.compute.enter_maintenance, reason=lab.fence.repair),
        "HostControl.leave_maintenance": lab.compute.leave_maintenance,
    }
    yield Scene(lambda: reads[method](NOWHERE))


@contextmanager
def node_at_fault(lab: Lab, method: str, error: type[VirtError]) -> Iterator[Scene]:
    """A node that the backend is busy with."""
    node = lab.spare_node()
    lab.compute.enter_maintenance(node, lab.fence.repair, timeout=lab.patience)
    calls: dict[str, Callable[[], object]] = {
        "HostControl.enter_maintenance": lambda: lab.compute.enter_maintenance(
            node, f"{lab.fence.repair}, once more", timeout=lab.patience
        ),
        "HostControl.leave_maintenance": lambda: lab.compute.leave_maintenance(node, timeout=lab.patience),
    }
    with provoked(lab, method, error, None):
        yield Scene(calls[method])


@contextmanager
def node_of_another_owner(lab: Lab, _: str, __: type[VirtError]) -> Iterator[Scene]:
    """A node on which somebody else's guest runs."""
    guest = lab.other.spawn(lab.spec(), timeout=lab.patience)
    node = guest.node if lab.whole_nodes else lab.spare_node()
    assert node is not None, "the guest is on no node"
    yield Scene(
        lambda: lab.compute.enter_maintenance(node, lab.fence.repair, timeout=lab.patience),
        unless="guests are not hit by the maintenance of their node here",
    )


OF_ROLES: Final[dict[tuple[str, type[VirtError]], Recipe]] = {
    ("Adopt.adopt", Busy): adoption_at_fault,
    ("Adopt.adopt", InvalidState): adoption_at_fault,
    ("Adopt.check_adoptable", InvalidState): adoption_at_fault,
    ("Adopt.release", InvalidState): adoption_at_fault,
    ("Devices.devices", InvalidSpec): unknown_node,
    ("HostControl.enter_maintenance", Busy): node_at_fault,
    ("HostControl.enter_maintenance", InvalidSpec): unknown_node,
    ("HostControl.enter_maintenance", PermissionDenied): node_of_another_owner,
    ("HostControl.leave_maintenance", Busy): node_at_fault,
    ("HostControl.leave_maintenance", InvalidSpec): unknown_node,
    ("Interfaces.attach_interface", InvalidSpec): unknown_network,
    ("Rebuild.rebuild", InvalidSpec): image_not_known,
    ("Rescue.rescue", InvalidSpec): nothing_to_rescue_with,
    ("Volumes.volume_connector", InvalidSpec): unknown_node,
}
"""Ways that serve one method."""
