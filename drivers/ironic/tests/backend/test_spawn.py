"""Spawning on a real Ironic: what it is given, what it says, and that nothing stays when it fails."""

import time
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest

from nova_virt_api.compute.operation import DriverSide, Operation
from nova_virt_api.driver.endpoint import Manage
from nova_virt_api.driver.operation import Stage
from nova_virt_api.errors import (
    BackendError,
    Cancelled,
    HookFailed,
    ImageNotFound,
    InstanceExists,
    InvalidSpec,
    NoCapacity,
    Timeout,
    VirtError,
)
from nova_virt_api.model.cloud_init import CloudInit
from nova_virt_api.model.disk import Disk
from nova_virt_api.model.identity import InstanceRef
from nova_virt_api.model.image import BackendUrl, Checksum, Native
from nova_virt_api.model.instance import Lifecycle, PowerState
from nova_virt_api.model.nic import Nic
from nova_virt_api.model.secret import Secret
from nova_virt_api.model.spec import Firmware, InstanceSpec
from nova_virt_api.model.volume import Volume
from nova_virt_api.model.volume_connection import IscsiVolume
from nova_virt_ironic.driver import IronicDriver
from tools.ironic import Database, EnrolledNode, Ironic, NodeSpec, Script, Settings

Enroll = Callable[..., list[EnrolledNode]]
MakeDriver = Callable[..., IronicDriver]
MakeSpec = Callable[..., InstanceSpec]
NewOp = Callable[..., Operation[Any]]
StartIronic = Callable[[Settings], Ironic]
Eventually = Callable[..., None]


@pytest.fixture
def kind() -> str:
    """A resource class of this test's own."""
    return f"kind-{uuid.uuid4().hex[:8]}"


@pytest.fixture
def driver(make_driver: MakeDriver, kind: str) -> IronicDriver:
    """A driver that sees this test's nodes."""
    return make_driver(resource_class=kind)


@pytest.fixture
def give(enroll: Enroll, kind: str) -> Callable[..., EnrolledNode]:
    """Enrolls one of this test's nodes."""
    return lambda **more: enroll(1, NodeSpec(resource_class=kind, **more))[0]


def see_free(ironic: Ironic, node: EnrolledNode) -> None:
    """See that nothing of a guest is on the node."""
    shown = ironic.api.wait(f"/v1/nodes/{node.uuid}", lambda found: found["provision_state"] == "available")
    assert (shown["instance_uuid"], shown["instance_info"], shown["instance_name"]) == (None, {}, None)
    assert not ironic.api.get(f"/v1/nodes/{node.uuid}/volume/targets")["targets"]


def test_what_ironic_is_given(
    ironic: Ironic, driver: IronicDriver, give: Callable[..., EnrolledNode], make_spec: MakeSpec, op: DriverSide
) -> None:
    """Image with checksum, size, boot mode, name and our record are in instance_info; secrets are not shown."""
    node = give()
    source = BackendUrl("http://127.0.0.1/image?token=s3cret", Checksum(digest="0" * 64))
    spec = make_spec(
        name="web",
        disks=[Disk(source=source, size_bytes=10 * 1024**3)],
        firmware=Firmware.UEFI,
        labels={"role": "web", "password": "Token=a b"},
        cloud_init=CloudInit(user_data="#cloud-config\npassword: s3cret", ssh_authorized_keys=["ssh-ed25519 AAAA me"]),
    )
    made = driver.spawn(spec, op)
    assert (made.name, made.lifecycle, made.power_state) == ("web", Lifecycle.READY, PowerState.RUNNING)
    assert dict(made.labels) == {"role": "web", "password": "Token=a b"}
    assert (made.native_id, made.node) == (node.uuid, node.name)
    shown = ironic.api.get(f"/v1/nodes/{node.uuid}")
    info = shown["instance_info"]
    assert shown["instance_name"] == info["display_name"] == "web"
    assert (info["image_os_hash_algo"], info["image_os_hash_value"]) == ("sha256", "0" * 64)
    assert (info["root_gb"], info["capabilities"]) == (10, {"boot_mode": "uefi"})
    assert set(info["configdrive"]) == {"*"}


