"""What a guest is given with another size, in place of what it has: interfaces, volumes, and parts of its host."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from nova_virt_libvirt.devices.nic import nic_element
from nova_virt_libvirt.network.ports import ports_of
from nova_virt_libvirt.resize.definition import set_interfaces
from nova_virt_libvirt.volumes.moved import let_open, set_volumes, volumes_to_be

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    import libvirt

    from nova_virt_api.model.nic import Nic
    from nova_virt_api.model.spec import InstanceSpec
    from nova_virt_api.model.volume import Volume
    from nova_virt_libvirt.devices.volume_disk import VolumeDisk
    from nova_virt_libvirt.network.ports import Ports
    from nova_virt_libvirt.network.vif_note import VifNote
    from nova_virt_libvirt.places import Places
    from nova_virt_libvirt.site import Site


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What is asked for.

    Args:
        ports: its interfaces; None keeps those that it has.
        volumes: the volumes that it uses; None keeps those that it has.
        turn: of their passwords.
        placed: says which processors, NUMA cells and pages of the host it gets; None keeps those that it has.
    """

    ports: Ports | None = None
    volumes: Sequence[VolumeDisk] | None = None
    turn: str = ""
    placed: InstanceSpec | None = None

    @property
    def vifs(self) -> VifNote | None:
        """Those of its ports that os-vif makes; None for those that it has."""
        return None if self.ports is None else self.ports.note

    def put_into(self, definition: Any, connection: libvirt.virConnect, uuid: UUID) -> None:
        """Put it into a guest's definition, and let libvirt know the passwords of its volumes."""
        if self.ports is not None:
            pairs = enumerate(zip(self.ports.nics, self.ports.wires, strict=True))
            set_interfaces(definition, [nic_element(nic, wire, uuid, index) for index, (nic, wire) in pairs])
        if self.volumes is not None:
            let_open(connection, uuid, self.volumes, self.turn)
            set_volumes(definition, self.volumes)


def wanted_of(
    site: Site,
    places: Places,
    guest: UUID,
    nics: Sequence[Nic] | None,
    volumes: Sequence[Volume] | None,
    prefix: str = "",
    turn: str = "",
) -> Wanted:
    """What is asked for, looked up at an endpoint.

    Args:
        site: the endpoint.
        places: what names of places mean there.
        guest: for whom.
        nics: the interfaces.
        volumes: the volumes.
        prefix: of the fields that ask for it, for errors.
        turn: of the volumes' passwords.

    Raises:
        InvalidSpec: there is no such network, or the driver makes no such port or connection.
    """
    ports = None if nics is None else ports_of(site, places, nics, f"{prefix}nics")
    return Wanted(ports=ports, volumes=volumes_to_be(site, guest, volumes, f"{prefix}volumes", turn), turn=turn)
