"""What the verbs and roles of this driver stand on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nova_virt_api.driver.endpoint import Endpoint
    from nova_virt_vmware.beginning import Beginning
    from nova_virt_vmware.connection import Connection
    from nova_virt_vmware.instances import Guests
    from nova_virt_vmware.inventory_cache import InventoryCache
    from nova_virt_vmware.tasks import Tasks


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """One endpoint.

    Args:
        endpoint: as configured: owner, which guests may be changed, options.
        connection: asks the server.
        cache: what is known of the virtual machines, kept current.
        guests: reads virtual machines as guests.
        tasks: starts the server's tasks and waits for them.
        beginning: which virtual machines without a record somebody may be making.
    """

    endpoint: Endpoint
    connection: Connection
    cache: InventoryCache
    guests: Guests
    tasks: Tasks
    beginning: Beginning


class OnSite:
    """Base of the roles' classes: gives them the endpoint."""

    site: Site
