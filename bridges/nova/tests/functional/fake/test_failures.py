"""What a user of Nova is told when a server cannot be built."""

from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

import nova_virt_api as virt
from nova_virt_api.fake.steps import Step

RUNNING = 1
"""A power state in Nova's API."""


def test_a_host_that_fails_is_left_for_another_and_the_log_says_why(cloud: Any, image: str, outside: Any) -> None:
    before = outside.objects()
    with cloud.compute.manager.driver.site.compute.native() as switches:
        switches.fail_at(Step.SPAWN_DEFINE, virt.StorageError("the shelf of disk 7 is on fire"))
    server = cloud.wait_for(cloud.request(image), "ERROR")
    assert "Exhausted all hosts available for retrying" in server["fault"]["message"]
    assert "the shelf of disk 7 is on fire" in cloud.stdlog.logger.output
    assert outside.objects() == before
    cloud.delete(server)


def test_a_request_that_is_wrong_everywhere_fails_with_our_words(cloud: Any, outside: Any, make_image: Any) -> None:
    before = outside.objects()
    server = cloud.wait_for(cloud.request(make_image("2G"), disk_gb=1), "ERROR")
    assert "disks[0].size_bytes" in server["fault"]["message"]
    assert outside.objects() == before
    cloud.delete(server)


@pytest.mark.parametrize(
    ("content", "why"),
    [
        pytest.param(b"not an image at all" * 1000, "qcow2", id="not-what-it-says"),
        pytest.param(b"", "empty", id="empty"),
    ],
)
def test_a_bad_image_ends_the_build_at_once(cloud: Any, outside: Any, tmp_path: Path, content: bytes, why: str) -> None:
    before = outside.objects()
    path = tmp_path / "bad.qcow2"
    path.write_bytes(content)
    server = cloud.wait_for(cloud.request(cloud.add_image(path, "qcow2")), "ERROR")
    assert server["fault"]["code"] == 500
    assert why in server["fault"]["message"]
    assert outside.objects() == before
    cloud.delete(server)


def test_a_server_whose_guest_is_gone_can_be_deleted(cloud: Any, image: str, outside: Any) -> None:
    before = outside.objects()
    server = cloud.boot(image)
    outside.remove(UUID(server["id"]))
    cloud.delete(server)
    assert outside.objects() == before


def test_a_guest_that_cannot_be_removed_keeps_its_port(cloud: Any, image: str, outside: Any) -> None:
    before = outside.objects()
    port = cloud.neutron.port_1["id"]
    server = cloud.boot(image, networks=[{"port": port}])
    with cloud.compute.manager.driver.site.compute.native() as switches:
        switches.lose_connection(None)
        cloud.api.delete_server(server["id"])
        server = cloud.wait_for(server | {"status": "ERROR"}, "ERROR")
        assert cloud.neutron.show_port(port)["port"]["device_id"] == server["id"]
        switches.restore_connection()
    cloud.delete(server)
    assert outside.objects() == before
    assert cloud.neutron.show_port(port)["port"]["device_id"] != server["id"]


def test_an_endpoint_that_comes_back_serves_on(cloud: Any, image: str) -> None:
    server = cloud.boot(image)
    with cloud.compute.manager.driver.site.compute.native() as switches:
        switches.lose_connection(None)
        cloud.act(server, "os-stop")
        cloud.wait(lambda: cloud.result(server, "stop") == "Error", "stopping failed")
        assert cloud.wait_for(server, "ACTIVE")["OS-EXT-STS:power_state"] == RUNNING
        switches.restore_connection()
    cloud.act(server, "os-stop")
    cloud.wait_for(server, "SHUTOFF")
