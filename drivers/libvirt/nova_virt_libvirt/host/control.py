"""HostControl: a host that takes no new guests for a while. Its guests are not touched, and do not suffer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nova_virt_api.driver.host_control import HostControl
from nova_virt_libvirt.host.maintenance import Maintenance

if TYPE_CHECKING:
    from nova_virt_api.driver.operation import Operation
    from nova_virt_libvirt.host.host import Host
    from nova_virt_libvirt.site import Site


class LibvirtHostControl(HostControl):
    """The role HostControl. libvirt itself has no such state, so this driver's own verbs keep to the mark."""

    site: Site
    host: Host

    def enter_maintenance(self, node: str, reason: str, op: Operation) -> None:
        self.host.check_node(node)
        op.stage("take the host out of use")
        self._maintenance().enter(reason)

    def leave_maintenance(self, node: str, op: Operation) -> None:
        self.host.check_node(node)
        op.stage("take the host into use")
        self._maintenance().leave()

    def _maintenance(self) -> Maintenance:
        return Maintenance(self.site.connection(), self.site.pool, self.site.host())
