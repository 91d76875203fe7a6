"""How errors of the role Resize are brought about."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from nova_virt_api.capability import Feature
from nova_virt_api.errors import (
    Busy,
    InstanceExists,
    InvalidSpec,
    MigrationError,
    NoCapacity,
    StorageError,
    Timeout,
    VirtError,
)
from nova_virt_api.model.instance import PowerState
from nova_virt_api.model.nic import Nic
from nova_virt_api.model.size import Size
from nova_virt_api.model.spec import MOST_VCPUS
from nova_virt_conformance import calls
from nova_virt_conformance.scene import NOWHERE, Recipe, Scene, provoked

if TYPE_CHECKING:
    from nova_virt_conformance.lab import Lab


@contextmanager
def smaller_disk(lab: Lab, method: str, _: type[VirtError]) -> Iterator[Scene]:
    """A disk that would shrink."""
    lab.require(Feature.RESIZE_DISKS)
    guest = lab.guest(PowerState.SHUTDOWN)
    ask: Callable[..., object] = getattr(lab.compute, method.rpartition(".")[2])
    yield Scene(lambda: ask(guest, Size(disks=[1]), timeout=lab.patience), guest)


@contextmanager
def no_such_host(lab: Lab, method: str, _: type[VirtError]) -> Iterator[Scene]:
    """More CPUs than any host has."""
    guest, size = lab.guest(PowerState.SHUTDOWN), Size(vcpus=MOST_VCPUS)
    if method == "Resize.resize":
        yield Scene(lambda: lab.compute.resize(guest, size, timeout=lab.patience), guest)
        return
    ticket = lab.compute.prepare_resize(guest, size, timeout=lab.patience)
    waiting = lab.compute.instance(guest, fresh=True)
    yield Scene(lambda: lab.compute.finish_resize(ticket, timeout=lab.patience), waiting)


@contextmanager
def unknown_network(lab: Lab, method: str, _: type[VirtError]) -> Iterator[Scene]:
    """An interface on a network that is not there."""
    spec = lab.spec(power_on=False)
    guest = lab.compute.spawn(spec, timeout=lab.patience)
    nics = [Nic(network=NOWHERE)]
    ticket = calls.prepare_resize(lab.compute, guest, lab)
    waiting = lab.compute.instance(guest, fresh=True)
    ways: dict[str, Callable[[], object]] = {
        "Resize.finish_resize": lambda: lab.compute.finish_resize(
            ticket, spec=lab.spec(uuid=spec.uuid, name=spec.name, nics=nics), timeout=lab.patience
        ),
        "Resize.revert_resize": lambda: lab.compute.revert_resize(guest, nics=nics, timeout=lab.patience),
    }
    yield Scene(ways[method], waiting)


@contextmanager
def stale_ticket(lab: Lab, _: str, __: type[VirtError]) -> Iterator[Scene]:
    """A ticket of a resize that was reverted."""
    guest = lab.guest(PowerState.SHUTDOWN)
    ticket = calls.prepare_resize(lab.compute, guest, lab)
    calls.revert_resize(lab.compute, guest, lab)
    yield Scene(lambda: lab.compute.finish_resize(ticket, timeout=lab.patience), guest)


@contextmanager
def there_already(lab: Lab, _: str, __: type[VirtError]) -> Iterator[Scene]:
    """A destination that has another guest of this uuid."""
    lab.require(Feature.COLD_MIGRATION)
    spec = lab.spec(power_on=False)
    guest = lab.compute.spawn(spec, timeout=lab.patience)
    lab.elsewhere.spawn(spec, timeout=lab.patience)
    ticket = calls.prepare_resize(lab.compute, guest, lab)
    waiting = lab.compute.instance(guest, fresh=True)
    yield Scene(lambda: lab.elsewhere.finish_resize(ticket, timeout=lab.patience), waiting)


@contextmanager
def finish_at_fault(lab: Lab, method: str, error: type[VirtError]) -> Iterator[Scene]:
    """A guest that is to be finished here, which the backend refuses."""
    guest = lab.guest(PowerState.SHUTDOWN)
    ticket = calls.prepare_resize(lab.compute, guest, lab)
    waiting = lab.compute.instance(guest, fresh=True)
    with provoked(lab, method, error, waiting):
        yield Scene(lambda: lab.compute.finish_resize(ticket, timeout=lab.patience), waiting)


@contextmanager
def cpus_at_fault(lab: Lab, method: str, error: type[VirtError]) -> Iterator[Scene]:
    """A running guest that is to get CPUs, which the backend refuses."""
    guest = lab.spawn(max_vcpus=2)
    with provoked(lab, method, error, guest):
        yield Scene(lambda: lab.compute.resize_live(guest, Size(vcpus=2), timeout=lab.patience), guest)


@contextmanager
def above_the_ceiling(lab: Lab, _: str, __: type[VirtError]) -> Iterator[Scene]:
    """A running guest that is to get more CPUs than its spec allowed."""
    guest = lab.spawn(max_vcpus=2)
    yield Scene(lambda: lab.compute.resize_live(guest, Size(vcpus=3), timeout=lab.patience), guest)


@contextmanager
def no_room_to_start(lab: Lab, method: str, error: type[VirtError]) -> Iterator[Scene]:
    """A guest that is to be started when it is as it was, and for which there is no room."""
    guest = lab.guest(PowerState.SHUTDOWN)
    resized = calls.resize(lab.compute, guest, lab)
    with provoked(lab, method, error, resized):
        yield Scene(lambda: lab.compute.revert_resize(guest, power_on=True, timeout=lab.patience), resized)


OF_RESIZE: Final[dict[tuple[str, type[VirtError]], Recipe]] = {
    ("Resize.finish_resize", Busy): finish_at_fault,
    ("Resize.finish_resize", InstanceExists): there_already,
    ("Resize.finish_resize", InvalidSpec): unknown_network,
    ("Resize.finish_resize", MigrationError): stale_ticket,
    ("Resize.finish_resize", NoCapacity): no_such_host,
    ("Resize.finish_resize", StorageError): finish_at_fault,
    ("Resize.prepare_resize", InvalidSpec): smaller_disk,
    ("Resize.resize", InvalidSpec): smaller_disk,
    ("Resize.resize", NoCapacity): no_such_host,
    ("Resize.resize_live", Busy): cpus_at_fault,
    ("Resize.resize_live", InvalidSpec): above_the_ceiling,
    ("Resize.resize_live", NoCapacity): cpus_at_fault,
    ("Resize.resize_live", Timeout): cpus_at_fault,
    ("Resize.revert_resize", InvalidSpec): unknown_network,
    ("Resize.revert_resize", NoCapacity): no_room_to_start,
}
"""Ways that serve one method."""
