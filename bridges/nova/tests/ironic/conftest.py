"""The bridge's driver over a real Ironic with fake hardware, see tools/ironic. Where it cannot start, tests fail."""

import sys
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import nova.conf
import pytest
from nova import objects
from oslo_config import fixture

from nova_virt_bridge import options, shim

sys.path.append(str(Path(__file__).parents[4]))  # last: installed packages are tested, not their sources

from tools.ironic import Ironic, NotInstalledError, Settings, StartError

MANY = 3
IMAGE = "http://127.0.0.1:9/image.raw"
"""Fake hardware never fetches it. No id, since there is no Glance that would know it."""


@pytest.fixture(scope="session")
def ironic() -> Iterator[Ironic]:
    """Ironic without authentication, with some nodes."""
    try:
        with Ironic(Settings()) as started:
            started.enroll(MANY)
            yield started
    except (NotInstalledError, StartError) as error:
        pytest.fail(str(error), pytrace=False)


@pytest.fixture
def driver(ironic: Ironic, tmp_path: Path) -> Iterator[Any]:
    """The driver as nova-compute makes it from ``compute_driver = ext.ironic``."""
    objects.register_all()
    nova.conf.CONF([], project="nova", default_config_files=[])
    options.register(nova.conf.CONF)
    with fixture.Config(nova.conf.CONF) as config:
        config.config(state_path=str(tmp_path), compute_driver="ext.ironic")
        endpoint = [f"endpoint={ironic.endpoint}", "auth_type=none"]
        config.config(group="nova_virt", options=endpoint, owner=f"nova-{uuid.uuid4().hex[:8]}")
        driver = shim.driver_class("ironic")(None)
        driver.init_host("compute1")
        yield driver
        driver.cleanup_host("compute1")


@pytest.fixture
def image_meta() -> Any:
    """An image's properties: none."""
    return objects.ImageMeta.from_dict({"properties": {}})


@pytest.fixture
def make_instance() -> Callable[[str], Any]:
    """Makes an instance that the scheduler has put on a node; with an image."""

    def make(node: str) -> Any:
        flavor = objects.Flavor(vcpus=64, memory_mb=2**20, root_gb=100, ephemeral_gb=1, swap=0, extra_specs={})
        return objects.Instance(
            id=1,
            uuid=str(uuid.uuid4()),
            flavor=flavor,
            image_ref=IMAGE,
            kernel_id="",
            ramdisk_id="",
            display_name="web",
            hostname="web",
            project_id="project",
            user_id="user",
            host="compute1",
            node=node,
            user_data=None,
            key_data="ssh-ed25519 AAAA me",
            config_drive="True",
            numa_topology=None,
            pci_requests=objects.InstancePCIRequests(requests=[]),
            trusted_certs=None,
            system_metadata={},
            metadata={"role": "web"},
            launched_at=None,
            task_state=None,
        )

    return make
