"""One change of a virtual machine's power: a task of the server's, begun once, found again, and done by whoever."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from pyVmomi import vim

from nova_virt_api.driver.operation import CancelMode
from nova_virt_api.errors import ConnectionLost, InvalidState
from nova_virt_api.model.identity import InstanceRef
from nova_virt_api.model.instance import Lifecycle, PowerState
from nova_virt_vmware.errors import NotThere, WrongPowerState
from nova_virt_vmware.questions import questioned

if TYPE_CHECKING:
    from collections.abc import Callable

    from nova_virt_api.driver.operation import Operation
    from nova_virt_vmware.instances import Guest
    from nova_virt_vmware.site import Site

ATTEMPTS: Final = 3
"""Times that a task is begun whose connection broke, each after a look that shows that it was not."""

SETTLED: Final = (Lifecycle.READY, Lifecycle.ERROR)


@dataclass(frozen=True, slots=True, kw_only=True)
class Switch:
    """A way from one power state to another.

    Args:
        word: what people call it.
        call: begins the task.
        kind: how the server calls the task (``TaskInfo.descriptionId``).
        result: the state in which it ends.
    """

    word: str
    call: Callable[[vim.VirtualMachine], vim.Task]
    kind: str
    result: PowerState


ON: Final = Switch(
    word="switch on", call=lambda vm: vm.PowerOnVM_Task(), kind="VirtualMachine.powerOn", result=PowerState.RUNNING
)
"""Also goes on from the memory of a suspended virtual machine (vSphere API reference: ``PowerOnVM_Task``)."""

OFF: Final = Switch(
    word="switch off", call=lambda vm: vm.PowerOffVM_Task(), kind="VirtualMachine.powerOff", result=PowerState.SHUTDOWN
)
SUSPEND: Final = Switch(
    word="suspend", call=lambda vm: vm.SuspendVM_Task(), kind="VirtualMachine.suspend", result=PowerState.SUSPENDED
)
RESET: Final = Switch(
    word="restart", call=lambda vm: vm.ResetVM_Task(), kind="VirtualMachine.reset", result=PowerState.RUNNING
)


def make(site: Site, guest: Guest, switch: Switch, op: Operation, cancel: CancelMode = CancelMode.NONE) -> None:
    """Switch a guest's power and return once it is done, by us or by somebody else.

    Args:
        site: the endpoint.
        guest: as it was when it was looked at.
        switch: what to do.
        op: the operation worked for; the stage has been told.
        cancel: see :meth:`nova_virt_vmware.tasks.Tasks.run`.

    Raises:
        InstanceNotFound: somebody else removed it.
        InvalidState: somebody else brought it into a state that does not allow this.
        VirtError: as from :meth:`nova_virt_vmware.tasks.Tasks.run`.
    """
    vm = machine_of(site, guest)
    doing = f"{switch.word} guest {guest.name}"
    for attempt in range(1, ATTEMPTS + 1):
        try:
            site.tasks.run(doing, lambda: switch.call(vm), op, on=vm, cancel=cancel)
        except WrongPowerState as error:
            now = look(site, guest, op).power_state
            if now is not switch.result:
                if now is not guest.power_state:
                    raise InvalidState(
                        now, (guest.power_state, switch.result), hint="somebody else did that"
                    ) from error
                if attempt == ATTEMPTS:
                    raise
                continue
        except NotThere:
            look(site, guest, op)  # raises if somebody has removed it since
            raise
        except ConnectionLost:
            if not is_done(site, guest, switch, op):
                if attempt == ATTEMPTS:
                    raise
                continue
        return


def is_done(site: Site, guest: Guest, switch: Switch, op: Operation) -> bool:
    """Whether a task that nobody answers for was begun all the same; if it is under way, it is waited for."""
    vm = machine_of(site, guest)
    if look(site, guest, op).power_state is switch.result:
        return True
    return await_active(site, vm, switch, f"{switch.word} guest {guest.name}", op)


def await_active(site: Site, vm: vim.VirtualMachine, switch: Switch, doing: str, op: Operation) -> bool:
    """Wait for a task of this kind that is under way on a virtual machine; False if there is none."""
    for active in site.tasks.active(vm, op):
        if active.kind == switch.kind:
            site.tasks.wait(doing, active.task, op, on=vm)
            return True
    return False


# --- guests -----------------------------------------------------------------------------------------------------------


def machine_of(site: Site, guest: Guest) -> vim.VirtualMachine:
    """A guest's virtual machine."""
    return site.connection.object(vim.VirtualMachine, guest.row.moref)


def look(site: Site, guest: Guest, op: Operation | None = None) -> Guest:
    """A guest as it is now.

    Raises:
        InstanceNotFound: it is gone.
    """
    return site.guests.find(InstanceRef(uuid=guest.uuid, native_id=guest.row.moref), op)


def require_settled(guest: Guest) -> None:
    """Refuse a guest that is being made, moved or removed.

    Raises:
        InvalidState: it is.
    """
    if guest.lifecycle not in SETTLED:
        raise InvalidState(guest.lifecycle, SETTLED, hint="wait until that is over")


def require_unblocked(site: Site, guest: Guest, word: str, op: Operation) -> None:
    """Refuse a guest of which a task stands still with a question: nothing else would be begun before an answer.

    Raises:
        Questioned: it does.
    """
    if guest.row.question and site.tasks.active(machine_of(site, guest), op):
        require_unasking(guest, word)


def require_unasking(guest: Guest, word: str) -> None:
    """Refuse a guest that stands still with a question.

    Raises:
        Questioned: it does.
    """
    if guest.row.question:
        raise questioned(f"{word} guest {guest.name}", guest.row.question)
