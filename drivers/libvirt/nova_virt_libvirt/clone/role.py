"""Clone: a guest of its own from another's definition and disks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from nova_virt_api.driver.clone import Clone
from nova_virt_api.model.instance import PowerState
from nova_virt_api.model.quiesce import Quiesce
from nova_virt_libvirt.clone.build import CloneBuild, Original
from nova_virt_libvirt.places import Places
from nova_virt_libvirt.spawn import Spawn, new_record
from nova_virt_libvirt.verbs import OnDomains

if TYPE_CHECKING:
    from nova_virt_api.driver.operation import Operation
    from nova_virt_api.model.clone import CloneSpec
    from nova_virt_api.model.identity import InstanceRef
    from nova_virt_api.model.instance import Instance
    from nova_virt_libvirt.connection import Connection
    from nova_virt_libvirt.domain import Domain
    from nova_virt_libvirt.site import Site

COPIED: Final = (PowerState.SHUTDOWN, PowerState.RUNNING, PowerState.PAUSED)


class LibvirtClone(OnDomains, Clone):
    """The role Clone, of guests that are off, run or are paused. A copy is claimed, made and undone as in a spawn."""

    site: Site
    agents: Connection

    def clone(
        self, guest: InstanceRef, spec: CloneSpec, op: Operation, *, quiesce: Quiesce = Quiesce.IF_POSSIBLE
    ) -> Instance:
        def found() -> Domain:
            domain = self.domains.owned(guest)
            domain.require(*COPIED)
            return domain

        connection = self.site.connection()
        places = Places(connection, self.site.pool)
        original = Original(find=found, agents=self.agents, quiesce=quiesce)
        build = CloneBuild(self.site, connection, places, original, spec, op)
        record = new_record(self.site, spec.uuid, spec.fingerprint(guest.uuid))
        return Spawn(self.site, connection, places, build, record, op).run()
