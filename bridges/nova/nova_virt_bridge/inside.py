"""What is done inside guests, by their agents."""

from __future__ import annotations

from typing import Any, Final

from nova import utils
from oslo_utils import strutils

import nova_virt_api as virt
from nova_virt_bridge.errors import GUEST, nova_errors
from nova_virt_bridge.site import Bridged, guest

REQUIRE_QUIESCE: Final = "image_os_require_quiesce"
"""Where an instance keeps its image's property ``os_require_quiesce``."""


class Inside(Bridged):
    """Nova's methods that need a guest's agent."""

    def set_admin_password(self, instance: Any, new_pass: str) -> None:
        with nova_errors(GUEST, instance):
            self.compute.set_password(guest(instance), virt.Secret(new_pass), timeout=self.site.verb_timeout)

    def quiesce(self, context: Any, instance: Any, image_meta: Any) -> None:
        with nova_errors(GUEST, instance):
            self.compute.quiesce(guest(instance), timeout=self.site.verb_timeout)

    def unquiesce(self, context: Any, instance: Any, image_meta: Any) -> None:
        with nova_errors(GUEST, instance):
            self.compute.unquiesce(guest(instance), timeout=self.site.verb_timeout)


def demanded_rest(instance: Any) -> virt.Quiesce:
    """Whether the guest has to come to rest for a snapshot: its image may demand it, else it does where it can."""
    demanded = strutils.bool_from_string(utils.instance_sys_meta(instance).get(REQUIRE_QUIESCE))
    return virt.Quiesce.REQUIRED if demanded else virt.Quiesce.IF_POSSIBLE
