"""Looking whether an Ironic endpoint can be used, and how to mend what cannot. Connects for itself."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, Final

from nova_virt_api.driver.health_check import Check
from nova_virt_api.errors import AuthenticationFailed, VirtError
from nova_virt_ironic.connection import Connection
from nova_virt_ironic.instances import guest_on
from nova_virt_ironic.inventory import why_unavailable
from nova_virt_ironic.listing import Listing, Scope
from nova_virt_ironic.microversions import LATEST_KNOWN

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nova_virt_ironic.node import NodeRow

MOST_REASONS: Final = 3


def checks(options: Any) -> list[Check]:
    """All checks, in the order in which to mend things; those that stand on a failed one are left out."""
    found: list[Check] = []
    connection = Connection(options)
    try:
        connection.open()
        found += api_checks(connection, options)
        rows = Listing(connection, Scope.of(options), staleness=0.0).snapshot(fresh=True).rows
        found += node_checks(list(rows.values()))
    except VirtError as error:
        found.append(Check(name=what_failed(error, found), ok=False, found=error.message, fix=error.hint))
    finally:
        connection.close()
    return found


def what_failed(error: VirtError, found: list[Check]) -> str:
    """The check that an error answers."""
    if isinstance(error, AuthenticationFailed):
        return "login"
    return "nodes" if found else "endpoint"


def api_checks(connection: Connection, options: Any) -> Iterator[Check]:
    """Who answers, and whether it can be trusted."""
    versions = connection.versions
    yield Check(name="endpoint", ok=True, found=f"{connection.endpoint} speaks Ironic's API up to {versions.highest}")
    if versions.highest < LATEST_KNOWN:
        fix = "upgrade Ironic for what is not available there; nova-virt driver show ironic tells what that is"
        found = f"the driver knows versions up to {LATEST_KNOWN}"
        yield Check(name="version", ok=True, found=found, fix=fix)
    if connection.endpoint.startswith("http:"):
        fix = "serve Ironic's API by https"
        yield Check(name="encryption", ok=True, found="requests and passwords are sent in the clear", fix=fix)
    elif options.insecure:
        fix = "name the authority's certificate by the option cafile instead of insecure"
        yield Check(name="encryption", ok=True, found="the endpoint's certificate is not verified", fix=fix)


def node_checks(rows: list[NodeRow]) -> Iterator[Check]:
    """Whether there is a machine for a guest."""
    if not rows:
        fix = "enroll a node, or look at the options resource_class, shards, conductor_group and node_owner"
        yield Check(name="nodes", ok=False, found="there are none that this account sees", fix=fix)
        return
    used = sum(guest_on(row) is not None for row in rows)
    reasons = Counter(why_unavailable(row) for row in rows if guest_on(row) is None)
    free = reasons.pop("", 0)
    found = f"{len(rows)}: {free} available, {used} with guests"
    others = "; ".join(f"{count} not: {reason}" for reason, count in reasons.most_common(MOST_REASONS))
    fix = "" if free else "bring a node to the state 'available' with its power state known"
    yield Check(name="nodes", ok=free + used > 0, found=f"{found}; {others}" if others else found, fix=fix)