def test_same_spawn_is_the_same_guest(
    driver: IronicDriver, give: Callable[..., EnrolledNode], make_spec: MakeSpec, op: DriverSide
) -> None:
    """The same spec again changes nothing, another one of the same uuid is refused."""
    give()
    spec = make_spec()
    made = driver.spawn(spec, op)
    sent = driver.site.connection.request_count
    assert driver.spawn(spec, op) == made
    assert driver.site.connection.request_count - sent <= 3
    with pytest.raises(InstanceExists):
        driver.spawn(replace(spec, vcpus=2), op)
    with pytest.raises(NoCapacity):
        driver.spawn(make_spec(), op)


def test_guest_of_another_owner(
    driver: IronicDriver,
    make_driver: MakeDriver,
    give: Callable[..., EnrolledNode],
    make_spec: MakeSpec,
    op: DriverSide,
    kind: str,
) -> None:
    """A uuid that another owner's guest has is refused; the guest stays as it is."""
    give()
    spec = make_spec()
    made = driver.spawn(spec, op)
    with pytest.raises(InstanceExists, match="nova-virt-tests"):
        make_driver(owner="somebody", resource_class=kind).spawn(spec, op)
    assert driver.instance(made.ref, fresh=True) == made


def test_without_power(
    driver: IronicDriver, give: Callable[..., EnrolledNode], make_spec: MakeSpec, op: DriverSide
) -> None:
    """power_on=False leaves the machine off, whatever the deployment did."""
    give(script=Script())
    assert driver.spawn(make_spec(power_on=False), op).power_state is PowerState.SHUTDOWN


def test_manage_all_writes_no_record(
    ironic: Ironic,
    make_driver: MakeDriver,
    give: Callable[..., EnrolledNode],
    make_spec: MakeSpec,
    op: DriverSide,
    kind: str,
) -> None:
    """With manage="all" a guest bears no record, and the same spawn finds it by what can be seen of it."""
    node = give()
    driver = make_driver(resource_class=kind, manage=Manage.ALL)
    spec = make_spec()
    made = driver.spawn(spec, op)
    assert made.owner is None
    assert "nova_virt" not in ironic.api.get(f"/v1/nodes/{node.uuid}")["instance_info"]
    assert driver.spawn(spec, op) == made
    with pytest.raises(InstanceExists):
        driver.spawn(replace(spec, name="other"), op)
    assert driver.destroy(made.ref, op, foreign=True)
    see_free(ironic, node)


@pytest.mark.parametrize(
    ("script", "error", "text"),
    [
        (Script(fail=["deploy"]), BackendError, "deploy fails as scripted"),
        (Script(fail=["prepare"]), BackendError, "prepare fails as scripted"),
        (Script(fail=["validate"]), BackendError, "validate fails as scripted"),
    ],
)
def test_failure_gives_the_node_back(
    ironic: Ironic,
    driver: IronicDriver,
    give: Callable[..., EnrolledNode],
    make_spec: MakeSpec,
    op: DriverSide,
    script: Script,
    error: type[VirtError],
    text: str,
) -> None:
    """Whatever fails: the error tells the cause, no node stays claimed."""
    node = give(script=script)
    spec = make_spec()
    with pytest.raises(error, match=text) as raised:
        driver.spawn(spec, op)
    assert not raised.value.leftovers
    see_free(ironic, node)
    ironic.script(node, Script())
    assert driver.spawn(spec, op).lifecycle is Lifecycle.READY


def test_image_that_is_not_there(
    ironic: Ironic, driver: IronicDriver, give: Callable[..., EnrolledNode], make_spec: MakeSpec, op: DriverSide
) -> None:
    """A reference that Ironic does not know is ImageNotFound."""
    node = give()
    with pytest.raises(ImageNotFound):
        driver.spawn(make_spec(disks=[Disk(source=Native("nonsense"))]), op)
    see_free(ironic, node)


@pytest.mark.parametrize("stage", [Stage.NETWORK_READY, Stage.DISKS_READY, Stage.BEFORE_START])
def test_hook_that_fails(
    ironic: Ironic, driver: IronicDriver, give: Callable[..., EnrolledNode], make_spec: MakeSpec, stage: Stage
) -> None:
    """A caller's hook that fails ends the spawn before the machine is touched, and the node is given back."""
    node = give()

    def fail(_: Operation[Any]) -> None:
        assert ironic.api.get(f"/v1/nodes/{node.uuid}")["provision_state"] == "available"
        raise RuntimeError("as it shall")

    operation: Operation[Any] = Operation("test", uuid.uuid4(), timeout=60.0, hooks={stage: fail})
    assert operation.begin()
    with pytest.raises(HookFailed):
        driver.spawn(make_spec(), DriverSide(operation))
    see_free(ironic, node)


