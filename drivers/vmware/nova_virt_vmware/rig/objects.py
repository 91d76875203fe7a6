"""All that guests may leave behind in vSphere."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pyVmomi import vim

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from nova_virt_vmware.rig.native import Native

ENDED: Final = ("success", "error")


class Objects:
    """Looks at what there is.

    Args:
        native: the API.
        pools: names of the datastores that count.
    """

    def __init__(self, native: Native, pools: Sequence[str]) -> None:
        self._native = native
        self._pools = pools

    def list(self) -> list[str]:
        """One line for each object: virtual machines, directories on datastores, tasks under way."""
        machines = self._native.all(vim.VirtualMachine, "name")
        found = [f"virtual machine {machine._moId} {properties.get('name')}" for machine, properties in machines]
        for pool in self._pools:
            store = self._native.named(vim.Datastore, pool)
            found += [f"[{pool}] {path}" for path in self._native.top_of(store)]
        return [*found, *self._tasks()]

    def _tasks(self) -> Iterator[str]:
        """Tasks that work on virtual machines; the rig's own looks are none."""
        for task in self._native.content.taskManager.recentTask:
            info = task.info
            if info.state not in ENDED and isinstance(info.entity, vim.VirtualMachine):
                yield f"task {info.key} {info.descriptionId} of {info.entityName}"
