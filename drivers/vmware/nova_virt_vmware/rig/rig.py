"""The rig: vSphere as the conformance kit sees and handles it, by requests that are not the driver's."""

from __future__ import annotations

import ssl
import tempfile
import uuid
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final
from uuid import UUID

from pyVmomi import vim

from nova_virt_api.errors import AuthenticationFailed, InvalidState, Unavailable
from nova_virt_api.model.instance import PowerState
from nova_virt_api.model.record import Phase, Record
from nova_virt_conformance.outcome import Evidence, NotApplicable, NotVerified
from nova_virt_conformance.rig import Rig
from nova_virt_vmware.record import KEY, GuestRecord
from nova_virt_vmware.rig.boots import boots_of
from nova_virt_vmware.rig.hardware import hardware_of
from nova_virt_vmware.rig.native import Native
from nova_virt_vmware.rig.objects import Objects
from nova_virt_vmware.rig.refusal import NEVER, REFUSALS
from nova_virt_vmware.rig.relay import Relay

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence
    from typing import Any

    from nova_virt_api.compute.compute import Compute
    from nova_virt_api.errors import VirtError
    from nova_virt_api.model.instance import Instance
    from nova_virt_conformance.hardware import Hardware

NO_SUCH_STATE: Final = "a virtual machine is on, off, or suspended"
NO_DISKS: Final = "the virtual machines are imitated: nothing can be written on their disks"
NOTHING_RUNS: Final = "the virtual machines are imitated: no operating system runs on them"
FOREIGN_MEMORY_MB: Final = 32


