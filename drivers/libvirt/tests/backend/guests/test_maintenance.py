"""A host that takes no new guests for a while."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from nova_virt_api.driver.endpoint import Manage
from nova_virt_api.errors import InvalidSpec, NoCapacity
from nova_virt_api.model.image import LocalFile
from nova_virt_api.model.instance import Lifecycle

REASON = "its second disk is dying, at 3 °C"


@pytest.fixture
def node(driver: Any, run: Any) -> Iterator[str]:
    """The host, which is in use again in the end."""
    name = driver.nodes()[0].name
    yield name
    run(driver.leave_maintenance, name)
    assert driver.nodes()[0].maintenance is None


@pytest.fixture
def second_pool(native: Any, tmp_path: Path) -> Iterator[str]:
    """Another pool than the tests' own."""
    tmp_path.chmod(0o755)
    definition = f"<pool type='dir'><name>second</name><target><path>{tmp_path}/pool</path></target></pool>"
    pool = native.storagePoolDefineXML(definition)
    pool.build(0)
    pool.create(0)
    yield "second"
    pool.destroy()
    pool.undefine()


def test_new_guests_are_refused_and_others_stay(
    node: str, driver: Any, make_driver: Any, run: Any, spawn: Any, make_spec: Any, traces: Any, image: Path
) -> None:
    spec = make_spec(power_on=True)
    guest = spawn(spec)
    volumes = traces.volumes()
    run(driver.enter_maintenance, node, "first")
    run(driver.enter_maintenance, driver.nodes()[0].id, REASON)
    assert driver.nodes()[0].maintenance == driver.inventory().node.maintenance == REASON
    new = make_spec()
    for other in (driver, make_driver(owner="somebody-else"), make_driver(manage=Manage.ALL)):
        assert other.nodes()[0].maintenance == REASON
        with pytest.raises(NoCapacity, match="second disk is dying"):
            run(other.spawn, new)
    assert traces.of(new.uuid) == []
    assert run(driver.spawn, spec).uuid == guest.uuid
    assert run(driver.rebuild, guest.ref, source=LocalFile(image)).lifecycle is Lifecycle.READY
    run(driver.leave_maintenance, node)
    assert {name for name in traces.volumes() - volumes if not name.startswith("nova-virt-base-")} == set()
    spawn(new)


def test_seen_by_connections_with_another_pool(
    node: str, driver: Any, make_driver: Any, run: Any, second_pool: str, make_spec: Any, native: Any
) -> None:
    other = make_driver(pool=second_pool)
    run(driver.enter_maintenance, node, REASON)
    assert other.nodes()[0].maintenance == REASON
    with pytest.raises(NoCapacity):
        run(other.spawn, make_spec())
    run(other.enter_maintenance, node, "another reason")
    assert driver.nodes()[0].maintenance == "another reason"
    run(driver.leave_maintenance, node)
    assert other.nodes()[0].maintenance is None
    assert native.storagePoolLookupByName(second_pool).listVolumes() == []


def test_interrupted_while_the_reason_was_written(node: str, driver: Any, run: Any, native: Any) -> None:
    host = driver.nodes()[0].id
    definition = f"<volume><name>nova-virt-maintenance-{host}</name><capacity>4096</capacity></volume>"
    native.storagePoolLookupByName("nova-virt").createXML(definition, 0)
    assert driver.nodes()[0].maintenance == ""
    run(driver.enter_maintenance, node, REASON)
    assert driver.nodes()[0].maintenance == REASON


def test_unknown_host(driver: Any, run: Any) -> None:
    for verb, more in ((driver.enter_maintenance, ["why"]), (driver.leave_maintenance, [])):
        with pytest.raises(InvalidSpec, match="nowhere"):
            run(verb, "nowhere", *more)