def test_cancel_while_ironic_waits(
    ironic: Ironic,
    driver: IronicDriver,
    give: Callable[..., EnrolledNode],
    make_spec: MakeSpec,
    operation: NewOp,
) -> None:
    """A deployment that waits for its ramdisk is ended at once by a cancel, and the node is given back."""
    node = give(script=Script(wait=["deploy"]))
    running = operation()
    with ThreadPoolExecutor(1) as pool:
        spawn = pool.submit(driver.spawn, make_spec(), DriverSide(running))
        ironic.api.wait(f"/v1/nodes/{node.uuid}", lambda found: found["provision_state"] == "wait call-back")
        began = time.monotonic()
        running.cancel()
        with pytest.raises(Cancelled):
            spawn.result(30)
    assert time.monotonic() - began < 10
    see_free(ironic, node)


def test_deadline_while_ironic_waits(
    ironic: Ironic, driver: IronicDriver, give: Callable[..., EnrolledNode], make_spec: MakeSpec, operation: NewOp
) -> None:
    """At its deadline a spawn gives the node back."""
    node = give(script=Script(wait=["deploy"]))
    with pytest.raises(Timeout):
        driver.spawn(make_spec(), DriverSide(operation(3.0)))
    see_free(ironic, node)


def test_maintenance_in_the_middle(
    ironic: Ironic, driver: IronicDriver, give: Callable[..., EnrolledNode], make_spec: MakeSpec, operation: NewOp
) -> None:
    """A node that is put into maintenance while it is deployed, and taken out again, becomes the guest all the same."""
    node = give(script=Script(wait=["deploy"]))
    with ThreadPoolExecutor(1) as pool:
        spawn = pool.submit(driver.spawn, make_spec(), DriverSide(operation()))
        ironic.api.wait(f"/v1/nodes/{node.uuid}", lambda found: found["provision_state"] == "wait call-back")
        ironic.api.put(f"/v1/nodes/{node.uuid}/maintenance", {"reason": "a test"})
        time.sleep(1.0)
        assert not spawn.done()
        ironic.api.delete(f"/v1/nodes/{node.uuid}/maintenance")
        ironic.proceed(node)
        assert spawn.result(30).lifecycle is Lifecycle.READY


def test_maintenance_right_before(
    ironic: Ironic, driver: IronicDriver, give: Callable[..., EnrolledNode], make_spec: MakeSpec
) -> None:
    """Ironic deploys no node in maintenance: the error says what to do, and the node is given back."""
    node = give()

    def interfere(_: Operation[Any]) -> None:
        ironic.api.put(f"/v1/nodes/{node.uuid}/maintenance", {"reason": "a test"})

    operation: Operation[Any] = Operation("test", uuid.uuid4(), timeout=60.0, hooks={Stage.BEFORE_START: interfere})
    assert operation.begin()
    with pytest.raises(BackendError, match="maintenance"):
        driver.spawn(make_spec(), DriverSide(operation))
    shown = ironic.api.get(f"/v1/nodes/{node.uuid}")
    assert (shown["instance_uuid"], shown["instance_info"]) == (None, {})
    assert shown["maintenance"]


def test_destroyed_by_another_process(
    ironic: Ironic,
    driver: IronicDriver,
    make_driver: MakeDriver,
    give: Callable[..., EnrolledNode],
    make_spec: MakeSpec,
    operation: NewOp,
    kind: str,
) -> None:
    """A guest that another connection destroys while it is deployed: the spawn says so and touches nothing."""
    node = give(script=Script(wait=["deploy"]))
    spec = make_spec()
    with ThreadPoolExecutor(1) as pool:
        spawn = pool.submit(driver.spawn, spec, DriverSide(operation()))
        ironic.api.wait(f"/v1/nodes/{node.uuid}", lambda found: found["provision_state"] == "wait call-back")
        assert make_driver(resource_class=kind).destroy(InstanceRef(uuid=spec.uuid), DriverSide(operation()))
        with pytest.raises(BackendError, match="destroyed"):
            spawn.result(30)
    see_free(ironic, node)


