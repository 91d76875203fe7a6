"""Taking a virtual machine away with all that is its own, from whatever state.

Everything is done by its managed object id. Ids are never used again, so nobody who repeats this, late, hits something
that was made since.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

from pyVmomi import vim

from nova_virt_api.errors import BackendError, ConnectionLost, StateAfter, StorageError, Unavailable, VirtError
from nova_virt_vmware.errors import NotThere, Refused, WrongPowerState
from nova_virt_vmware.hardware import detached
from nova_virt_vmware.machine import CONNECTED, DISCONNECTED, Machine, machine
from nova_virt_vmware.places import datacenter_above
from nova_virt_vmware.property_collector import retrieve

if TYPE_CHECKING:
    from collections.abc import Callable

    from nova_virt_api.driver.operation import Operation
    from nova_virt_vmware.site import Site

ATTEMPTS: Final = 8
"""Rounds that are made before it is given up: each finds the virtual machine in another state than the one before."""

FILES: Final = "config.files.vmPathName"
TOLD_FILES: Final = "summary.config.vmPathName"
"""Where a virtual machine's files are; the second is often told of one whose configuration cannot be read."""

OFF: Final = "poweredOff"
LOST: Final = frozenset({"orphaned", "invalid"})
"""Connection states in which no host knows the virtual machine, so that it can only be struck off the inventory."""


class Removal:
    """The removal of one virtual machine. Every step may be repeated, by this process or another.

    Args:
        site: the endpoint.
        moref: the virtual machine.
        op: the operation worked for.
        keep_disks: leave the files of its disks.
    """

    def __init__(self, site: Site, moref: str, op: Operation, *, keep_disks: bool = False) -> None:
        self._site = site
        self._vm = site.connection.object(vim.VirtualMachine, moref)
        self._moref = moref
        self._op = op
        self._keep_disks = keep_disks

    def run(self) -> None:
        """Return once it is gone.

        Raises:
            Unavailable: its host, or its datastore, is away.
            StorageError: its files could not be removed.
            VirtError: the server refuses; says why.
        """
        failure: VirtError | None = None
        for _ in range(ATTEMPTS):
            now = machine(self._site.connection, self._moref, self._op)
            if now is None:
                return
            try:
                self._step(now)
                failure = None
            except NotThere:
                return
            except (WrongPowerState, ConnectionLost) as error:  # somebody else was faster, or nobody knows who was
                failure = error
        raise failure or BackendError(
            f"virtual machine {self._moref} cannot be removed", state_after=StateAfter.UNKNOWN
        )

    def _step(self, now: Machine) -> None:
        """The next thing that its state asks for."""
        if now.connection_state == DISCONNECTED:
            raise Unavailable(f"vCenter is not connected to the host of {now.label}", hint="reconnect the host")
        if now.connection_state in LOST:
            self._strike_off(now)
        elif now.power_state != OFF and not self._is_off(now):
            return
        elif self._keep_disks and any(detached(now.devices)):
            self._detach(now)
        else:
            self._destroy(now)

    def _is_off(self, now: Machine) -> bool:
        """Take its power away; False if it has to be looked at again.

        A suspended one may not take that (vSphere API reference: ``PowerOffVM_Task``, ``InvalidPowerState``), and can
        be removed as it is.
        """
        try:
            self._run(f"switch off {now.label}", self._vm.PowerOffVM_Task)
        except WrongPowerState as error:
            return error.existing == now.power_state
        return False

    def _detach(self, now: Machine) -> None:
        """Take its disks out: as they are now, so what snapshots remember is given up first."""
        if now.snapshots:
            self._run(f"remove the snapshots of {now.label}", self._vm.RemoveAllSnapshots_Task)
            return
        spec = vim.vm.ConfigSpec(deviceChange=detached(now.devices))
        self._run(f"detach the disks of {now.label}", partial(self._vm.ReconfigVM_Task, spec))

    def _destroy(self, now: Machine) -> None:
        if self._keep_disks and not (now.version and now.connection_state == CONNECTED):
            raise StorageError(  # which disks it has is not known, and they would go along
                f"the disks of {now.label} are to stay, and its configuration cannot be read",
                hint="see to its datastore, then destroy it again",
            )
        try:
            self._run(f"remove {now.label}", self._vm.Destroy_Task)
        except Refused as error:
            after = machine(self._site.connection, self._moref, self._op)
            if after is None:
                return
            if after.connection_state == CONNECTED:
                raise BackendError(error.message, hint=error.hint, state_after=StateAfter.CHANGED) from error
            raise StorageError(
                f"{now.label} is {after.connection_state}: its files cannot be reached",
                hint="see to its datastore, then destroy it again",
                state_after=StateAfter.CHANGED,
            ) from error

    def _strike_off(self, now: Machine) -> None:
        """Remove one that no host knows: its files first, as nothing tells of them afterwards."""
        if not self._keep_disks:
            self._remove_files(now)
        self._site.connection.change(f"unregister {now.label}", self._vm.UnregisterVM, self._op)

    def _remove_files(self, now: Machine) -> None:
        """Remove the directory of its files if it is its own: if it bears its uuid, as those that this API makes do.

        Raises:
            StorageError: it is not known to be its own, or it is another virtual machine's, too.
        """
        self._check_own(now)
        directory = now.directory
        datacenter = datacenter_above(self._site.connection, vim.VirtualMachine, self._moref, self._op)
        if datacenter is None:
            raise self._left(now, "which is in no datacenter")
        files = self._site.connection.content.fileManager
        place = self._site.connection.object(vim.Datacenter, datacenter)
        try:
            self._run(f"remove {directory}", lambda: files.DeleteDatastoreFile_Task(name=directory, datacenter=place))
        except StorageError as error:
            if not isinstance(error.__cause__, vim.fault.FileNotFound):
                raise

    def _check_own(self, now: Machine) -> None:
        """Refuse to remove a directory that may hold what is somebody else's."""
        name = now.directory.rpartition("/")[2].rpartition("] ")[2]
        if now.uuid is None or str(now.uuid) not in name:
            raise self._left(now, "which does not bear its uuid")
        for moref, values in retrieve(self._site.connection, vim.VirtualMachine, (FILES, TOLD_FILES), None, self._op):
            places = {values.get(FILES, ""), values.get(TOLD_FILES, "")}
            if moref != self._moref and any(place.startswith(f"{now.directory}/") for place in places):
                raise self._left(now, f"which is the place of virtual machine {moref}, too")

    def _left(self, now: Machine, why: str) -> StorageError:
        """For files that are not removed; the virtual machine stays, as nothing else tells of them."""
        where = now.directory or "no known directory"
        return StorageError(
            f"{now.label} is {now.connection_state}, and its files are in {where}, {why}",
            hint="see whose files they are, remove them, and remove the virtual machine from the inventory in vCenter",
        )

    def _run(self, doing: str, call: Callable[[], vim.Task]) -> None:
        self._site.tasks.run(doing, call, self._op, on=self._vm)
