"""Drivers that are wrong about network interfaces, VIFs, volumes, and images that the backend fetches."""

import logging
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

from nova_virt_api.driver.operation import Operation
from nova_virt_api.errors import InvalidSpec
from nova_virt_api.fake.driver import FakeDriver
from nova_virt_api.fake.volumes import attachment_of, exchanged
from nova_virt_api.model.host_connection import HostConnection
from nova_virt_api.model.identity import InstanceRef
from nova_virt_api.model.image import BackendUrl
from nova_virt_api.model.instance import Instance
from nova_virt_api.model.interface import Interface
from nova_virt_api.model.nic import Nic
from nova_virt_api.model.nic_binding import OvsPort
from nova_virt_api.model.spec import InstanceSpec
from nova_virt_api.model.volume import AttachedVolume, Volume, VolumeConnector
from nova_virt_api.model.volume_connection import IscsiVolume
from nova_virt_conformance.image_files import QCOW2

LOG = logging.getLogger(__name__)


# --- interfaces -------------------------------------------------------------------------------------------------------


class AttachesAnew(FakeDriver):
    """A MAC address that the guest has already is attached once more, under another one."""

    caught_by = "test_interface_with_a_mac_is_attached_once"

    def attach_interface(self, guest: InstanceRef, nic: Nic, op: Operation) -> Interface:
        taken = any(one.mac == nic.mac for one in super().interfaces(guest))
        return super().attach_interface(guest, replace(nic, mac=None) if taken else nic, op)


class AttachesVifsAnew(FakeDriver):
    """A VIF that the guest has already is attached once more."""

    caught_by = "test_vif_is_attached_once"

    def attach_interface(self, guest: InstanceRef, nic: Nic, op: Operation) -> Interface:
        taken = nic.vif_id is not None and any(one.vif_id == nic.vif_id for one in super().interfaces(guest))
        return super().attach_interface(guest, Nic(network=nic.network) if taken else nic, op)


class KnowsNetworksAlone(FakeDriver):
    """A guest that was asked for on a port of a bridge is on the first network."""

    caught_by = "test_guest_is_made_on_open_vswitch"

    def spawn(self, spec: InstanceSpec, op: Operation) -> Instance:
        network = self.networks()[0].name
        nics = [nic if nic.binding is None else replace(nic, binding=None, network=network) for nic in spec.nics]
        return super().spawn(replace(spec, nics=nics), op)


class AttachesWithoutVlan(FakeDriver):
    """A port of Open vSwitch is attached outside of the VLAN that was asked for."""

    caught_by = "test_port_of_open_vswitch_comes_and_goes"

    def attach_interface(self, guest: InstanceRef, nic: Nic, op: Operation) -> Interface:
        if isinstance(nic.binding, OvsPort):
            nic = replace(nic, binding=replace(nic.binding, vlan=None))
        return super().attach_interface(guest, nic, op)


class AttachesOnPaper(FakeDriver):
    """An attached interface is shown, and the backend knows nothing of it."""

    caught_by = "test_attached_interface_is_there"

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.made_up: dict[Any, list[Interface]] = {}

    def attach_interface(self, guest: InstanceRef, nic: Nic, op: Operation) -> Interface:
        made = super().attach_interface(guest, nic, op)
        super().detach_interface(guest, made.id, op)
        self.made_up.setdefault(guest.uuid, []).append(made)
        return made

    def interfaces(self, guest: InstanceRef) -> Sequence[Interface]:
        return [*super().interfaces(guest), *self.made_up.get(guest.uuid, [])]


class LosesInterfacesAtRestart(FakeDriver):
    """An interface that was attached is gone when the guest was stopped."""

    caught_by = "test_attached_interface_survives_a_restart"

    def power_off(self, guest: InstanceRef, op: Operation, **more: Any) -> None:
        super().power_off(guest, op, **more)
        with self.connection.world.changing() as state:
            for found in state.claimants(guest.uuid):
                for name in found.ports[1:]:
                    state.drop_port(name)
                state.put(replace(found, ports=found.ports[:1]))


class InterfacesAreNumbered(FakeDriver):
    """An interface's id is its place, which another gets when one before it goes."""

    caught_by = "test_detached_interface_is_gone"

    def interfaces(self, guest: InstanceRef) -> Sequence[Interface]:
        return [replace(one, id=str(place)) for place, one in enumerate(super().interfaces(guest))]

    def attach_interface(self, guest: InstanceRef, nic: Nic, op: Operation) -> Interface:
        made = super().attach_interface(guest, nic, op)
        return next(one for one in self.interfaces(guest) if one.mac == made.mac)

    def detach_interface(self, guest: InstanceRef, interface_id: str, op: Operation) -> None:
        own = super().interfaces(guest)
        known = {str(place): one.id for place, one in enumerate(own)}
        super().detach_interface(guest, known.get(interface_id, interface_id), op)


class DetachForgetsThePort(FakeDriver):
    """A detached interface leaves its port."""

    caught_by = "test_attach_and_detach_leave_nothing"

    def detach_interface(self, guest: InstanceRef, interface_id: str, op: Operation) -> None:
        with self.connection.world.reading() as state:
            port = state.ports.get(interface_id)
        super().detach_interface(guest, interface_id, op)
        if port is not None:
            with self.connection.world.changing() as state:
                state.put_port(port)