class VmwareRig(Rig):
    """Eyes and hands on virtual machines through vSphere's API.

    Every connection under test is led through a relay on this machine, which can be cut, and counts what is asked.
    """

    def open(self) -> None:
        self._closing = ExitStack()
        self._directory = Path(self._closing.enter_context(tempfile.TemporaryDirectory(prefix="nova-virt-rig-")))
        self._native = Native(self.target.options)
        self._closing.callback(self._native.close)
        self._objects = Objects(self._native, self.target.pools)
        self._identity = self._new_identity()
        self._relays: dict[int, Relay] = {}

    def close(self) -> None:
        self._closing.close()

    def _new_identity(self) -> ssl.SSLContext:
        """What the relays show to clients, who are told to trust it."""
        import trustme  # of the extra: where the rig is only looked at, it need not be there

        authority = trustme.CA()
        authority.cert_pem.write_to_path(str(self._cafile))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert(Relay.host).configure_cert(context)
        return context

    @property
    def _cafile(self) -> Path:
        return self._directory / "relay.pem"

    def options(self) -> Mapping[str, object]:
        return self._led_through()[0]

    def _led_through(self) -> tuple[dict[str, object], Relay]:
        """Options that lead through a new relay, and that one."""
        options = self._native.options
        relay = Relay(options.host, int(options.port), self._native.trust, self._identity)
        relay.open()
        self._closing.callback(relay.close)
        self._relays[relay.port] = relay
        trust = {"cafile": str(self._cafile), "thumbprint": None, "insecure": False}
        known = {name: value for name, value in self.target.options.items() if name not in trust}
        return {**known, "host": relay.host, "port": relay.port, "cafile": trust["cafile"]}, relay

    def _relay(self, compute: Compute) -> Relay:
        with compute.native() as handle:
            return self._relays[handle._stub._wire.port]  # type: ignore[attr-defined]

    @property
    def _imitated(self) -> bool:
        return self.target.evidence is not Evidence.REAL_BACKEND

    # --- eyes -----------------------------------------------------------------------------------------------------

    def backend_objects(self) -> Collection[str]:
        return self._objects.list()

    def requests(self, compute: Compute) -> int:
        return self._relay(compute).requests

    def boots(self, guest: Instance) -> int:
        return boots_of(self._native, self._native.machine(guest.uuid))

    def hardware(self, guest: UUID) -> Hardware:
        return hardware_of(self._native.machine(guest))

    def guest_log(self, guest: UUID) -> bytes:
        if self._imitated:
            raise NotApplicable(NOTHING_RUNS)
        raise NotVerified("the rig does not reach the serial ports of virtual machines")

    def secrets(self) -> Sequence[str]:
        return (self._native.password,)

    # --- hands ----------------------------------------------------------------------------------------------------

    def enter(self, guest: Instance, state: PowerState) -> None:
        machine = self._native.machine(guest.uuid)
        match state:
            case PowerState.RUNNING:
                task = machine.PowerOnVM_Task()
            case PowerState.SHUTDOWN:
                task = machine.PowerOffVM_Task()
            case PowerState.SUSPENDED:
                task = machine.SuspendVM_Task()
            case _:
                raise NotApplicable(NO_SUCH_STATE)
        self._native.wait(task)

    def scribble(self, guest: Instance) -> None:
        raise self._no_disk()

    def scribbled(self, guest: Instance) -> bool:
        raise self._no_disk()

    def _no_disk(self) -> Exception:
        return NotApplicable(NO_DISKS) if self._imitated else NotVerified("the rig does not reach into disks")

    def remove_kept_disks(self, guest: UUID) -> None:
        """Guests' files lie in directories that bear their uuids."""
        for pool in self.target.pools:
            store = self._native.named(vim.Datastore, pool)
            datacenter = ancestor(store, vim.Datacenter)
            for path in self._native.top_of(store):
                if str(guest) in path:
                    files = self._native.content.fileManager
                    self._native.wait(files.DeleteDatastoreFile_Task(f"[{pool}] {path}", datacenter))

    @contextmanager
    def hang(self, guest: Instance) -> Iterator[None]:
        """VCenter is disconnected from the guest's host, whatever else runs there."""
        if guest.node not in self.target.nodes:
            raise NotVerified("the target does not let the rig take the guest's node out of use")
        host = self._native.machine(guest.uuid).runtime.host
        self._native.wait(host.DisconnectHost_Task())
        try:
            yield
        finally:
            self._native.wait(host.ReconnectHost_Task())

    # --- guests of other making -----------------------------------------------------------------------------------

    @contextmanager
    def foreign_guest(self, name: str) -> Iterator[UUID]:
        machine = self._make(vim.vm.ConfigSpec(name=name))
        with self._removing(machine) as made:
            yield made

    @contextmanager
    def native_copy(self, guest: Instance, name: str) -> Iterator[UUID]:
        original = self._native.machine(guest.uuid)
        where = vim.vm.RelocateSpec(pool=original.resourcePool, datastore=original.datastore[0])
        spec = vim.vm.CloneSpec(location=where, powerOn=False, template=False)
        machine = self._native.wait(original.CloneVM_Task(folder=original.parent, name=name, spec=spec))
        with self._removing(machine) as made:
            yield made

    def vanish(self, guest: Instance) -> None:
        self._native.remove(self._native.machine(guest.uuid))

    @contextmanager
    def claim_twice(self, guest: Instance) -> Iterator[None]:
        original = self._native.machine(guest.uuid)
        options = [option for option in original.config.extraConfig if option.key == KEY]
        spec = vim.vm.ConfigSpec(name=f"{guest.name}-twin", instanceUuid=str(guest.uuid), extraConfig=options)
        machine = self._make(spec)
        with self._removing(machine) as made:
            if made != guest.uuid:
                raise NotVerified("the server gives no two virtual machines the same uuid")
            yield

    def _make(self, spec: Any) -> Any:
        """A small virtual machine in the folder of the first datacenter that has the target's pool."""
        store = self._native.named(vim.Datastore, self.target.pools[0])
        datacenter = ancestor(store, vim.Datacenter)
        host = store.host[0].key
        spec.numCPUs, spec.memoryMB = 1, FOREIGN_MEMORY_MB
        spec.guestId = "otherGuest"
        spec.files = vim.vm.FileInfo(vmPathName=f"[{store.name}]")
        pool = host.parent.resourcePool
        return self._native.wait(datacenter.vmFolder.CreateVM_Task(config=spec, pool=pool))

    @contextmanager
    def _removing(self, machine: Any) -> Iterator[UUID]:
        """The uuid of a virtual machine that is removed at the exit, unless it is gone already."""
        moref = machine._moId
        try:
            yield UUID(machine.config.instanceUuid)
        finally:
            for other, _ in self._native.all(vim.VirtualMachine, "name"):
                if other._moId == moref:
                    self._native.remove(other)

    # --- harm -----------------------------------------------------------------------------------------------------

    @contextmanager
    def cut_connection(self, compute: Compute) -> Iterator[None]:
        relay = self._relay(compute)
        relay.close()
        try:
            yield
        finally:
            relay.open()

    @contextmanager
    def provoke(self, compute: Compute, method: str, error: type[VirtError], guest: Instance | None) -> Iterator[None]:
        reason = NEVER.get((method, error))
        if reason is not None:
            raise NotApplicable(reason)
        refusal = REFUSALS.get((method, error))
        with ExitStack() as stack:
            if refusal is not None:
                stack.enter_context(self._relay(compute).answering(refusal))
            elif error is InvalidState and guest is not None:
                stack.enter_context(self._going(guest))
            else:
                raise NotVerified(f"the rig cannot provoke {error.__name__} in {method}")
            yield

    @contextmanager
    def _going(self, guest: Instance) -> Iterator[None]:
        """The guest looks as if somebody who is gone had begun to remove it."""
        machine = self._native.machine(guest.uuid)
        before = next((str(option.value) for option in machine.config.extraConfig if option.key == KEY), "")
        made = Record(uuid=guest.uuid, owner=self.target.owner, fingerprint="", native_id=machine._moId)
        known = GuestRecord.decode(before) if before else GuestRecord(record=made, name=guest.name)
        self._write(machine, known.changed(phase=Phase.DELETING).encode())
        try:
            yield
        finally:
            self._write(machine, before)

    def _write(self, machine: Any, record: str) -> None:
        spec = vim.vm.ConfigSpec(extraConfig=[vim.option.OptionValue(key=KEY, value=record)])
        self._native.wait(machine.ReconfigVM_Task(spec))

    def broken_options(self, error: type[VirtError]) -> dict[str, object]:
        options, relay = self._led_through()
        if error is Unavailable:
            relay.close()
        elif error is AuthenticationFailed:
            return {**options, "password": f"not-{uuid.uuid4().hex}"}
        else:
            raise NotVerified(f"the rig has no options that end in {error.__name__}")
        return options


def ancestor(entity: Any, kind: type[Any]) -> Any:
    """The object of a kind that another lies in.

    Raises:
        LookupError: it lies in none.
    """
    while entity is not None:
        if isinstance(entity, kind):
            return entity
        entity = entity.parent
    raise LookupError(f"there is no {kind.__name__} around it")
