"""Network interfaces."""

import hashlib
from uuid import UUID

from lxml import etree
from lxml.builder import E

from nova_virt_api.model.nic import Nic, NicModel
from nova_virt_libvirt.devices.limits import nic_limit_elements
from nova_virt_libvirt.user_network import USER_MODE


def nic_element(nic: Nic, network: str, uuid: UUID, index: int) -> etree._Element:
    """An interface on a network of libvirt, or on QEMU's own."""
    own = network == USER_MODE
    element = E.interface(
        E.mac(address=nic.mac or stable_mac(uuid, index)),
        *(() if own else (E.source(network=network),)),
        E.model(type=(nic.model or NicModel.VIRTIO).value),
        type="user" if own else "network",
    )
    element.extend(nic_limit_elements(nic.limits))
    if nic.queues is not None:
        element.append(E.driver(queues=str(nic.queues)))
    if nic.mtu is not None:
        element.append(E.mtu(size=str(nic.mtu)))
    if not nic.link_up:
        element.append(E.link(state="down"))
    return element


def stable_mac(uuid: UUID, index: int) -> str:
    """The address of a guest's interface, the same each time the guest is made: leases and firewalls go by it.

    ``52:54`` as QEMU's own, then 32 bits of a hash: two among a thousand interfaces are alike once in 8000 networks.
    """
    digest = hashlib.sha256(f"{uuid}/{index}".encode()).digest()
    return ":".join(f"{byte:02x}" for byte in (0x52, 0x54, *digest[:4]))
