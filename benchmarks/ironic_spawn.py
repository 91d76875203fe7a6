"""200 spawns at once on a real Ironic whose fake hardware takes its time to deploy, and the same by the raw client."""

import sys
import threading
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from figure import Figure

import nova_virt_api as virt

sys.path.append(str(Path(__file__).parents[1]))

from tools.ironic import Database, Ironic, NodeSpec, Script, Settings

GUESTS = 200
DEPLOY_SECONDS = 5
DEADLINE = 600.0
CONNECTIONS = 16
"""More at the same time, and Ironic's API resets some: the driver's default, too."""
IMAGE = virt.BackendUrl("http://127.0.0.1:9/image.raw", virt.Checksum(digest="0" * 64), virt.ImageFormat.RAW)


def measure() -> Iterator[Figure]:
    """Figures of many spawns."""
    conductor = {"workers_pool_size": 2 * GUESTS, "max_concurrent_clean": GUESTS}  # 300 and 50: others would wait
    extra = {"conductor": conductor}
    with Ironic(Settings(database=Database.MARIADB, extra=extra)) as ironic:
        nodes = ironic.enroll(GUESTS, NodeSpec(name="bench", script=Script(delay_s={"deploy": DEPLOY_SECONDS})))
        with virt.connect("ironic", endpoint=ironic.endpoint) as compute:
            ours, pollers = spawn_all(compute)
            with compute.native() as client:
                for operation in [compute.submit.destroy(guest, timeout=DEADLINE) for guest in compute.instances()]:
                    operation.result()
                raw = deploy_all(client, [node.uuid for node in nodes])
    yield Figure(
        name=f"{GUESTS} spawns at once / the same by the client",
        value=ours / raw,
        detail=f"{ours:.1f} s / {raw:.1f} s; the hardware takes {DEPLOY_SECONDS} s",
    )
    yield Figure(name="threads that list while all of them wait", value=pollers, unit="", bound=1)


def spawn_all(compute: virt.Compute) -> tuple[float, int]:
    """Spawn all guests at once; the seconds it took, and the most pollers at any time."""
    began = time.perf_counter()
    operations = [compute.submit.spawn(spec(number), timeout=DEADLINE) for number in range(GUESTS)]
    pollers = 0
    while not all(operation.done() for operation in operations):
        pollers = max(pollers, sum("watcher" in thread.name for thread in threading.enumerate()))
        time.sleep(0.1)
    guests = [operation.result() for operation in operations]
    seconds = time.perf_counter() - began
    assert len({guest.native_id for guest in guests}) == GUESTS, "a node was lost or given twice"
    return seconds, pollers


def spec(number: int) -> virt.InstanceSpec:
    """One guest."""
    disks = [virt.Disk(source=IMAGE)]
    return virt.InstanceSpec(uuid=uuid.uuid4(), name=f"bench-{number}", memory_bytes=virt.MiB(64), disks=disks)


def deploy_all(client: Any, nodes: list[str]) -> float:
    """Claim and deploy all nodes, several at a time, and list until they are active; the seconds it took."""
    began = time.perf_counter()
    with ThreadPoolExecutor(CONNECTIONS) as pool:
        list(pool.map(lambda node: deploy(client, node), nodes))
    while any(node.provision_state != "active" for node in client.node.list(limit=0, fields=["provision_state"])):
        time.sleep(0.1)
    return time.perf_counter() - began


def deploy(client: Any, node: str) -> None:
    """The calls that no deployment can do without."""
    image = {"image_source": IMAGE.url, "image_checksum": "0" * 32, "root_gb": 1}
    client.node.update(
        node,
        [
            {"op": "add", "path": "/instance_uuid", "value": str(uuid.uuid4())},
            {"op": "add", "path": "/instance_info", "value": image},
        ],
    )
    client.node.validate(node)
    client.node.set_provision_state(node, "active", configdrive={"meta_data": {}})
