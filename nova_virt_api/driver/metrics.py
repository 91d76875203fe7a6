"""The role of counting what guests use, many in one call."""

from abc import abstractmethod
from collections.abc import Sequence

from nova_virt_api.capability import Capability
from nova_virt_api.driver.role import Role
from nova_virt_api.model.metrics import GuestMetrics


class Metrics(Role, capability=Capability.METRICS):
    """Sample the counters of all guests at once. Experimental."""

    @abstractmethod
    def metrics(self) -> Sequence[GuestMetrics]:
        """One sample of each guest that the account sees and that is switched on, paused ones included.

        The number of requests does not grow with the number of guests. A guest that hangs is told with what is known
        without asking it, and delays the others by seconds at most, once.
        """
