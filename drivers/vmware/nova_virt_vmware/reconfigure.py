"""Changing a virtual machine's configuration by comparing and swapping, so that nobody's change is written over."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Final

from pyVmomi import vim

from nova_virt_api.errors import ConnectionLost, InstanceNotFound, StateAfter
from nova_virt_vmware.errors import ChangedMeanwhile, NotThere
from nova_virt_vmware.hold import option
from nova_virt_vmware.machine import machine
from nova_virt_vmware.record import KEY

if TYPE_CHECKING:
    from collections.abc import Callable

    from nova_virt_api.driver.operation import Operation
    from nova_virt_vmware.machine import Machine
    from nova_virt_vmware.record import GuestRecord
    from nova_virt_vmware.site import Site

ATTEMPTS: Final = 10
"""Times that a change is worked out anew because somebody else changed the virtual machine meanwhile."""


def reconfigure(
    site: Site, moref: str, doing: str, wanted: Callable[[Machine], vim.vm.ConfigSpec | None], op: Operation
) -> None:
    """Look at a virtual machine and change it; look and change again if somebody else was faster.

    By ``ReconfigVM_Task`` with the ``changeVersion`` that was looked at (vSphere API reference:
    ``VirtualMachineConfigSpec.changeVersion``): what was changed since is never written over, and a change that was
    made although the connection broke is not made twice.

    Args:
        site: the endpoint.
        moref: the virtual machine.
        doing: what is being done to what, for errors.
        wanted: what to change of the virtual machine as it is; None when there is nothing to change. May raise.
        op: the operation worked for.

    Raises:
        InstanceNotFound: the virtual machine is gone.
        Busy: others changed it all the time.
    """
    vm = site.connection.object(vim.VirtualMachine, moref)
    for attempt in range(1, ATTEMPTS + 1):
        now = machine(site.connection, moref, op)
        if now is None:
            raise InstanceNotFound(f"{doing}: virtual machine {moref} is gone", state_after=StateAfter.CHANGED)
        spec = wanted(now)
        if spec is None:
            return
        spec.changeVersion = now.version or None
        try:
            site.tasks.run(doing, partial(vm.ReconfigVM_Task, spec), op, on=vm)
        except (ChangedMeanwhile, ConnectionLost):
            if attempt == ATTEMPTS:
                raise
            op.checkpoint()
        except NotThere as error:
            raise InstanceNotFound(f"{doing}: it was removed meanwhile", state_after=StateAfter.CHANGED) from error
        else:
            return


def record_option(record: GuestRecord | None) -> Any:
    """The guest's record as it is written; without one, that it is removed."""
    return option(KEY, record.encode() if record is not None else "")
