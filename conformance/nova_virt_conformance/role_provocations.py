"""How errors of single roles are brought about."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Final

from nova_virt_api.capability import Capability, Feature
from nova_virt_api.errors import Busy, InvalidSpec, InvalidState, PermissionDenied, VirtError, VolumeError
from nova_virt_api.model.instance import Instance, PowerState
from nova_virt_api.model.nic import Nic
from nova_virt_conformance.calls import CHECKPOINT, GROWN, NO_VOLUME, attach_share, create_checkpoint, rescue
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


# --- checkpoints ------------------------------------------------------------------------------------------------------


@contextmanager
def checkpoint_of_another_description(lab: Lab, _: str, __: type[VirtError]) -> Iterator[Scene]:
    """The name of a checkpoint of which something else was said."""
    guest = lab.guest(PowerState.SHUTDOWN)
    create_checkpoint(lab.compute, guest, lab)
    yield Scene(
        lambda: lab.compute.create_checkpoint(guest, CHECKPOINT, description="another", timeout=lab.patience), guest
    )


@contextmanager
def unknown_checkpoint(lab: Lab, _: str, __: type[VirtError]) -> Iterator[Scene]:
    """A checkpoint that is not there."""
    guest = lab.guest(PowerState.SHUTDOWN)
    yield Scene(lambda: lab.compute.revert_to_checkpoint(guest, NOWHERE, timeout=lab.patience), guest)


# --- interfaces -------------------------------------------------------------------------------------------------------


@contextmanager
def unknown_network(lab: Lab, _: str, __: type[VirtError]) -> Iterator[Scene]:
    """An interface on a network that is not there."""
    guest = lab.guest(PowerState.SHUTDOWN)
    nic = Nic(network=NOWHERE)
    yield Scene(lambda: lab.compute.attach_interface(guest, nic, timeout=lab.patience), guest)


# --- volumes ----------------------------------------------------------------------------------------------------------


@contextmanager
def volume_to_boot_from(lab: Lab, _: str, __: type[VirtError]) -> Iterator[Scene]:
    """A guest that exists is to boot from a volume."""
    lab.require(Feature.ATTACH_VOLUMES)
    guest = lab.guest(PowerState.SHUTDOWN)
    volume = replace(lab.rig.volume(), boot=True)
    yield Scene(lambda: lab.compute.attach_volume(guest, volume, timeout=lab.patience), guest)


@contextmanager
def growth_at_fault(lab: Lab, method: str, error: type[VirtError]) -> Iterator[Scene]:
    """A running guest is to see a volume grow; a stopped one sees it by itself."""
    lab.require(Feature.ATTACH_VOLUMES, Feature.EXTEND_VOLUME)
    guest = lab.guest(PowerState.RUNNING)
    volume = lab.compute.attach_volume(guest, lab.rig.volume(), timeout=lab.patience)
    with provoked(lab, method, error, guest):
        yield Scene(lambda: lab.compute.extend_volume(guest, volume, GROWN, timeout=lab.patience), guest)


@contextmanager
def unknown_volume(lab: Lab, method: str, _: type[VirtError]) -> Iterator[Scene]:
    """A volume that the guest does not use."""
    lab.require(Feature.EXTEND_VOLUME if method == "Volumes.extend_volume" else Feature.SWAP_VOLUME)
    guest = lab.guest(PowerState.RUNNING)
    other = lab.rig.volume()
    calls: dict[str, Callable[[], object]] = {
        "Volumes.extend_volume": lambda: lab.compute.extend_volume(guest, NO_VOLUME, GROWN, timeout=lab.patience),
        "Volumes.swap_volume": lambda: lab.compute.swap_volume(guest, NO_VOLUME, other, timeout=lab.patience),
    }
    yield Scene(calls[method], guest)


# --- shares -----------------------------------------------------------------------------------------------------------


@contextmanager
def tag_of_another_share(lab: Lab, _: str, __: type[VirtError]) -> Iterator[Scene]:
    """The tag of a share of another directory."""
    guest = lab.guest(PowerState.SHUTDOWN)
    share = attach_share(lab.compute, guest, lab)
    other = replace(lab.rig.share(), tag=share.tag)
    yield Scene(lambda: lab.compute.attach_share(guest, other, timeout=lab.patience), guest)


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
    ("Checkpoint.create_checkpoint", InvalidSpec): checkpoint_of_another_description,
    ("Checkpoint.revert_to_checkpoint", InvalidSpec): unknown_checkpoint,
    ("Devices.devices", InvalidSpec): unknown_node,
    ("HostControl.enter_maintenance", Busy): node_at_fault,
    ("HostControl.enter_maintenance", InvalidSpec): unknown_node,
    ("HostControl.enter_maintenance", PermissionDenied): node_of_another_owner,
    ("HostControl.leave_maintenance", Busy): node_at_fault,
    ("HostControl.leave_maintenance", InvalidSpec): unknown_node,
    ("Interfaces.attach_interface", InvalidSpec): unknown_network,
    ("Rebuild.rebuild", InvalidSpec): image_not_known,
    ("Rescue.rescue", InvalidSpec): nothing_to_rescue_with,
    ("Shares.attach_share", InvalidSpec): tag_of_another_share,
    ("Volumes.attach_volume", InvalidSpec): volume_to_boot_from,
    ("Volumes.extend_volume", Busy): growth_at_fault,
    ("Volumes.extend_volume", InvalidSpec): unknown_volume,
    ("Volumes.extend_volume", VolumeError): growth_at_fault,
    ("Volumes.swap_volume", InvalidSpec): unknown_volume,
    ("Volumes.volume_connector", InvalidSpec): unknown_node,
}
"""Ways that serve one method."""
