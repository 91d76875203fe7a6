"""The role of telling how a guest and what it runs on are doing."""

from abc import abstractmethod

from nova_virt_api.capability import Capability
from nova_virt_api.driver.role import Role
from nova_virt_api.model.diagnostics import Diagnosis
from nova_virt_api.model.identity import InstanceRef


class Diagnostics(Role, capability=Capability.DIAGNOSTICS):
    """Look closer at one guest: counters, sensors, and what happened to it. Experimental."""

    @abstractmethod
    def diagnostics(self, guest: InstanceRef) -> Diagnosis:
        """What is known of the guest beyond its listing; may take several requests. Works in all states.

        Raises:
            InstanceNotFound: no such guest at this endpoint.
        """
