"""The work of a spawn, once its places are known: a machine under the guest's uuid, its hardware, start and name."""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from pyVmomi import vim

from nova_virt_api.driver.endpoint import Manage
from nova_virt_api.driver.operation import CancelMode, Stage
from nova_virt_api.errors import ConnectionLost
from nova_virt_api.model.record import Phase
from nova_virt_vmware.cloud_init import KEYS, first_boot_data
from nova_virt_vmware.errors import NotThere, WrongPowerState, moref_of
from nova_virt_vmware.guest_names import claim_name, machine_name
from nova_virt_vmware.hardware import changes
from nova_virt_vmware.hold import ATTEMPTS, Hold, free, option
from nova_virt_vmware.machine import Machine, child_of, machine
from nova_virt_vmware.record import KEY
from nova_virt_vmware.template import FIRMWARES

if TYPE_CHECKING:
    from nova_virt_api.driver.operation import Operation
    from nova_virt_api.model.spec import InstanceSpec
    from nova_virt_vmware.places import Places
    from nova_virt_vmware.record import GuestRecord
    from nova_virt_vmware.site import Site
    from nova_virt_vmware.template import Source

GUEST_OS: Final = "otherLinux64Guest"
"""What a guest without a template is said to run (``VirtualMachineGuestOsIdentifier``)."""

ARRIVAL: Final = 5.0
"""Seconds within which a request that was sent when the connection broke shows at the server, or never came."""

MEBIBYTE: Final = 1024**2
POWERED_ON: Final = "poweredOn"


