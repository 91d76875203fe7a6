"""Logging in by a real Keystone, and what its roles and scopes let the driver do."""

from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any

import pytest

from nova_virt_api.compute.operation import DriverSide
from nova_virt_api.errors import AuthenticationFailed, InstanceNotFound, PermissionDenied, Unavailable
from nova_virt_api.model.instance import PowerState
from nova_virt_api.model.placement import Placement
from nova_virt_api.model.spec import InstanceSpec
from nova_virt_ironic.driver import IronicDriver
from tools.ironic import EnrolledNode, Ironic, KeystoneUser, NodeSpec

MakeDriver = Callable[..., IronicDriver]
MakeSpec = Callable[..., InstanceSpec]
Enroll = Callable[..., EnrolledNode]


@pytest.fixture
def connect(make_driver: MakeDriver, ironic_keystone: Ironic) -> MakeDriver:
    """Makes drivers that are told where Keystone is, not where Ironic is."""
    keystone = ironic_keystone.keystone

    def make(**options: Any) -> IronicDriver:
        place = {"endpoint": None, "auth_url": keystone.auth_url, "cafile": str(keystone.ca_file)}
        return make_driver(to=ironic_keystone, **(place | options))

    return make


@pytest.fixture
def enroll_one(ironic_keystone: Ironic) -> Iterator[Enroll]:
    """Gives a new node that belongs to a user's project, if it has one; forgotten after the test."""
    nodes: list[EnrolledNode] = []

    def give(user: KeystoneUser) -> EnrolledNode:
        nodes.extend(ironic_keystone.enroll(1, NodeSpec(fields={"owner": user.project_id})))
        return nodes[-1]

    yield give
    ironic_keystone.forget(nodes)


def password(user: KeystoneUser) -> dict[str, Any]:
    """Options that log a user in by password, with its role."""
    scope = {"project_name": user.project_name} if user.project_name else {"system_scope": "all"}
    return {"auth_type": "password", "username": user.name, "password": user.password, **scope}


def application(ironic: Ironic, user: KeystoneUser) -> dict[str, Any]:
    """Options that log in by a new application credential of a user's."""
    made = ironic.keystone.application_credential(user)
    named = {"application_credential_id": made.id, "application_credential_secret": made.secret}
    return {"auth_type": "application_credential", **named}


def token_of(driver: IronicDriver) -> str:
    """The token that a driver has."""
    session = driver.site.connection._session
    assert session is not None
    return str(session.get_token())


