"""A network interface that a guest has."""

from dataclasses import dataclass

from nova_virt_api.model.device_tag import DeviceAddress
from nova_virt_api.model.nic import NicModel
from nova_virt_api.model.nic_binding import NicBinding


@dataclass(frozen=True, slots=True, kw_only=True)
class Interface:
    """A network interface of a guest, as the endpoint knows it.

    Args:
        id: what ``detach_interface`` takes; does not change while the guest has the interface.
        mac: its MAC address, lower case; None when not known.
        network: name of the endpoint's network, if it is one of :meth:`Driver.networks`.
        vif_id: the network service's id for it, where there is such a service.
        model: the kind of card; None when not known.
        binding: the port that it is plugged into, if it is on no network that the endpoint lists and this is known.
        tag: the tag that the guest is told of it; None for none.
        address: where the guest's system finds it; None when not known.
    """

    id: str
    mac: str | None = None
    network: str | None = None
    vif_id: str | None = None
    model: NicModel | None = None
    binding: NicBinding | None = None
    tag: str | None = None
    address: DeviceAddress | None = None
