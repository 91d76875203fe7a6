"""What the verbs and roles of this driver stand on."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from nova_virt_ironic.tries import Tries

if TYPE_CHECKING:
    from nova_virt_api.driver.endpoint import Endpoint
    from nova_virt_ironic.connection import Connection
    from nova_virt_ironic.instances import Guests
    from nova_virt_ironic.listing import Listing
    from nova_virt_ironic.watcher import Watcher


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """One endpoint.

    Args:
        endpoint: as configured: owner, which guests may be changed, options.
        connection: asks Ironic.
        listing: reads nodes.
        guests: reads nodes as guests.
        watcher: waits for nodes.
        tries: which nodes are being claimed from here.
    """

    endpoint: Endpoint
    connection: Connection
    listing: Listing
    guests: Guests
    watcher: Watcher
    tries: Tries = field(default_factory=Tries)


class OnSite:
    """Base of the role's classes: gives them the endpoint."""

    site: Site