@pytest.mark.parametrize("interface", ["public", "internal"])
def test_the_catalog_names_the_endpoint(
    connect: MakeDriver, ironic_keystone: Ironic, interface: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    user = ironic_keystone.keystone.system_user("reader")
    driver = connect(interface=interface, region_name="testbed", **password(user))
    assert driver.site.connection.endpoint == ironic_keystone.endpoint
    assert driver.site.connection.request_count == 2  # a token, and a look at the nodes
    assert user.password not in caplog.text
    assert token_of(driver) not in caplog.text


@pytest.mark.parametrize(
    ("wrong", "option"),
    [
        ({"region_name": "elsewhere"}, "region_name"),
        ({"interface": "admin"}, "interface"),
        ({"system_scope": None}, "system_scope"),  # a token for nothing comes with an empty catalog
        ({"cafile": None}, "cafile"),
    ],
)
def test_an_endpoint_that_is_not_found_names_the_option_to_look_at(
    connect: MakeDriver, ironic_keystone: Ironic, wrong: dict[str, Any], option: str
) -> None:
    with pytest.raises(Unavailable) as caught:
        connect(**(password(ironic_keystone.keystone.system_user("reader")) | wrong))
    assert option in caught.value.hint


def test_a_project_sees_its_own_nodes_and_the_system_sees_all(
    connect: MakeDriver, ironic_keystone: Ironic, enroll_one: Enroll
) -> None:
    first, second = (ironic_keystone.keystone.project_user("member") for _ in range(2))
    ours, theirs = enroll_one(first), enroll_one(second)
    for login in (password(first), application(ironic_keystone, first)):
        assert {node.id for node in connect(**login).nodes()} == {ours.uuid}
    system = connect(**password(ironic_keystone.keystone.system_user("reader")))
    assert {node.id for node in system.nodes()} >= {ours.uuid, theirs.uuid}


@pytest.mark.parametrize("secret", ["password", "application_credential_secret"])
def test_a_wrong_secret_is_refused_and_not_repeated(
    connect: MakeDriver, ironic_keystone: Ironic, secret: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    user = ironic_keystone.keystone.project_user("member")
    login = password(user) if secret == "password" else application(ironic_keystone, user)
    driver = connect(**(login | {secret: "wrong-horse-battery"}), opened=False)
    with pytest.raises(AuthenticationFailed) as refused:
        driver.open()
    said = [*errors(refused.value), caplog.text]
    assert not any("wrong-horse-battery" in text for text in said)
    assert [check.name for check in driver.doctor() if not check.ok] == ["login"]


def errors(error: BaseException | None) -> Iterator[str]:
    """What an error says, and those that it came from."""
    while error is not None:
        yield f"{error!s} {error!r}"
        error = error.__cause__ or error.__context__


def test_a_revoked_token_is_renewed_once_and_nobody_notices(connect: MakeDriver, ironic_keystone: Ironic) -> None:
    driver = connect(**password(ironic_keystone.keystone.system_user("reader")))
    token = token_of(driver)
    ironic_keystone.keystone.revoke(token)
    asked = [driver.site.connection.request_count]
    for _ in range(2):
        driver.instances(fresh=True)
        asked.append(driver.site.connection.request_count)
    assert token_of(driver) != token
    assert [later - earlier for earlier, later in pairwise(asked)] == [2, 1]  # a list and a login, a list


def test_an_account_that_is_disabled_is_told_so(connect: MakeDriver, ironic_keystone: Ironic) -> None:
    user = ironic_keystone.keystone.system_user("reader")
    driver = connect(**password(user))
    ironic_keystone.keystone.disable(user)
    with pytest.raises(AuthenticationFailed):
        driver.instances(fresh=True)


def test_a_role_that_ironic_does_not_know_sees_nothing(connect: MakeDriver, ironic_keystone: Ironic) -> None:
    with pytest.raises(PermissionDenied) as refused:
        connect(**password(ironic_keystone.keystone.project_user("guest")))
    assert "policy" in refused.value.hint


def test_a_reader_may_look_and_not_deploy(
    connect: MakeDriver, ironic_keystone: Ironic, enroll_one: Enroll, make_spec: MakeSpec, op: DriverSide
) -> None:
    user = ironic_keystone.keystone.system_user("reader")
    node = enroll_one(user)
    driver = connect(**password(user))
    assert node.uuid in {shown.id for shown in driver.nodes()}
    with pytest.raises(PermissionDenied):
        driver.spawn(make_spec(placement=Placement(node=node.name)), op)
    assert ironic_keystone.api.get(f"/v1/nodes/{node.uuid}")["instance_uuid"] is None


@pytest.mark.parametrize("who", ["system member", "project member", "application credential"])
def test_a_guest_comes_and_goes_while_its_token_is_revoked(
    connect: MakeDriver, ironic_keystone: Ironic, enroll_one: Enroll, make_spec: MakeSpec, op: DriverSide, who: str
) -> None:
    keystone = ironic_keystone.keystone
    user = keystone.system_user("member") if who == "system member" else keystone.project_user("member")
    login = application(ironic_keystone, user) if who == "application credential" else password(user)
    node = enroll_one(user)
    driver = connect(**login)
    guest = driver.spawn(make_spec(placement=Placement(node=node.name)), op)
    assert (guest.node, guest.power_state) == (node.name, PowerState.RUNNING)
    keystone.revoke(token_of(driver))
    driver.destroy(guest.ref, op)
    with pytest.raises(InstanceNotFound):
        driver.instance(guest.ref, fresh=True)
    shown = ironic_keystone.api.get(f"/v1/nodes/{node.uuid}")
    assert (shown["instance_uuid"], shown["provision_state"], shown["instance_info"]) == (None, "available", {})
