"""What lists and looks at one guest show, against a real Ironic, and what they cost."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest

from nova_virt_api.capability import Capability
from nova_virt_api.errors import AuthenticationFailed, ConfigError, InstanceNotFound, InvalidSpec, Unavailable
from nova_virt_api.model.identity import InstanceRef
from nova_virt_api.model.instance import Condition, Lifecycle, PowerState
from nova_virt_api.model.place import Resource
from nova_virt_api.model.record import Phase, Record
from nova_virt_ironic.driver import IronicDriver
from nova_virt_ironic.microversions import Call
from nova_virt_ironic.record import PATH, GuestRecord
from tools.ironic import EnrolledNode, Ironic, NodeSpec, Settings

MakeDriver = Callable[..., IronicDriver]
Enroll = Callable[..., list[EnrolledNode]]

PAGE = 1000


def claim(ironic: Ironic, node: EnrolledNode, guest: UUID, **info: Any) -> None:
    """Claim a node as somebody else does."""
    operations = [{"op": "add", "path": f"/instance_info/{key}", "value": value} for key, value in info.items()]
    ironic.api.patch(
        f"/v1/nodes/{node.uuid}", {"op": "add", "path": "/instance_uuid", "value": str(guest)}, *operations
    )


def marked(guest: UUID, node: EnrolledNode, *, owner: str, phase: Phase = Phase.READY) -> dict[str, Any]:
    """A record as the driver writes it."""
    record = Record(uuid=guest, owner=owner, fingerprint="0" * 64, phase=phase, native_id=node.uuid)
    return GuestRecord(record=record, name="web").encode()


def deploy(ironic: Ironic, node: EnrolledNode) -> None:
    """Deploy a node past any driver."""
    info = {"op": "add", "path": "/instance_info/image_source", "value": "http://127.0.0.1:1/image"}
    ironic.api.patch(f"/v1/nodes/{node.uuid}", info)
    ironic.api.put(f"/v1/nodes/{node.uuid}/states/provision", {"target": "active"})
    ironic.api.wait(f"/v1/nodes/{node.uuid}", lambda shown: shown["provision_state"] == "active")


def of_class(make_driver: MakeDriver, resource_class: str, **more: Any) -> IronicDriver:
    """A driver that sees one test's nodes."""
    return make_driver(resource_class=resource_class, **more)


def test_the_version_is_asked_once_and_every_call_bears_the_lowest_that_serves_it(
    make_driver: MakeDriver, enroll: Enroll, monkeypatch: pytest.MonkeyPatch
) -> None:
    enroll(1, NodeSpec(resource_class="versions"))
    driver = of_class(make_driver, "versions")
    connection = driver.site.connection
    assert connection.request_count == 1
    asked: list[str] = []
    session = connection._session
    assert session is not None
    send = session.request

    def watch(url: str, method: str, **more: Any) -> Any:
        asked.append(more["headers"]["X-OpenStack-Ironic-API-Version"])
        return send(url, method, **more)

    monkeypatch.setattr(session, "request", watch)
    driver.nodes()
    connection.read("look", lambda client: client.node.get(next(iter(driver.nodes())).id), at=Call.TRAITS)
    assert asked == ["1.109", "1.37"]
    assert driver.capabilities().backend_version == str(connection.versions.highest)


