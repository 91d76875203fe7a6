"""Listing 1000 nodes of a real Ironic with fake hardware on MariaDB, which the benchmark starts (`make ironic`).

Beside the driver: the raw client's list of the same fields, its list of all fields, and one request for each node.
"""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from figure import Figure, interleaved_seconds, median_seconds

from nova_virt_api.compute.connect import make_driver
from nova_virt_ironic.node import fields_at

sys.path.append(str(Path(__file__).parents[1]))

from tools.ironic import Database, Ironic, NodeSpec, Settings

NODES = 1000
PAGE = 1000
"""The most nodes that Ironic gives in one answer (`[api] max_limit`)."""


def measure() -> Iterator[Figure]:
    """Figures of listings."""
    with Ironic(Settings(database=Database.MARIADB)) as ironic:
        driver: Any = make_driver("ironic", endpoint=ironic.endpoint, staleness=60.0)
        driver.open()
        try:
            few = requests_for(driver)
            ironic.enroll(NODES, NodeSpec(name="bench"))
            many = requests_for(driver)
            yield Figure(
                name=f"requests for nodes() + instances(), {NODES} nodes",
                value=many,
                unit="",
                bound=NODES // PAGE + 1,
                detail=f"{few} for none at all",
            )
            yield from against_the_client(driver)
        finally:
            driver.close()


def against_the_client(driver: Any) -> Iterator[Figure]:
    """What the client takes for the same, and in other ways."""
    client = driver.native()
    names, version = fields_at(driver.site.connection.versions)
    raw = {"limit": 0, "os_ironic_api_version": str(version)}
    ours, same_fields, detailed = interleaved_seconds(
        lambda: look(driver),
        lambda: client.node.list(fields=names, **raw),
        lambda: client.node.list(detail=True, **raw),
        repeat=9,
    )
    yield ratio("fresh instances() + nodes() / client's list, same fields", ours, same_fields, 1.2)
    yield ratio("client's list of all fields / the same listing", detailed, ours, None)
    uuids = [node.id for node in driver.nodes()][:50]
    each = median_seconds(lambda: [client.node.get(uuid, fields=names) for uuid in uuids], repeat=3)
    yield ratio("one request for each node / the same listing", each * NODES / len(uuids), ours, None)
    cached = median_seconds(lambda: (driver.instances(), driver.nodes()), repeat=9)
    yield Figure(name="instances() + nodes() within the staleness", value=cached * 1000, unit="ms")


def look(driver: Any) -> None:
    """List guests and nodes, asking anew."""
    driver.instances(fresh=True)
    assert len(driver.nodes()) == NODES


def requests_for(driver: Any) -> int:
    """How many requests a look takes."""
    before = driver.site.connection.request_count
    driver.instances(fresh=True)
    driver.nodes()
    return int(driver.site.connection.request_count - before)


def ratio(name: str, seconds: float, other_seconds: float, bound: float | None) -> Figure:
    """One time in terms of another."""
    detail = f"{seconds * 1000:.0f} ms / {other_seconds * 1000:.0f} ms"
    return Figure(name=name, value=seconds / other_seconds, bound=bound, detail=detail)