class Making:
    """One machine in the making.

    Args:
        site: the endpoint.
        spec: what was asked for.
        places: where.
        source: the template; None for one that begins without.
        record: of the guest, held by us.
        op: the operation worked for.
    """

    def __init__(
        self,
        site: Site,
        spec: InstanceSpec,
        places: Places,
        source: Source | None,
        record: GuestRecord,
        op: Operation,
    ) -> None:
        self._site = site
        self._spec = spec
        self._places = places
        self._source = source
        self._record = record
        self._op = op

    # --- the machine ----------------------------------------------------------------------------------------------

    def begin(self, folder: str) -> str:
        """Have it made under the guest's uuid in this folder; returns its id. Repeated only by looking first.

        Raises:
            NameTaken: somebody else makes it.
            ConnectionLost: nobody knows whether it was begun, and it does not show.
        """
        self._op.stage(Stage.DISKS, CancelMode.IMMEDIATE)
        doing = f"make guest {self._spec.name}"
        call = self._create(folder) if self._source is None else self._clone(self._source, folder)
        try:
            return moref_of(self._site.tasks.run(doing, call, self._op, cancel=CancelMode.IMMEDIATE))
        except ConnectionLost:
            found = self.begun(folder, self._op, within=ARRIVAL)
            if found is None:
                raise
            return found

    def begun(self, folder: str, op: Operation, *, within: float = 0.0) -> str | None:
        """Id of the machine that we have begun, once the server is through with it; None if there is none.

        Args:
            folder: the owner's.
            op: the operation worked for.
            within: seconds in which a request that may be under way still is to show.
        """
        until = time.monotonic() + within
        found: Machine | None = None

        def is_seen() -> bool:
            nonlocal found
            child = child_of(self._site.connection, folder, claim_name(self._spec.uuid), op)
            if not isinstance(child, vim.VirtualMachine):
                return time.monotonic() >= until
            is_made = not self._site.beginning.includes(moref_of(child), op)
            found = machine(self._site.connection, moref_of(child), op)
            return is_made or (found is not None and (found.record or found.claim) is not None)

        op.wait_until(is_seen)
        record = None if found is None else found.record or found.claim
        ours = record is not None and record.hold == self._record.hold
        return found.moref if found is not None and ours else None

    def _clone(self, source: Source, folder: str) -> Any:
        """The request that copies the template (vSphere API reference: ``CloneVM_Task``)."""
        objects = self._site.connection.object
        name, store = claim_name(self._spec.uuid), self._places.datastores[0][1]
        location = vim.vm.RelocateSpec(
            pool=objects(vim.ResourcePool, self._places.node.resource_pool),
            datastore=objects(vim.Datastore, store),
            host=self._host(),
        )
        spec = vim.vm.CloneSpec(location=location, config=self._born(), powerOn=False, template=False)
        template = objects(vim.VirtualMachine, source.moref)
        into = objects(vim.Folder, folder)
        return lambda: template.CloneVM_Task(folder=into, name=name, spec=spec)

    def _create(self, folder: str) -> Any:
        """The request that makes a machine of its own (vSphere API reference: ``CreateVM_Task``)."""
        objects = self._site.connection.object
        config = self._born()
        config.name = claim_name(self._spec.uuid)
        config.guestId = GUEST_OS
        config.files = vim.vm.FileInfo(vmPathName=f"[{self._places.datastores[0][0]}]")
        config.deviceChange = changes(self._spec, self._places, (), whole=False)
        if self._spec.firmware is not None:
            config.firmware = FIRMWARES[self._spec.firmware]
        pool, host = objects(vim.ResourcePool, self._places.node.resource_pool), self._host()
        into = objects(vim.Folder, folder)
        return lambda: into.CreateVM_Task(config=config, pool=pool, host=host)

    def _born(self) -> Any:
        """What the machine is from its first moment: whose, and how large."""
        return vim.vm.ConfigSpec(
            instanceUuid=str(self._spec.uuid),
            numCPUs=self._spec.vcpus,
            memoryMB=self._spec.memory_bytes // MEBIBYTE,
            extraConfig=[option(KEY, self._record.encode())],
        )

    def _host(self) -> Any:
        host = self._places.host
        return None if host is None else self._site.connection.object(vim.HostSystem, host)

    # --- what it is like ------------------------------------------------------------------------------------------

    def furnish(self, hold: Hold, moref: str) -> None:
        """Give it the size, the disks, the cards and the first-boot data of its spec."""
        op, spec = self._op, self._spec
        op.stage(Stage.DEFINE)
        found = self.look(moref)
        config = vim.vm.ConfigSpec(numCPUs=spec.vcpus, memoryMB=spec.memory_bytes // MEBIBYTE)
        if self._source is not None:
            config.deviceChange = changes(spec, self._places, found.devices, whole=self._source.whole)
        config.extraConfig = [option(key, value) for key, value in self._first_boot_data().items()]
        hold.reconfigure(f"furnish guest {spec.name}", config, op)

    def _first_boot_data(self) -> dict[str, str]:
        """What the guest is to read at its first boot; what its template read is no affair of a guest's of its own."""
        spec, source = self._spec, self._source
        if spec.cloud_init is not None:
            return first_boot_data(spec.cloud_init, spec.uuid, spec.name)
        return {} if source is None or source.whole else dict.fromkeys(KEYS, "")

    def start(self, moref: str) -> None:
        """Let the caller prepare what is around it, then start it if that was asked for."""
        op = self._op
        op.stage(Stage.NETWORK_READY)
        op.stage(Stage.DISKS_READY)
        op.stage(Stage.BEFORE_START)
        if not self._spec.power_on:
            return
        op.stage(Stage.START, CancelMode.NONE)
        vm = self._site.connection.object(vim.VirtualMachine, moref)
        doing = f"start guest {self._spec.name}"
        for attempt in range(1, ATTEMPTS + 1):
            if self.look(moref).power_state == POWERED_ON:
                return
            try:
                self._site.tasks.run(doing, vm.PowerOnVM_Task, op, on=vm)
                return
            except (WrongPowerState, ConnectionLost):
                if attempt == ATTEMPTS:
                    raise
                for begun in self._site.tasks.active(vm, op):
                    self._site.tasks.wait(doing, begun.task, op, on=vm)

    def finish(self, hold: Hold, moref: str) -> None:
        """Put it where it belongs, and let its last change be the one that makes it a guest."""
        op, spec = self._op, self._spec
        if self._places.folder is not None:
            into = self._site.connection.object(vim.Folder, self._places.folder)
            vm = self._site.connection.object(vim.VirtualMachine, moref)
            self._site.tasks.run(f"move guest {spec.name}", partial(into.MoveIntoFolder_Task, [vm]), op)
        record = "" if self._site.endpoint.manage is Manage.ALL else free(hold.record, Phase.READY).encode()
        config = vim.vm.ConfigSpec(name=machine_name(spec.name, spec.uuid), extraConfig=[option(KEY, record)])
        hold.seal(f"finish guest {spec.name}", config, op)

    def look(self, moref: str) -> Machine:
        """The machine as it is now.

        Raises:
            NotThere: somebody destroyed the guest, or took its maker for dead.
        """
        found = machine(self._site.connection, moref, self._op)
        if found is None:
            raise NotThere(f"guest {self._spec.name} was removed while it was made", moref)
        return found