def test_nothing_is_written_into_the_home(
    make_driver: MakeDriver, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from ironicclient.common import filecache

    home = tmp_path / "home"
    home.mkdir()
    cache = home / "ironicclient"
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setattr(filecache, "CACHE_DIR", str(cache))
    monkeypatch.setattr(filecache, "CACHE_FILENAME", str(cache / "versions.dbm"))
    driver = make_driver()
    driver.nodes()
    driver.instances()
    native: Any = driver.native()
    native.node.list(limit=1)
    assert list(home.iterdir()) == []


def test_nodes_and_guests_come_from_one_list(make_driver: MakeDriver, enroll: Enroll) -> None:
    enroll(3, NodeSpec(resource_class="one-list"))
    driver = of_class(make_driver, "one-list", staleness=30.0)
    before = driver.site.connection.request_count
    assert len(driver.nodes()) == 3
    driver.instances()
    driver.inventory(driver.nodes()[0].name)
    assert driver.site.connection.request_count == before + 1
    driver.instances(fresh=True)
    assert driver.site.connection.request_count == before + 2


def test_a_list_takes_a_request_for_each_page(make_driver: MakeDriver, enroll: Enroll) -> None:
    enroll(PAGE + 50, NodeSpec(resource_class="pages"))
    driver = of_class(make_driver, "pages")
    before = driver.site.connection.request_count
    assert len({node.id for node in driver.nodes()}) == PAGE + 50
    assert driver.site.connection.request_count == before + 2


def test_filters_are_put_to_the_endpoint(make_driver: MakeDriver, enroll: Enroll) -> None:
    spec = NodeSpec(resource_class="filters & more", fields={"shard": "left", "conductor_group": ""})
    left = enroll(2, spec)
    enroll(1, replace(spec, fields={"shard": "right"}))
    driver = make_driver(resource_class="filters & more", shards=["left"])
    assert {node.id for node in driver.nodes()} == {node.uuid for node in left}
    assert len(make_driver(resource_class="filters & more", shards=["left", "right"]).nodes()) == 3
    assert make_driver(resource_class="filters & more", conductor_group="elsewhere").nodes() == ()


def test_a_node_out_of_scope_is_not_found_by_its_id(make_driver: MakeDriver, ironic: Ironic, enroll: Enroll) -> None:
    node = enroll(1, NodeSpec(resource_class="theirs"))[0]
    guest = uuid4()
    claim(ironic, node, guest)
    driver = of_class(make_driver, "ours")
    with pytest.raises(InstanceNotFound):
        driver.instance(InstanceRef(uuid=guest, native_id=node.uuid))


def test_a_guest_of_ours(make_driver: MakeDriver, ironic: Ironic, enroll: Enroll) -> None:
    node = enroll(1, NodeSpec(resource_class="ours", cpus=4, memory_mib=2048))[0]
    guest = uuid4()
    claim(ironic, node, guest, nova_virt=marked(guest, node, owner="nova-virt-tests", phase=Phase.BUILDING))
    driver = of_class(make_driver, "ours")
    (shown,) = driver.instances()
    assert (shown.uuid, shown.name, shown.owner, shown.owned) == (guest, "web", "nova-virt-tests", True)
    assert (shown.native_id, shown.node, shown.native_state) == (node.uuid, node.name, "available")
    assert (shown.vcpus, shown.memory_bytes, shown.addresses) == (4, 2048 * 1024**2, None)
    assert (shown.lifecycle, shown.power_state) == (Lifecycle.BUILDING, PowerState.SHUTDOWN)
    assert driver.instance(shown.ref, fresh=True) is shown
    ironic.api.patch(
        f"/v1/nodes/{node.uuid}",
        {"op": "replace", "path": PATH, "value": marked(guest, node, owner="nova-virt-tests", phase=Phase.READY)},
    )
    deploy(ironic, node)
    ready = driver.instance(shown.ref, fresh=True)
    assert (ready.lifecycle, ready.native_state) == (Lifecycle.READY, "active")


def test_guests_of_other_making(make_driver: MakeDriver, ironic: Ironic, enroll: Enroll) -> None:
    novas, bare, others, copied = enroll(4, NodeSpec(resource_class="others"))
    nova, other, copy = uuid4(), uuid4(), uuid4()
    claim(ironic, novas, nova, display_name="nova-web")
    deploy(ironic, bare)
    claim(ironic, others, other, nova_virt=marked(other, others, owner="somebody"))
    claim(ironic, copied, copy, nova_virt=marked(copy, others, owner="nova-virt-tests"))
    shown = {instance.native_id: instance for instance in of_class(make_driver, "others").instances()}
    assert (shown[novas.uuid].uuid, shown[novas.uuid].name, shown[novas.uuid].owner) == (nova, "nova-web", None)
    assert (shown[bare.uuid].uuid, shown[bare.uuid].name) == (UUID(bare.uuid), bare.name)
    assert (shown[others.uuid].owner, shown[others.uuid].owned) == ("somebody", False)
    assert shown[copied.uuid].owner is None  # a record that names another node
    assert {instance.lifecycle for instance in shown.values()} == {Lifecycle.READY} | {shown[others.uuid].lifecycle}


def test_what_did_not_change_is_the_same_object(make_driver: MakeDriver, ironic: Ironic, enroll: Enroll) -> None:
    nodes = enroll(2, NodeSpec(resource_class="same"))
    for node in nodes:
        claim(ironic, node, uuid4())
    driver = of_class(make_driver, "same")
    before = {instance.native_id: instance for instance in driver.instances(fresh=True)}
    ironic.api.put(f"/v1/nodes/{nodes[0].uuid}/maintenance", {"reason": "a new fan"})
    after = {instance.native_id: instance for instance in driver.instances(fresh=True)}
    assert after[nodes[1].uuid] is before[nodes[1].uuid]
    assert after[nodes[0].uuid].health.condition is Condition.DEGRADED
    assert "a new fan" in after[nodes[0].uuid].health.reason


def test_inventory_says_what_can_be_given(make_driver: MakeDriver, ironic: Ironic, enroll: Enroll) -> None:
    free, taken, kept = enroll(3, NodeSpec(resource_class="Gold-1", traits=["CUSTOM_FAST", "HW_CPU_X86_VMX"]))
    claim(ironic, taken, uuid4())
    ironic.api.put(f"/v1/nodes/{kept.uuid}/maintenance", {"reason": "on fire"})
    driver = of_class(make_driver, "Gold-1")

    def resource(node: EnrolledNode) -> tuple[Resource, ...]:
        return driver.inventory(node.name).resources

    gold = Resource(resource_class="CUSTOM_GOLD_1", total=1, reserved=0, used=0)
    assert resource(free) == (gold,)
    assert resource(taken) == (replace(gold, used=1),)
    assert resource(kept) == (replace(gold, reserved=1),)
    assert driver.inventory(free.uuid).traits == ("CUSTOM_FAST", "HW_CPU_X86_VMX")
    assert {node.name: node.maintenance for node in driver.nodes()} == {
        free.name: None,
        taken.name: None,
        kept.name: "on fire",
    }
    with pytest.raises(InvalidSpec) as caught:
        driver.inventory()
    assert free.name in str(caught.value)


def test_one_guest_takes_one_request(make_driver: MakeDriver, ironic: Ironic, enroll: Enroll) -> None:
    node = enroll(1, NodeSpec(resource_class="single"))[0]
    guest = uuid4()
    claim(ironic, node, guest)
    driver = of_class(make_driver, "single", staleness=0.0)
    for ref in (InstanceRef(uuid=guest), InstanceRef(uuid=guest, native_id=node.uuid)):
        before = driver.site.connection.request_count
        assert driver.instance(ref).native_id == node.uuid
        assert driver.site.connection.request_count == before + 1
    stale = InstanceRef(uuid=guest, native_id=str(uuid4()))
    assert driver.instance(stale).native_id == node.uuid
    with pytest.raises(InstanceNotFound):
        driver.instance(InstanceRef(uuid=uuid4(), native_id="../../v1"))


def test_a_password_and_a_certificate(make_driver: MakeDriver, ironic_basic: Ironic, caplog: Any) -> None:
    credentials = ironic_basic.credentials
    login = {"auth_type": "http_basic", "username": credentials.username, "cafile": str(credentials.ca_file)}
    caplog.set_level("DEBUG")
    driver = make_driver(to=ironic_basic, password=credentials.password, **login)
    assert driver.nodes() is not None
    with pytest.raises(AuthenticationFailed) as refused:
        make_driver(to=ironic_basic, password="wrong-" + str(credentials.password), **login)
    assert str(credentials.password) not in str(refused.value)
    with pytest.raises(ConfigError, match="password"):
        make_driver(to=ironic_basic, **login)
    with pytest.raises(Unavailable) as untrusted:
        make_driver(to=ironic_basic, password=credentials.password, **(login | {"cafile": None}))
    assert "cafile" in untrusted.value.hint
    assert str(credentials.password) not in caplog.text
    insecure = login | {"cafile": None, "insecure": True}
    assert "not verified" not in caplog.text
    with pytest.warns(Warning, match="Unverified HTTPS"):
        make_driver(to=ironic_basic, password=credentials.password, **insecure)
    assert "not verified" in caplog.text


def test_an_endpoint_that_is_not_there_is_told_at_once(make_driver: MakeDriver) -> None:
    with pytest.raises(Unavailable) as caught:
        make_driver(endpoint="http://127.0.0.1:9")
    assert "endpoint" in caught.value.hint


def test_doctor_says_what_is_there_and_how_to_mend_what_is_not(
    make_driver: MakeDriver, ironic: Ironic, enroll: Enroll
) -> None:
    _, kept = enroll(2, NodeSpec(resource_class="doctor"))
    ironic.api.put(f"/v1/nodes/{kept.uuid}/maintenance", {"reason": "on fire"})
    found = {check.name: check for check in make_driver(resource_class="doctor", opened=False).doctor()}
    assert found["endpoint"].ok
    assert found["nodes"].ok
    assert "1 available" in found["nodes"].found
    assert "maintenance" in found["nodes"].found
    nothing = {check.name: check for check in make_driver(resource_class="none-such", opened=False).doctor()}
    assert not nothing["nodes"].ok
    assert "resource_class" in nothing["nodes"].fix
    (away,) = make_driver(endpoint="http://127.0.0.1:9", opened=False).doctor()
    assert not away.ok
    assert away.fix
    assert found["nodes"].found.startswith("2: ")


@pytest.mark.parametrize(("release", "newest", "missing"), [("11.1", "1.46", True), ("21.4", "1.82", False)])
def test_an_older_endpoint_is_read_and_says_what_it_cannot(
    make_driver: MakeDriver, own_ironic: Callable[[Settings], Ironic], release: str, newest: str, missing: bool
) -> None:
    ironic = own_ironic(Settings(extra={"DEFAULT": {"pin_release_version": release}}))
    (node,) = ironic.enroll(1, NodeSpec(traits=["CUSTOM_OLD"]))
    guest = uuid4()
    claim(ironic, node, guest)
    driver = make_driver(to=ironic)
    capabilities = driver.capabilities()
    assert capabilities.backend_version == newest
    answer = capabilities.answer(Capability.DIAGNOSTICS)
    assert answer.available is not missing
    assert ("needs Ironic API 1.78" in answer.reason) is missing
    (shown,) = driver.instances()
    assert shown.uuid == guest
    assert driver.inventory().traits == ("CUSTOM_OLD",)
