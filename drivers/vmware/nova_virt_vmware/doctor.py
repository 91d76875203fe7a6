"""Looking whether a vSphere endpoint can be used, and how to mend what cannot. Connects for itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from nova_virt_api.driver.health_check import Check
from nova_virt_api.errors import AuthenticationFailed, ConfigError, VirtError
from nova_virt_vmware.connection import Connection
from nova_virt_vmware.networks import read_networks
from nova_virt_vmware.nodes import Nodes, read_nodes
from nova_virt_vmware.storage_pools import read_storage_pools

if TYPE_CHECKING:
    from collections.abc import Iterator

MOST_NAMED: Final = 5


def checks(options: Any) -> list[Check]:
    """All checks, in the order in which to mend things; those that stand on a failed one are left out."""
    found: list[Check] = []
    connection = Connection(options)
    try:
        connection.open()
        found += endpoint_checks(connection, options)
        nodes = read_nodes(connection)
        found.append(node_check(nodes))
        found += place_checks(connection, nodes)
    except VirtError as error:
        found.append(Check(name=what_failed(error, found), ok=False, found=error.message, fix=error.hint))
    finally:
        connection.close()
    return found


def what_failed(error: VirtError, found: list[Check]) -> str:
    """The check that an error answers."""
    if isinstance(error, AuthenticationFailed):
        return "login"
    if isinstance(error, ConfigError):
        return "options"
    return "inventory" if found else "endpoint"


def endpoint_checks(connection: Connection, options: Any) -> Iterator[Check]:
    """Who answers, and whether it can be trusted."""
    about = connection.content.about
    fix = "" if connection.is_vcenter else "connect to a vCenter: an ESXi host cannot clone templates"
    found = f"{about.fullName} at {options.host} speaks version {about.apiVersion} of vSphere's API"
    yield Check(name="endpoint", ok=True, found=found, fix=fix)
    if options.insecure:
        fix = "give cafile or thumbprint instead of insecure"
        yield Check(name="encryption", ok=True, found="the endpoint's certificate is not verified", fix=fix)


def node_check(nodes: Nodes) -> Check:
    """Whether there is a host for a guest."""
    if not nodes.rows:
        fix = "give a role with System.View and System.Read on the datacenter to the account, or add a host"
        return Check(name="nodes", ok=False, found="there is no cluster or host that this account sees", fix=fix)
    down = [(row.name, row.maintenance) for row in nodes.rows if row.maintenance is not None]
    found = f"{len(nodes.rows)}: {len(nodes.rows) - len(down)} take guests"
    if down:
        found += "; " + "; ".join(f"{name}: {reason}" for name, reason in down[:MOST_NAMED])
    fix = "take a host out of maintenance mode, or connect it" if len(down) == len(nodes.rows) else ""
    return Check(name="nodes", ok=len(down) < len(nodes.rows), found=found, fix=fix)


def place_checks(connection: Connection, nodes: Nodes) -> Iterator[Check]:
    """Whether there is room for disks, and a network to connect to."""
    pools = read_storage_pools(connection, nodes)
    usable = [pool.name for pool in pools if pool.available]
    fix = "" if usable else "add a datastore, take one out of maintenance mode, or let the account see it"
    yield Check(name="storage", ok=bool(usable), found=f"{len(pools)}: {len(usable)} can be used", fix=fix)
    networks = read_networks(connection, nodes)
    fix = "" if networks else "let the account see a network"
    yield Check(name="networks", ok=bool(networks), found=f"{len(networks)} that guests can be connected to", fix=fix)
