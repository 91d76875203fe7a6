"""What the verbs that make, copy and remove guests need to know of their endpoint."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass

import libvirt

from nova_virt_api.driver.endpoint import Manage
from nova_virt_api.images.cache import ImageCache
from nova_virt_api.model.identity import InstanceRef
from nova_virt_api.model.instance import Instance
from nova_virt_libvirt.host.cpus import HostCpus
from nova_virt_libvirt.host.emulator import Emulator
from nova_virt_libvirt.host_connections.initiator import Initiator
from nova_virt_libvirt.network.bridges import Bridges
from nova_virt_libvirt.network.vif import Vifs
from nova_virt_libvirt.starts import Starts


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """One endpoint.

    Args:
        connection: gives a connection that works, a new one after the last was lost.
        another: opens a connection of one's own for a moment, for what may be held up and is to hold up nobody else.
        starts: starts guests.
        host: gives the uuid of the host that guests run on.
        virt_type: gives the domain type of new guests, ``kvm`` or ``qemu``.
        instance: reads one guest as it is now.
        instances: reads all guests, as far as caches are up to date.
        images: where the client keeps images.
        owner: in whose name guests are made.
        manage: which guests may be removed.
        emulator: gives what the hypervisor offers.
        cpus: how the host's processors are divided.
        bridges: the host's bridges that count as networks.
        vifs: makes and removes the ports that os-vif knows.
        initiator: connects and disconnects the volumes that os-brick knows.
        pool: the option that names the pool of records, and of disks that name none; None where it is obvious.
    """

    connection: Callable[[], libvirt.virConnect]
    another: Callable[[], AbstractContextManager[libvirt.virConnect]]
    starts: Starts
    host: Callable[[], str]
    virt_type: Callable[[], str]
    instance: Callable[[InstanceRef], Instance]
    instances: Callable[[], Sequence[Instance]]
    images: ImageCache
    owner: str
    manage: Manage
    emulator: Callable[[], Emulator]
    cpus: HostCpus
    bridges: Bridges
    vifs: Vifs
    initiator: Initiator
    pool: str | None
