"""Nova's compute driver over any driver of nova-virt-api, put together from its parts."""

from __future__ import annotations

from typing import Any, ClassVar

from nova.virt.driver import ComputeDriver

from nova_virt_bridge.attaching import Attaching
from nova_virt_bridge.build import Build
from nova_virt_bridge.capabilities import Capabilities
from nova_virt_bridge.console import Consoles
from nova_virt_bridge.diagnostics import Diagnostics
from nova_virt_bridge.events import Events
from nova_virt_bridge.host import Host
from nova_virt_bridge.image_cache import ImageCache
from nova_virt_bridge.inside import Inside
from nova_virt_bridge.interfaces import Interfaces
from nova_virt_bridge.listing import Listing
from nova_virt_bridge.live_migration import LiveMigration
from nova_virt_bridge.nodes import Nodes
from nova_virt_bridge.power import Power
from nova_virt_bridge.provider_tree import ProviderTree
from nova_virt_bridge.rebuild import Rebuild
from nova_virt_bridge.repair import Repair
from nova_virt_bridge.resize import Resize
from nova_virt_bridge.shares import Shares
from nova_virt_bridge.site import Site
from nova_virt_bridge.threads import require_native_threads
from nova_virt_bridge.volume_usage import VolumeUsage


class BridgeDriver(
    Host,
    Nodes,
    ProviderTree,
    Capabilities,
    Listing,
    Build,
    Power,
    Rebuild,
    Resize,
    LiveMigration,
    Repair,
    Inside,
    Interfaces,
    Attaching,
    VolumeUsage,
    Shares,
    Consoles,
    Diagnostics,
    ImageCache,
    Events,
    ComputeDriver,
):
    """A ``ComputeDriver`` whose hypervisor is an endpoint of nova-virt-api.

    What a method means is said in ``nova.virt.driver``. A method that is not in one of the parts is the base class's:
    most of these raise ``NotImplementedError``, which doc/nova-mapping explains one by one.

    Args:
        virtapi: what nova-compute offers its driver.

    Raises:
        InvalidConfiguration: Nova runs on eventlet.
    """

    driver_name: ClassVar[str]
    """Name under which the endpoint's driver is installed; subclasses, made by the shim, say it."""

    def __init__(self, virtapi: Any) -> None:
        require_native_threads()
        super().__init__(virtapi)
        self.site = Site(self.driver_name)
