"""Drivers that are wrong about the tags of devices."""

from dataclasses import replace

from nova_virt_api.driver.operation import Operation
from nova_virt_api.fake.driver import FakeDriver
from nova_virt_api.model.identity import InstanceRef
from nova_virt_api.model.instance import Instance
from nova_virt_api.model.interface import Interface
from nova_virt_api.model.nic import Nic
from nova_virt_api.model.spec import InstanceSpec
from nova_virt_api.model.volume import AttachedVolume, Volume


class TellsOnce(FakeDriver):
    """What a guest was told when it was made is all that it is ever told."""

    caught_by = "test_interface_of_later_is_told_at_the_next_start"

    def power_on(self, guest: InstanceRef, op: Operation) -> None:
        with self.connection.world.reading() as state:
            before = {found.native_id: found.told for found in state.claimants(guest.uuid)}
        super().power_on(guest, op)
        with self.connection.world.changing() as state:
            for found in state.claimants(guest.uuid):
                state.put(replace(found, told=before[found.native_id]))


class TellsNobody(FakeDriver):
    """Tags are shown, and guests are told of none."""

    caught_by = "test_guest_is_told_of_its_disks"

    def spawn(self, spec: InstanceSpec, op: Operation) -> Instance:
        made = super().spawn(spec, op)
        with self.connection.world.changing() as state:
            for found in state.claimants(spec.uuid):
                state.put(replace(found, told=()))
        return made


class KeepsPlainTags(FakeDriver):
    """Of a tag only letters that every file system has are kept."""

    caught_by = "test_guest_is_told_of_its_interfaces"

    def spawn(self, spec: InstanceSpec, op: Operation) -> Instance:
        nics = [replace(nic, tag=nic.tag and nic.tag.encode("ascii", "replace").decode()) for nic in spec.nics]
        return super().spawn(replace(spec, nics=nics), op)


class AttachesInterfacesUntagged(FakeDriver):
    """An interface that comes later has no tag."""

    caught_by = "test_interface_of_later_is_told_at_the_next_start"

    def attach_interface(self, guest: InstanceRef, nic: Nic, op: Operation) -> Interface:
        return super().attach_interface(guest, replace(nic, tag=None), op)


class SwapsTags(FakeDriver):
    """A volume that takes another's place has its own tag there."""

    caught_by = "test_tag_stays_with_the_disk_of_a_swapped_volume"

    def swap_volume(self, guest: InstanceRef, volume_id: str, volume: Volume, op: Operation) -> AttachedVolume:
        super().swap_volume(guest, volume_id, volume, op)
        with self.connection.world.changing() as state:
            for found in state.claimants(guest.uuid):
                attached = [replace(one, tag=volume.tag) if one.id == volume.id else one for one in found.attached]
                state.put(replace(found, attached=tuple(attached)))
        return next(one for one in super().volumes(guest) if one.id == volume.id)