def test_volumes(
    ironic: Ironic, driver: IronicDriver, give: Callable[..., EnrolledNode], make_spec: MakeSpec, operation: NewOp
) -> None:
    """Volumes become targets, the one to boot from first; they go with the guest, and with a spawn that fails."""
    node = give(fields={"storage_interface": "fake"})
    chap: dict[str, Any] = {"chap_username": "me", "chap_password": Secret("s3cret")}
    data = Volume(id="data", connection=IscsiVolume(portal="192.0.2.7:3260", iqn="iqn.2026-11:data"))
    boot = Volume(id="boot", connection=IscsiVolume(portal="192.0.2.7:3260", iqn="iqn.2026-11:boot", **chap), boot=True)
    spec = make_spec(disks=(), volumes=[data, boot])
    made = driver.spawn(spec, DriverSide(operation()))
    targets = ironic.api.get(f"/v1/nodes/{node.uuid}/volume/targets", detail=True)["targets"]
    assert {target["volume_id"]: target["boot_index"] for target in targets} == {"boot": 0, "data": 1}
    assert not driver.leftovers()
    assert driver.destroy(made.ref, DriverSide(operation()))
    see_free(ironic, node)

    def fail(_: Operation[Any]) -> None:
        assert ironic.api.get(f"/v1/nodes/{node.uuid}/volume/targets")["targets"]
        raise RuntimeError("as it shall")

    failing: Operation[Any] = Operation("test", uuid.uuid4(), timeout=60.0, hooks={Stage.DISKS_READY: fail})
    assert failing.begin()
    with pytest.raises(HookFailed):
        driver.spawn(spec, DriverSide(failing))
    see_free(ironic, node)


def test_too_few_ports(
    driver: IronicDriver, give: Callable[..., EnrolledNode], make_spec: MakeSpec, op: DriverSide
) -> None:
    """A machine has the ports that it has."""
    give(ports=2)
    with pytest.raises(NoCapacity, match="2 ports"):
        driver.spawn(make_spec(nics=[Nic(), Nic(), Nic()]), op)
    assert driver.spawn(make_spec(nics=[Nic(), Nic()]), op).lifecycle is Lifecycle.READY


def test_places_that_there_are_not(
    driver: IronicDriver, give: Callable[..., EnrolledNode], make_spec: MakeSpec, op: DriverSide
) -> None:
    """Pools and networks by name mean nothing here."""
    give()
    with pytest.raises(InvalidSpec, match="network"):
        driver.spawn(make_spec(nics=[Nic(network="default")]), op)
    with pytest.raises(InvalidSpec, match="pool"):
        driver.spawn(make_spec(disks=[Disk(source=Native("http://127.0.0.1/image"), pool="default")]), op)
    with pytest.raises(InvalidSpec, match="nothing to start from"):
        driver.spawn(make_spec(disks=()), op)


def test_ironic_killed_while_it_waits(
    own_ironic: StartIronic, make_driver: MakeDriver, make_spec: MakeSpec, operation: NewOp
) -> None:
    """Ironic that is killed and restarted while a deployment waits for its ramdisk: the spawn goes on as it does."""
    ironic = own_ironic(Settings(database=Database.MARIADB))
    (node,) = ironic.enroll(1, NodeSpec(script=Script(wait=["deploy"])))
    driver = make_driver(to=ironic)
    with ThreadPoolExecutor(1) as pool:
        spawn = pool.submit(driver.spawn, make_spec(), DriverSide(operation(120.0)))
        ironic.api.wait(f"/v1/nodes/{node.uuid}", lambda found: found["provision_state"] == "wait call-back")
        ironic.kill()
        time.sleep(1.0)
        ironic.start()
        ironic.proceed(node)
        assert spawn.result(60).lifecycle is Lifecycle.READY


def test_ironic_killed_while_it_deploys(
    own_ironic: StartIronic, make_driver: MakeDriver, make_spec: MakeSpec, operation: NewOp
) -> None:
    """Ironic that is killed at a step of a deployment gives it up when it is back: the spawn fails, nothing is left."""
    ironic = own_ironic(Settings(database=Database.MARIADB))
    (node,) = ironic.enroll(1, NodeSpec(script=Script(delay_s={"deploy": 30})))
    driver = make_driver(to=ironic)
    with ThreadPoolExecutor(1) as pool:
        spawn = pool.submit(driver.spawn, make_spec(), DriverSide(operation(120.0)))
        ironic.api.wait(f"/v1/nodes/{node.uuid}", lambda found: found["provision_state"] == "deploying")
        ironic.kill()
        ironic.start()
        with pytest.raises(BackendError, match="deploy failed"):
            spawn.result(60)
    see_free(ironic, node)
