"""Which guests there are, and how each of them is."""

from __future__ import annotations

from typing import Any

from nova.virt.hardware import InstanceInfo

import nova_virt_api as virt
from nova_virt_bridge.errors import HOST, nova_errors
from nova_virt_bridge.site import Bridged, guest


class Listing(Bridged):
    """Nova's methods about which guests there are. Guests of other making are not told of: Nova would delete them."""

    def list_instances(self) -> list[str]:
        with nova_errors(HOST):
            return [found.name for found in self.compute.instances(scope=virt.Scope.OWNED)]

    def list_instance_uuids(self) -> list[str]:
        with nova_errors(HOST):
            return [str(found.uuid) for found in self.compute.instances(scope=virt.Scope.OWNED)]

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
