"""Asking guests' agents, and letting them act."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING

from nova_virt_api.driver.guest import Guest
from nova_virt_api.driver.operation import CancelMode
from nova_virt_api.model.instance import PowerState
from nova_virt_libvirt.agent import quiesced
from nova_virt_libvirt.agent.guest_agent import GuestAgent
from nova_virt_libvirt.claims.guest_claim import claimed
from nova_virt_libvirt.errors import translated
from nova_virt_libvirt.verbs import OnDomains

if TYPE_CHECKING:
    from nova_virt_api.driver.operation import Operation
    from nova_virt_api.model.guest_info import GuestInfo
    from nova_virt_api.model.identity import InstanceRef
    from nova_virt_api.model.secret import Secret
    from nova_virt_libvirt.connection import Connection
    from nova_virt_libvirt.domain import Domain
    from nova_virt_libvirt.site import Site


class LibvirtGuest(OnDomains, Guest):
    """The role Guest, by qemu-guest-agent."""

    site: Site
    agents: Connection

    def guest_info(self, guest: InstanceRef) -> GuestInfo:
        domain = self.domains.find(guest)
        domain.require(PowerState.RUNNING)
        return GuestAgent(self.agents, domain).info()

    def set_password(self, guest: InstanceRef, password: Secret, op: Operation, *, user: str | None = None) -> None:
        agent = GuestAgent(self.agents, self._running(guest))
        op.stage("set the password", CancelMode.NONE)
        agent.set_password(user or agent.administrator(), password.reveal())

    def quiesce(self, guest: InstanceRef, op: Operation) -> None:
        """Frozen first, remembered then: what is at rest and not remembered, the next snapshot lets write again."""
        domain = self._running(guest)
        with self._noting(domain, op):
            op.stage("bring the file systems to rest", CancelMode.NONE)
            GuestAgent(self.agents, domain).freeze()
            with translated("write down that the guest is at rest"):
                quiesced.remember(domain.native)

    def unquiesce(self, guest: InstanceRef, op: Operation) -> None:
        domain = self._running(guest)
        op.stage("let the guest write again", CancelMode.NONE)
        GuestAgent(self.agents, domain).thaw()
        with self._noting(domain, op), translated("write down that the guest writes again"):
            quiesced.forget(domain.native)

    def _noting(self, domain: Domain, op: Operation) -> AbstractContextManager[object]:
        """Whoever writes the mark of a guest that has one holds its claim: the mark says more."""
        return nullcontext() if domain.mark is None else claimed(self.site, domain, op)

    def _running(self, guest: InstanceRef) -> Domain:
        domain = self.domains.owned(guest)
        domain.require(PowerState.RUNNING)
        return domain
