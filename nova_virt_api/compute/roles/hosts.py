"""Nodes: taking them out of use, and what is in them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nova_virt_api.compute.face import AsyncFace, ComputeFace, SubmitFace
from nova_virt_api.compute.operation import Operation, outcome_of
from nova_virt_api.driver.devices import Devices
from nova_virt_api.driver.host_control import HostControl
from nova_virt_api.model.check import check_text
from nova_virt_api.model.place import Node

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nova_virt_api.compute.face import OnProgress
    from nova_virt_api.model.device import Device


class SubmitHosts(SubmitFace):
    """Begin to take nodes out of use."""

    def enter_maintenance(
        self, node: Node | str, reason: str, *, timeout: float | None = None, on_progress: OnProgress | None = None
    ) -> Operation[None]:
        """See :meth:`nova_virt_api.driver.host_control.HostControl.enter_maintenance`."""
        name = node_name(node)
        check_text("reason", reason, 255)
        role = self._role("enter_maintenance", None, HostControl, node=name)
        operation = Operation[None]("enter_maintenance", None, node=name, timeout=timeout, on_progress=on_progress)
        return self._start(operation, lambda op: role.enter_maintenance(name, reason, op))

    def leave_maintenance(
        self, node: Node | str, *, timeout: float | None = None, on_progress: OnProgress | None = None
    ) -> Operation[None]:
        """See :meth:`nova_virt_api.driver.host_control.HostControl.leave_maintenance`."""
        name = node_name(node)
        role = self._role("leave_maintenance", None, HostControl, node=name)
        operation = Operation[None]("leave_maintenance", None, node=name, timeout=timeout, on_progress=on_progress)
        return self._start(operation, lambda op: role.leave_maintenance(name, op))


class ComputeHosts(ComputeFace):
    """Take nodes out of use, and see what is in them."""

    def devices(self, node: str | None = None) -> Sequence[Device]:
        """The devices of a node, as far as known; ``node`` may be left out where there is one."""
        return self._read_role("devices", None, Devices, lambda role: role.devices(node))

    def enter_maintenance(
        self, node: Node | str, reason: str, *, timeout: float | None = None, on_progress: OnProgress | None = None
    ) -> None:
        """Let no new guest be placed on a node; those that are there stay.

        Args:
            node: the node, its name or its id.
            reason: for people, one line; found again in ``Node.maintenance``.
            timeout: seconds until the deadline.
            on_progress: called whenever stage or progress changed.
        """
        outcome_of(self.submit.enter_maintenance(node, reason, timeout=timeout, on_progress=on_progress))

    def leave_maintenance(
        self, node: Node | str, *, timeout: float | None = None, on_progress: OnProgress | None = None
    ) -> None:
        """Let guests be placed on a node again."""
        outcome_of(self.submit.leave_maintenance(node, timeout=timeout, on_progress=on_progress))


class AsyncHosts(AsyncFace):
    """Take nodes out of use, and see what is in them, awaitable."""

    async def devices(self, node: str | None = None) -> Sequence[Device]:
        """See :meth:`Compute.devices`."""
        return await self._read(lambda: self.compute.devices(node))

    async def enter_maintenance(
        self, node: Node | str, reason: str, *, timeout: float | None = None, on_progress: OnProgress | None = None
    ) -> None:
        """See :meth:`Compute.enter_maintenance`."""
        submit = self.compute.submit
        await self._outcome(lambda: submit.enter_maintenance(node, reason, timeout=timeout, on_progress=on_progress))

    async def leave_maintenance(
        self, node: Node | str, *, timeout: float | None = None, on_progress: OnProgress | None = None
    ) -> None:
        """See :meth:`Compute.leave_maintenance`."""
        submit = self.compute.submit
        await self._outcome(lambda: submit.leave_maintenance(node, timeout=timeout, on_progress=on_progress))


def node_name(node: Node | str) -> str:
    """What the driver is told of a node: an id names exactly one."""
    name = node.id if isinstance(node, Node) else node
    check_text("node", name, 255)
    return name
