"""Network interfaces."""

import hashlib
from uuid import UUID, uuid5

from lxml import etree
from lxml.builder import E

from nova_virt_api.model.nic import Nic, NicModel
from nova_virt_libvirt.devices.limits import nic_limit_elements
from nova_virt_libvirt.devices.tag import NIC, tagged
from nova_virt_libvirt.network.wire import TYPES, Wire, wiring


def nic_element(nic: Nic, wire: Wire, uuid: UUID, index: int) -> etree._Element:
    """An interface.

    Args:
        nic: what was asked for.
        wire: what it is plugged into.
        uuid: the guest.
        index: which of the guest's it is; without an address of its own it gets one that follows from this.
    """
    mac = nic.mac or stable_mac(uuid, index)
    element = E.interface(
        E.mac(address=mac),
        *wiring(wire, uuid5(uuid, mac)),
        E.model(type=(nic.model or NicModel.VIRTIO).value),
        type=TYPES[wire.kind],
    )
    element.extend(nic_limit_elements(nic.limits))
    if nic.queues is not None:
        element.append(E.driver(queues=str(nic.queues)))
    if nic.mtu is not None:
        element.append(E.mtu(size=str(nic.mtu)))
    if not nic.link_up:
        element.append(E.link(state="down"))
    if nic.tag is not None:
        element.append(tagged(NIC, mac.replace(":", ""), nic.tag))
    return element


def stable_mac(uuid: UUID, index: int) -> str:
    """The address of a guest's interface, the same each time the guest is made: leases and firewalls go by it.

    ``52:54`` as QEMU's own, then 32 bits of a hash: two among a thousand interfaces are alike once in 8000 networks.
    """
    digest = hashlib.sha256(f"{uuid}/{index}".encode()).digest()
    return ":".join(f"{byte:02x}" for byte in (0x52, 0x54, *digest[:4]))