class DetachesWhateverIsThere(FakeDriver):
    """Asked to detach an interface that is not there, it takes another one away."""

    caught_by = "test_detach_is_idempotent"

    def detach_interface(self, guest: InstanceRef, interface_id: str, op: Operation) -> None:
        if interface_id not in {one.id for one in self.interfaces(guest)}:
            interface_id = next((one.id for one in self.interfaces(guest)), interface_id)
        super().detach_interface(guest, interface_id, op)


class DropsVifs(FakeDriver):
    """The VIF of a spec is silently dropped, and an interface made instead."""

    caught_by = "test_guest_is_made_with_a_vif"

    def spawn(self, spec: InstanceSpec, op: Operation) -> Instance:
        return super().spawn(replace(spec, nics=[replace(nic, vif_id=None) for nic in spec.nics]), op)


# --- volumes ----------------------------------------------------------------------------------------------------------


class DropsVolumes(FakeDriver):
    """The volumes of a spec are silently dropped."""

    caught_by = "test_guest_uses_a_volume"

    def spawn(self, spec: InstanceSpec, op: Operation) -> Instance:
        return super().spawn(replace(spec, volumes=()), op)


class LogsChapPasswords(FakeDriver):
    """The password of a volume's target is written to the log."""

    caught_by = "test_secret_of_a_volume_is_not_shown"

    def spawn(self, spec: InstanceSpec, op: Operation) -> Instance:
        for volume in spec.volumes:
            if isinstance(volume.connection, IscsiVolume) and volume.connection.chap_password is not None:
                LOG.debug("logging in to %s with %s", volume.id, volume.connection.chap_password.reveal())
        return super().spawn(spec, op)


class KnowsOneFabric(FakeDriver):
    """Of what a host connects, only that is understood which is there already."""

    caught_by = "test_volume_of_a_fabric_is_used"

    def attach_volume(self, guest: InstanceRef, volume: Volume, op: Operation) -> AttachedVolume:
        way = volume.connection
        if isinstance(way, HostConnection) and way.protocol != "local":
            raise InvalidSpec("volume.connection.protocol", way.protocol, "local")
        return super().attach_volume(guest, volume, op)


class LogsFabricPasswords(FakeDriver):
    """What a host logs in with is in the log."""

    caught_by = "test_volume_that_the_host_connects_is_used"

    def attach_volume(self, guest: InstanceRef, volume: Volume, op: Operation) -> AttachedVolume:
        if isinstance(volume.connection, HostConnection):
            LOG.warning("connecting by %s", volume.connection.revealed())
        return super().attach_volume(guest, volume, op)


class MakesUpConnectors(FakeDriver):
    """Nodes tell a storage service their host name where an iSCSI name belongs."""

    caught_by = "test_connector_of_each_node"

    def volume_connector(self, node: str | None = None) -> VolumeConnector:
        found = super().volume_connector(node)
        return replace(found, iscsi_initiator=found.node)


class LosesVolumesAtRestart(FakeDriver):
    """A volume that was attached is gone when the guest was stopped."""

    caught_by = "test_attached_volume_survives_a_restart"

    def power_off(self, guest: InstanceRef, op: Operation, **more: Any) -> None:
        super().power_off(guest, op, **more)
        with self.connection.world.changing() as state:
            for found in state.claimants(guest.uuid):
                state.put(replace(found, attached=()))


class SwapsOnPaper(FakeDriver):
    """A swap that is cancelled has already put the new volume in the place of the old one."""

    caught_by = "test_cancelled_swap_stays_on_the_old_volume"

    def swap_volume(self, guest: InstanceRef, volume_id: str, volume: Volume, op: Operation) -> AttachedVolume:
        with self.connection.world.changing() as state:
            for found in state.claimants(guest.uuid):
                state.put(replace(found, attached=exchanged(found, volume_id, attachment_of(volume))))
        op.stage("copy volume")
        op.checkpoint()
        return super().volumes(guest)[0]


class ShrinksVolumes(FakeDriver):
    """A volume that is to be extended to less is cut off."""

    caught_by = "test_volume_grows_and_never_shrinks"

    def extend_volume(self, guest: InstanceRef, volume_id: str, size_bytes: int, op: Operation) -> None:
        with suppress(InvalidSpec):
            super().extend_volume(guest, volume_id, size_bytes, op)


class WritesToReadOnlyVolumes(FakeDriver):
    """That a volume is read-only is silently dropped."""

    caught_by = "test_volume_is_read_only"

    def attach_volume(self, guest: InstanceRef, volume: Volume, op: Operation) -> AttachedVolume:
        return super().attach_volume(guest, replace(volume, read_only=False), op)


# --- images that the backend fetches ----------------------------------------------------------------------------------


class BackendChecksNothing(FakeDriver):
    """The checksum of an image that the backend fetches is not handed on."""

    caught_by = "test_wrong_image_that_the_backend_fetches_is_rejected"

    def spawn(self, spec: InstanceSpec, op: Operation) -> Instance:
        disks = [
            replace(disk, source=replace(disk.source, checksum=QCOW2.checksum()))
            if isinstance(disk.source, BackendUrl)
            else disk
            for disk in spec.disks
        ]
        return super().spawn(replace(spec, disks=disks), op)


class LogsWhatTheBackendFetches(FakeDriver):
    """The whole address of an image that the backend fetches is written to the log."""

    caught_by = "test_token_in_an_address_for_the_backend_is_not_shown"

    def spawn(self, spec: InstanceSpec, op: Operation) -> Instance:
        for disk in spec.disks:
            if isinstance(disk.source, BackendUrl):
                LOG.info("the backend fetches %s", disk.source.url)
        return super().spawn(spec, op)
