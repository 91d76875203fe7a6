"""Drivers that build another machine than was asked for."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from nova_virt_api.driver.operation import Operation
from nova_virt_api.fake.driver import FakeDriver
from nova_virt_api.fake.guest import Guest
from nova_virt_api.model.identity import InstanceRef
from nova_virt_api.model.instance import DiskPolicy, Instance
from nova_virt_api.model.spec import InstanceSpec


class Rebuilds(FakeDriver):
    """Base of those that change a guest's machine after it was made."""

    def machine(self, guest: Guest) -> Mapping[str, Any]:
        """What of the machine they change."""
        raise NotImplementedError

    def spawn(self, spec: InstanceSpec, op: Operation) -> Instance:
        made = super().spawn(spec, op)
        with self.connection.world.changing() as state:
            for guest in state.claimants(spec.uuid):
                state.put(replace(guest, machine=replace(guest.machine, **self.machine(guest))))
        return made


class ForgetsSecureBoot(Rebuilds):
    """Guests with secure boot get firmware that starts anything."""

    caught_by = "test_secure_boot"

    def machine(self, guest: Guest) -> Mapping[str, Any]:
        return {"secure_boot": False}


class GivesOldTpms(Rebuilds):
    """Every guest gets the TPM that the driver's author had at hand, or none."""

    caught_by = "test_tpm"

    def machine(self, guest: Guest) -> Mapping[str, Any]:
        return {"tpm": None}


class GivesOneProcessorToAll(Rebuilds):
    """Each guest that wants a processor for itself gets the first."""

    caught_by = "test_dedicated_cpus"

    def machine(self, guest: Guest) -> Mapping[str, Any]:
        if not guest.machine.cpu.dedicated:
            return {}
        first = tuple(self.connection.world.shape.dedicated)[: guest.vcpus]
        return {"cpu": replace(guest.machine.cpu, host_cpus=first)}


class KeepsMemoryPrivate(Rebuilds):
    """Memory that others should be able to use is the guest's alone."""

    caught_by = "test_shared_memory"

    def machine(self, guest: Guest) -> Mapping[str, Any]:
        return {"backing": replace(guest.machine.backing, shared=False)}


class LeavesTpmState(FakeDriver):
    """What a TPM keeps outlives its guest."""

    caught_by = "test_tpm"

    def destroy(
        self, guest: InstanceRef, op: Operation, *, disks: DiskPolicy = DiskPolicy.DELETE, foreign: bool = False
    ) -> bool:
        with self.connection.world.reading() as state:
            kept = [volume for volume in state.volumes.values() if volume.uuid == guest.uuid and volume.kind == "tpm"]
        gone = super().destroy(guest, op, disks=disks, foreign=foreign)
        with self.connection.world.changing() as state:
            for volume in kept:
                state.put_volume(volume)
        return gone


class SwapsReadsAndWrites(FakeDriver):
    """The limit for reading a disk is put on writing, and the other way round."""

    caught_by = "test_disk_limits"

    def spawn(self, spec: InstanceSpec, op: Operation) -> Instance:
        made = super().spawn(spec, op)
        with self.connection.world.changing() as state:
            for volume in [one for one in state.volumes.values() if one.uuid == spec.uuid and one.limits is not None]:
                limits = volume.limits
                assert limits is not None
                swapped = replace(limits, read_bytes=limits.write_bytes, write_bytes=limits.read_bytes)
                state.put_volume(replace(volume, limits=swapped))
        return made
