"""Questions of virtual machines: ESXi stops what it does with one, e.g. a start, until a person has answered.

E.g. after a virtual machine's files were copied, or when a datastore is full (vSphere API reference:
``VirtualMachineQuestionInfo``, ``AnswerVM``). An answer is a decision that only an operator can take.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pyVmomi import vim

from nova_virt_api.errors import BackendError, StateAfter
from nova_virt_vmware.errors import moref_of, shown
from nova_virt_vmware.property_collector import look_at

if TYPE_CHECKING:
    from nova_virt_vmware.connection import Connection

PATH: Final = "runtime.question"
HINT: Final = "answer it at vCenter (there: Summary, Answer Question), and look at the guest before you try again"


class Questioned(BackendError):
    """A virtual machine stands still with a question that somebody has to answer."""


def questioned(doing: str, text: str, state_after: StateAfter = StateAfter.UNCHANGED) -> Questioned:
    """The error for a verb that cannot go on before a question is answered.

    Args:
        doing: what is being done to what.
        text: the question.
        state_after: what became of the virtual machine.
    """
    return Questioned(f"{doing}: it waits for an answer to: {shown(text)}", hint=HINT, state_after=state_after)


def check_no_question(connection: Connection, vm: vim.VirtualMachine, doing: str) -> None:
    """See that a virtual machine does not stand still. One request.

    Raises:
        Questioned: it does, so that what was begun goes on only after an answer.
    """
    for _, values in look_at(connection, vim.VirtualMachine, [moref_of(vm)], [PATH]):
        question = values.get(PATH)
        if question is not None:
            raise questioned(doing, str(question.text or "a question without a text"), StateAfter.UNKNOWN)
