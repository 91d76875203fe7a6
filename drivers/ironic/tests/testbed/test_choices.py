"""What can be chosen: who may come in, where nodes are kept, who does the network, and which processes there are."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests

from tools.ironic import Api, ApiError, Auth, Credentials, Database, Ironic, NodeSpec, Settings

StartIronic = Callable[[Settings], Ironic]


def test_a_password_is_wanted(ironic_basic: Ironic) -> None:
    assert ironic_basic.api.get("/v1/nodes")["nodes"] == []
    stranger = Api(ironic_basic.endpoint, Credentials(ca_file=ironic_basic.credentials.ca_file), {})
    with pytest.raises(ApiError) as refused:
        stranger.get("/v1/nodes")
    assert refused.value.status == 401


def test_the_certificate_is_not_trusted_by_itself(ironic_basic: Ironic) -> None:
    with pytest.raises(requests.exceptions.SSLError, match="CERTIFICATE_VERIFY_FAILED"):
        Api(ironic_basic.endpoint, Credentials(), {}).get("/v1")


def test_the_password_is_not_shown(ironic_basic: Ironic) -> None:
    assert ironic_basic.credentials.password is not None
    assert ironic_basic.credentials.password not in repr(ironic_basic.credentials)


def test_mariadb_takes_traits_from_many_at_once(ironic_mariadb: Ironic) -> None:
    nodes = ironic_mariadb.enroll(40)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda n: ironic_mariadb.api.put(f"/v1/nodes/{n.uuid}/traits", {"traits": ["CUSTOM_A"]}), nodes))
    found = ironic_mariadb.api.get("/v1/nodes", fields="uuid,traits")["nodes"]
    assert {tuple(node["traits"]) for node in found} == {("CUSTOM_A",)}
    ironic_mariadb.forget(nodes)


def test_a_vif_is_a_port_of_neutron(ironic_neutron: Ironic) -> None:
    neutron = ironic_neutron.neutron
    (node,) = ironic_neutron.enroll(1)
    port = neutron.create_port(neutron.create_network("tenant", "10.0.0.0/24"))
    assert (port.host, port.vif_type) == ("", "unbound")
    vifs = f"/v1/nodes/{node.uuid}/vifs"
    ironic_neutron.api.post(vifs, {"id": port.id})
    ironic_neutron.api.put(f"/v1/nodes/{node.uuid}/states/provision", {"target": "active"})
    ironic_neutron.api.wait(f"/v1/nodes/{node.uuid}", lambda shown: shown["provision_state"] == "active")
    bound = neutron.port(port.id)
    assert ironic_neutron.vifs(node) == [port.id]
    assert (bound.host, bound.vif_type, bound.status) == (node.uuid, "other", "ACTIVE")
    assert bound.mac_address in node.addresses
    assert bound.addresses == port.addresses
    ironic_neutron.api.delete(f"{vifs}/{port.id}")
    assert neutron.port(port.id).vif_type == "unbound"


def test_options_are_passed_on(own_ironic: StartIronic) -> None:
    small = own_ironic(Settings(extra={"api": {"max_limit": 2}}))
    small.enroll(3)
    page = small.api.get("/v1/nodes")
    assert len(page["nodes"]) == 2
    assert "next" in page


def test_nodes_survive_a_crash_and_a_restart(own_ironic: StartIronic) -> None:
    ironic = own_ironic(Settings())
    (node,) = ironic.enroll(1)
    ironic.kill()
    with pytest.raises(requests.ConnectionError):
        ironic.api.get("/v1")
    ironic.start()
    ironic.restart()
    assert ironic.api.get(f"/v1/nodes/{node.uuid}")["provision_state"] == "available"


def test_conductor_and_api_end_apart(own_ironic: StartIronic) -> None:
    ironic = own_ironic(Settings(split=True, database=Database.MARIADB))
    (node,) = ironic.enroll(1, NodeSpec())
    path = f"/v1/nodes/{node.uuid}"
    ironic.conductor.kill()
    assert ironic.api.get(path)["provision_state"] == "available"
    with pytest.raises(ApiError) as failed:
        ironic.api.put(f"{path}/states/power", {"target": "power on"})
    assert failed.value.status >= 500
    ironic.conductor.start()
    ironic.server.kill()
    with pytest.raises(requests.ConnectionError):
        ironic.api.get(path)
    ironic.server.start()
    ironic.api.put(f"{path}/states/power", {"target": "power on"})
    ironic.api.wait(path, lambda shown: shown["power_state"] == "power on")


def test_two_processes_on_sqlite_are_refused() -> None:
    with pytest.raises(ValueError, match="MARIADB"):
        Settings(split=True)


def test_a_keystone_without_a_certificate_is_refused() -> None:
    with pytest.raises(ValueError, match="tls=True"):
        Settings(auth=Auth.KEYSTONE)
