"""Network interfaces of a spec and addresses of a guest."""

import enum
import re
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from typing import Final

from nova_virt_api.capability import Feature
from nova_virt_api.model.check import check, check_integer, check_text, check_type
from nova_virt_api.model.device_tag import check_tag
from nova_virt_api.model.limits import NicLimits
from nova_virt_api.model.nic_binding import BINDING_FEATURES, BINDINGS, NicBinding

MAC: Final = re.compile(r"[0-9a-f]{2}(:[0-9a-f]{2}){5}")


class NicModel(enum.Enum):
    """The kind of network card that a guest sees."""

    VIRTIO = "virtio"
    E1000 = "e1000"
    E1000E = "e1000e"
    RTL8139 = "rtl8139"
    VMXNET3 = "vmxnet3"


@dataclass(frozen=True, slots=True, kw_only=True)
class Nic:
    """A network interface.

    Args:
        network: name or id of a network of the endpoint; None where there is exactly one, or a VIF or a port is named.
        mac: unicast MAC address, e.g. ``52:54:00:12:34:56``; None lets the backend choose a stable one.
        model: None takes what suits the endpoint best.
        vif_id: an interface that a network service has made already, by its id there, e.g. of a Neutron port.
        limits: how fast the guest may use it; None is without limit.
        queues: how many of the guest's CPUs may work on it at the same time; None takes what suits the endpoint best.
        mtu: largest packet in bytes that fits through it, from 68 to 65535; None takes the network's.
        link_up: False plugs the cable out.
        binding: the port that it is plugged into, of a switch that is no network of the endpoint.
        tag: what programs in the guest are to know it by, with its address in their first-boot data: 1 to 60 characters
            without ``/`` and ``,``.
    """

    network: str | None = None
    mac: str | None = None
    model: NicModel | None = None
    vif_id: str | None = None
    limits: NicLimits | None = None
    queues: int | None = None
    mtu: int | None = None
    link_up: bool = True
    binding: NicBinding | None = None
    tag: str | None = None

    def __post_init__(self) -> None:
        if self.network is not None:
            check_text("network", self.network, 255)
        if self.mac is not None:
            allowed = "a unicast MAC address such as 52:54:00:12:34:56"
            check_type("mac", self.mac, str, allowed)
            mac = self.mac.lower().replace("-", ":")
            unicast = MAC.fullmatch(mac) is not None and int(mac[:2], 16) % 2 == 0 and mac != "00:00:00:00:00:00"
            check(unicast, "mac", self.mac, allowed)
            object.__setattr__(self, "mac", mac)
        if self.model is not None:
            check_type("model", self.model, NicModel, "a NicModel")
        if self.vif_id is not None:
            check_text("vif_id", self.vif_id, 255)
        if self.limits is not None:
            check_type("limits", self.limits, NicLimits, "a NicLimits")
        if self.queues is not None:
            check_integer("queues", self.queues, 1, 256, "queues")
        if self.mtu is not None:
            check_integer("mtu", self.mtu, 68, 65535, "bytes")
        check_type("link_up", self.link_up, bool, "True or False")
        if self.binding is not None:
            check(isinstance(self.binding, BINDINGS), "binding", self.binding, "a BridgePort, OvsPort or OpaquePort")
            check(self.network is None, "binding", self.binding, "a network or a port to be plugged into, not both")
        check_tag(self.tag)

    def features(self) -> Iterator[tuple[Feature, str]]:
        """What an endpoint must declare for this interface, each with the field that asks for it."""
        if self.mac is not None:
            yield Feature.NIC_MAC, "mac"
        if self.model is not None:
            yield Feature.NIC_MODEL, "model"
        if self.vif_id is not None:
            yield Feature.NIC_VIF, "vif_id"
        if self.limits is not None:
            yield Feature.NIC_LIMITS, "limits"
        if self.queues is not None:
            yield Feature.NIC_QUEUES, "queues"
        if self.mtu is not None:
            yield Feature.NIC_MTU, "mtu"
        if not self.link_up:
            yield Feature.NIC_LINK, "link_up"
        if self.binding is not None:
            yield BINDING_FEATURES[type(self.binding)], "binding"
        if self.tag is not None:
            yield Feature.NIC_TAG, "tag"


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """An IP address that a guest has.

    Args:
        ip: the address.
        mac: MAC address of the interface that has it, if known.
        network: name of the endpoint's network, if known.
    """

    ip: IPv4Address | IPv6Address
    mac: str | None = None
    network: str | None = None

    def __str__(self) -> str:
        return str(self.ip)
