"""What is known of all virtual machines at one moment, and how the next moment is made of what the server tells."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from nova_virt_vmware.entity_names import distinct_names
from nova_virt_vmware.plain import ENTER, LEAVE
from nova_virt_vmware.vm_row import COLUMNS, patched, row_of, settled

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from nova_virt_vmware.plain import Told
    from nova_virt_vmware.vm_row import VmRow

VM: Final = "VirtualMachine"
HOST: Final = "HostSystem"


@dataclass(frozen=True, slots=True)
class Known:
    """What is known at one moment. Never changes.

    Args:
        vms: virtual machines and templates, by id. One that did not change has the same row as before.
        hosts: by a host's id that of the node (``ComputeResource``) which it belongs to.
        names: the server's names of nodes, by id.
        nodes: names of nodes as people know them, by id.
    """

    vms: Mapping[str, VmRow] = field(default_factory=dict)
    hosts: Mapping[str, str] = field(default_factory=dict)
    names: Mapping[str, str] = field(default_factory=dict)
    nodes: Mapping[str, str] = field(default_factory=dict)

    def node_name(self, host: str | None) -> str | None:
        """The name of the node that a host belongs to; None when it is not known."""
        return self.nodes.get(self.hosts.get(host or "", ""))


NOTHING: Final = Known()


class Draft:
    """The next moment in the making.

    Args:
        before: what was known.
    """

    def __init__(self, before: Known) -> None:
        self._before = before
        self._vms = dict(before.vms)
        self._hosts = dict(before.hosts)
        self._names = dict(before.names)

    @classmethod
    def anew(cls, before: Known, told: Iterable[Told]) -> Draft:
        """What is there is told completely; what was known before is only good for what has not changed."""
        draft = cls(before)
        draft._vms, draft._hosts, draft._names = {}, {}, {}
        for one in told:
            draft.take(one)
        return draft

    def take(self, told: Told) -> bool:
        """Go on with what the server told of one object.

        Returns:
            Whether that can be gone on with; if not, the object has to be read again.
        """
        if told.kind == VM:
            return self._take_vm(told)
        take_value(*((self._hosts, told, "parent") if told.kind == HOST else (self._names, told, "name")))
        return True

    def drop(self, moref: str) -> None:
        """A virtual machine is not there any more."""
        self._vms.pop(moref, None)

    def done(self) -> Known:
        """What is known now."""
        before = self._before
        nodes = before.nodes if self._names == before.names else distinct_names(self._names)
        return Known(self._vms, self._hosts, self._names, nodes)

    def _take_vm(self, told: Told) -> bool:
        moref = told.moref
        if told.change == LEAVE:
            self.drop(moref)
        elif told.unclear or not told.values.keys() <= COLUMNS.keys():
            return False
        elif told.change == ENTER:
            self._vms[moref] = settled(self._before.vms.get(moref), row_of(moref, told.values))
        elif moref in self._vms:
            self._vms[moref] = patched(self._vms[moref], told.values)
        else:
            return False
        return True


def take_value(values: dict[str, Any], told: Told, path: str) -> None:
    """Note an object's only property; an object that left, or has none, is not noted."""
    if told.change == LEAVE:
        values.pop(told.moref, None)
    elif told.values.get(path):
        values[told.moref] = told.values[path]
