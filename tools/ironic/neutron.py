"""A real Neutron beside Ironic, so that VIFs are ports which somebody made, Ironic binds, and a test can look at.

It has no agents, no message bus and no switch; a mechanism driver of ours binds the ports of bare metal
(plugins/testbed_plugins/every_node.py). Source: https://docs.openstack.org/api-ref/network/v2/
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from tools.ironic import configuration, database
from tools.ironic.api import Api
from tools.ironic.configuration import Sections
from tools.ironic.credentials import Credentials
from tools.ironic.installation import BIN, program, version
from tools.ironic.processes import Processes, Service, run

SERVER: Final = ("-P", "-m", "testbed_plugins.serve_neutron")
"""Of the venv's Python; it must not find this module when it looks for Neutron."""

POLICY: Final = 'service_api: "rule:admin_only"\n'
"""Without authentication everybody is an administrator and nobody a service, and Ironic must be one to bind ports."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NeutronPort:
    """A port of Neutron, which is what a VIF is.

    Args:
        id: Neutron's, and the VIF's for Ironic.
        network_id: Neutron's.
        mac_address: Ironic changes it to that of the Ethernet port to which it attaches the VIF.
        addresses: its IP addresses.
        host: the node to which it is bound, empty when it is not.
        vif_type: `unbound`, `other` once it is bound, `binding_failed`.
        status: `ACTIVE`, `DOWN`.
    """

    id: str
    network_id: str
    mac_address: str
    addresses: tuple[str, ...]
    host: str
    vif_type: str
    status: str


class Neutron:
    """A Neutron that has been started.

    Args:
        processes: who runs it.
        port: of its API, on the loopback interface.

    Raises:
        NotInstalledError: `make ironic` has not been run.
        StartError: it did not start; the text ends with the last lines of its log.
    """

    def __init__(self, processes: Processes, port: int) -> None:
        self.endpoint = f"http://127.0.0.1:{port}"
        self.api = Api(self.endpoint, Credentials(), {})
        directory = processes.directory / "neutron"
        directory.mkdir()
        connection = database.sqlite(directory, f"neutron-{version('neutron')}", make_schema)
        file = directory / "neutron.conf"
        configuration.write(file, options(directory, connection))
        (directory / "policy.yaml").write_text(POLICY)
        command = [str(program("python")), *SERVER, "serve", str(port), "--config-file", str(file)]
        self.service = Service(processes, "neutron", command, lambda: self.api.answers("/v2.0/networks"))
        self.service.start()

    def create_network(self, name: str, cidr: str) -> str:
        """Make a flat network with one subnet and give its id."""
        body = {"name": name, "provider:network_type": "flat", "provider:physical_network": name}
        network: str = self.api.post("/v2.0/networks", {"network": body})["network"]["id"]
        self.api.post("/v2.0/subnets", {"subnet": {"network_id": network, "cidr": cidr, "ip_version": 4}})
        return network

    def create_port(self, network_id: str) -> NeutronPort:
        """Make an unbound port for bare metal, with an address of the network's subnet."""
        body = {"network_id": network_id, "binding:vnic_type": "baremetal"}
        return typed(self.api.post("/v2.0/ports", {"port": body})["port"])

    def port(self, port_id: str) -> NeutronPort:
        """Give a port as it is now."""
        return typed(self.api.get(f"/v2.0/ports/{port_id}")["port"])

    def ports(self, **query: str) -> list[NeutronPort]:
        """List ports, e.g. those of `network_id=...`."""
        return [typed(port) for port in self.api.get("/v2.0/ports", **query)["ports"]]


def typed(port: dict[str, Any]) -> NeutronPort:
    """Give a port of the API's answer."""
    return NeutronPort(
        id=port["id"],
        network_id=port["network_id"],
        mac_address=port["mac_address"],
        addresses=tuple(fixed["ip_address"] for fixed in port["fixed_ips"]),
        host=port["binding:host_id"],
        vif_type=port["binding:vif_type"],
        status=port["status"],
    )


def options(directory: Path, connection: str) -> Sections:
    """What Neutron must be told to work alone, see its configuration reference."""
    return {
        "DEFAULT": {
            "api_paste_config": BIN.parent / "etc" / "neutron" / "api-paste.ini",
            "auth_strategy": "noauth",
            "core_plugin": "ml2",
            "service_plugins": "",
            "transport_url": "fake://",
            "dhcp_agent_notification": False,
            "notify_nova_on_port_data_changes": False,
            "notify_nova_on_port_status_changes": False,
            "state_path": directory / "state",
        },
        "database": {"connection": connection},
        "ml2": {"mechanism_drivers": "every_node", "tenant_network_types": "local", "type_drivers": "flat,local"},
        "ml2_type_flat": {"flat_networks": "*"},
        "oslo_concurrency": {"lock_path": directory / "lock"},
        "oslo_policy": {"policy_file": directory / "policy.yaml"},
        "oslo_messaging_notifications": {"driver": "noop"},
    }


def make_schema(_: Path, connection: str) -> None:
    """Make Neutron's tables in an empty database."""
    run([str(program("python")), *SERVER, "schema", connection])
