"""Which guests there are, and how each of them is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nova.virt.hardware import InstanceInfo

import nova_virt_api as virt
from nova_virt_bridge.errors import HOST, nova_errors
from nova_virt_bridge.site import Bridged, guest

if TYPE_CHECKING:
    from collections.abc import Iterator


class Listing(Bridged):
    """Nova's methods about which guests there are. Guests of other making are not told of: Nova would delete them.

    Nor are those that wait here for what becomes of their resize, which may be instances of another host.
    """

    def list_instances(self) -> list[str]:
        with nova_errors(HOST):
            return [found.name for found in self._guests()]

    def list_instance_uuids(self) -> list[str]:
        with nova_errors(HOST):
            return [str(found.uuid) for found in self._guests()]

    def get_info(self, instance: Any, use_cache: bool = True) -> InstanceInfo:
        with nova_errors(instance=instance):
            found = self.compute.instance(guest(instance), fresh=not use_cache)
        return InstanceInfo(state=found.power_state.code, internal_id=found.native_id)

    def instance_exists(self, instance: Any) -> bool:
        with nova_errors(instance=instance):
            try:
                return self.compute.instance(guest(instance)).owned
            except virt.InstanceNotFound:
                return False

    def _guests(self) -> Iterator[virt.Instance]:
        pending = virt.Lifecycle.RESIZE_PENDING
        return (found for found in self.compute.instances(scope=virt.Scope.OWNED) if found.lifecycle is not pending)
