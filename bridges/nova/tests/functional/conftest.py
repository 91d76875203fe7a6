"""A whole Nova in this process, with the bridge in its nova-compute: REST API, conductor, scheduler, placement.

Database, message bus, Neutron, Cinder and Glance are the stand-ins that Nova brings for its own functional tests.
"""

import hashlib
import json
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from fixtures import Fixture, TempDir
from nova import test
from nova.tests import fixtures as nova_fixtures
from nova.tests.functional import fixtures as placement_fixtures
from nova.tests.functional.api.client import OpenStackApiNotFoundException

from nova_virt_bridge import options as bridge_options

HOST = "compute1"
PATIENCE = 180.0
"""Seconds until a test gives up on what should happen; so many only where the machine is busy with other things."""

Server = dict[str, Any]


class Cloud(test.TestCase):
    """Nova's services, set up and torn down as a test case of Nova's does it, and what a user does with them."""

    __test__ = False

    def __init__(self, driver: str, options: Mapping[str, Any], config: Mapping[str, Any]) -> None:
        super().__init__("runTest")
        self._driver = driver
        self._config = {"options": [f"{name}={value}" for name, value in options.items()], **config}

    def runTest(self) -> None:  # noqa: N802  # every test case of Nova's has a method that is the test
        """Nothing: tests are functions that use this."""

    def setUp(self) -> None:
        """Start all services. The driver looks at the machine that this is, which Nova's own tests must not."""
        with (
            mock.patch.object(nova_fixtures, "SysFsPoisonFixture", Fixture),
            mock.patch.object(nova_fixtures, "GenericPoisonFixture", Fixture),
        ):
            super().setUp()
        self.flags(api_paste_config=str(Path(sys.prefix, "etc", "nova", "api-paste.ini")), group="wsgi")
        self.flags(compute_driver=f"ext.{self._driver}")
        self.flags(state_path=self.useFixture(TempDir()).path)
        bridge_options.register(test.CONF)
        self.flags(group="nova_virt", **self._config)
        self.useFixture(nova_fixtures.RealPolicyFixture())
        self.neutron = self.useFixture(nova_fixtures.NeutronFixture(self))
        self.glance = self.useFixture(nova_fixtures.GlanceFixture(self))
        self.useFixture(nova_fixtures.CinderFixture(self))
        self.placement = self.useFixture(placement_fixtures.PlacementFixture()).api
        self.useFixture(nova_fixtures.AllServicesCurrent())
        self.useFixture(nova_fixtures.NotificationFixture(self))
        self.api = self.useFixture(nova_fixtures.OSAPIFixture(api_version="v2.1")).admin_api
        self.api.microversion = "2.96"
        for service in ("conductor", "scheduler"):
            self.addCleanup(self.start_service(service).stop)
        self.compute = self._start_compute(HOST)
        self.addCleanup(self._stop_compute)

    def _stop_compute(self) -> None:
        self.compute.stop()  # the one that is there at the end

    def restart_compute(self) -> None:
        """Stop nova-compute, then start another, as after an upgrade."""
        self.compute = self.restart_compute_service(self.compute, keep_hypervisor_state=False)

    def wait(self, seen: Callable[[], Any], what: str) -> Any:
        """Wait until something is true, and return it."""
        end = time.monotonic() + PATIENCE
        while not (result := seen()):
            if time.monotonic() > end:
                pytest.fail(f"not within {PATIENCE:.0f} s: {what}", pytrace=False)
            time.sleep(0.05)
        return result

    def add_image(self, path: Path, disk_format: str) -> str:
        """Put an image with a file's bytes into Glance."""
        metadata = {
            "name": path.name,
            "status": "active",
            "visibility": "public",
            "is_public": True,
            "container_format": "bare",
            "disk_format": disk_format,
            "size": path.stat().st_size,
            "checksum": hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest(),
            "min_ram": 0,
            "min_disk": 0,
            "deleted": False,
            "deleted_at": None,
            "protected": False,
            "tags": [],
            "properties": {},
        }
        with path.open("rb") as data:
            return str(self.glance.create(None, metadata, data)["id"])

    # --- what a user does -----------------------------------------------------------------------------------------

    def flavor(
        self, *, memory_mb: int = 128, disk_gb: int = 1, vcpus: int = 1, extra_specs: Mapping[str, str] | None = None
    ) -> str:
        """A new flavor."""
        shape = {"name": f"flavor-{time.monotonic_ns()}", "vcpus": vcpus, "ram": memory_mb, "disk": disk_gb, "id": None}
        flavor_id = str(self.api.post_flavor({"flavor": shape})["id"])
        if extra_specs:
            self.api.post_extra_spec(flavor_id, {"extra_specs": dict(extra_specs)})
        return flavor_id

    def request(
        self,
        image: str,
        *,
        memory_mb: int = 128,
        disk_gb: int = 1,
        extra_specs: Mapping[str, str] | None = None,
        networks: Any = "none",
        **more: Any,
    ) -> Server:
        """Ask for a server; return it as Nova answered."""
        asked = {
            "name": "web",
            "imageRef": image,
            "flavorRef": self.flavor(memory_mb=memory_mb, disk_gb=disk_gb, extra_specs=extra_specs),
            "networks": networks,
        }
        return self.server(self.api.post_server({"server": asked | more}))

    def boot(self, image: str, **more: Any) -> Server:
        """Ask for a server and wait until it runs."""
        return self.wait_for(self.request(image, **more), "ACTIVE")

    def server(self, server: Server) -> Server:
        """What Nova knows of a server now."""
        found: Server = self.api.get_server(server["id"])
        return found

    def wait_for(self, server: Server, status: str) -> Server:
        """Wait for a status with nothing going on; fail at once where the server went to ERROR instead."""

        def there() -> Server | None:
            now = self.server(server)
            if now["status"] == "ERROR" and status != "ERROR":
                pytest.fail(f"{status} was expected, and it is ERROR: {json.dumps(now.get('fault'))}", pytrace=False)
            idle = now["OS-EXT-STS:task_state"] is None and (status != "ERROR" or "fault" in now)
            return now if now["status"] == status and idle else None

        found: Server = self.wait(there, f"server {status}")
        return found

    def act(self, server: Server, action: str, body: Any = None) -> Any:
        """Ask for an action; return what it answers."""
        return self.api.post_server_action(server["id"], {action: body})

    def delete(self, server: Server) -> None:
        """Delete a server and wait until it is gone."""
        self.api.delete_server(server["id"])

        def gone() -> bool:
            try:
                now = self.server(server)
            except OpenStackApiNotFoundException:
                return True
            if now["status"] == "ERROR" and server["status"] != "ERROR":
                pytest.fail(f"deleting ended in ERROR: {json.dumps(now.get('fault'))}", pytrace=False)
            return False

        self.wait(gone, "server deleted")

    def console_log(self, server: Server) -> str:
        """The server's console log."""
        log: str = self.act(server, "os-getConsoleOutput", {})["output"]
        return log

    def result(self, server: Server, action: str) -> str | None:
        """How the newest action of this name ended: Success or Error; None while it is under way."""
        actions = [each for each in self.api.get_instance_actions(server["id"]) if each["action"] == action]
        if not actions:
            return None
        newest = max(actions, key=lambda each: each["start_time"])
        events = self.api.get_instance_action_details(server["id"], newest["request_id"])["events"]
        results = {event["result"] for event in events}
        return "Error" if "Error" in results else results.pop() if len(results) == 1 else None

    def ended(self, server: Server, action: str) -> str:
        """Wait until nothing of the newest action of this name goes on; return how it ended.

        What the server's status says does not tell: Nova sets it first, and then cleans up and writes down the rest.
        """
        self.wait(lambda: not self.api.get_active_migrations(server["id"]), "no live migration is under way")
        found: str = self.wait(lambda: self.result(server, action), f"{action} has ended")
        return found

    def events(self, *, name: str, server: Server, tag: str) -> None:
        """Tell Nova what Neutron would tell it."""
        event = {"name": name, "server_uuid": server["id"], "tag": tag, "status": "completed"}
        self.api.create_server_external_events([event])


MakeCloud = Callable[..., Cloud]


@pytest.fixture
def make_cloud() -> Iterator[MakeCloud]:
    """Makes a cloud of one compute host with a driver, its options, and others of [nova_virt]; stops it."""
    made: list[Cloud] = []

    def make(driver: str, options: Mapping[str, Any], **config: Any) -> Cloud:
        cloud = Cloud(driver, options, config)
        made.append(cloud)
        cloud.setUp()
        return cloud

    yield make
    for cloud in reversed(made):
        cloud.doCleanups()
