"""A real Ironic for tests: started in about three seconds, shared, surely ended."""

from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from tools.ironic import configuration, database
from tools.ironic.api import Api
from tools.ironic.credentials import Credentials, make_credentials
from tools.ironic.enrolment import EnrolledNode, Enrolment, NodeSpec
from tools.ironic.installation import program, version
from tools.ironic.keystone import Keystone
from tools.ironic.neutron import Neutron
from tools.ironic.processes import Processes, Service, free_address, free_port, run
from tools.ironic.script import Script
from tools.ironic.settings import Auth, Database, Network, Settings

HEADERS: Final = {"X-OpenStack-Ironic-API-Version": "latest"}
READY: Final = "/v1/drivers/fake-hardware"
"""Answered once the API is up and a conductor has told it about its hardware."""
CONDUCTOR_READY: Final = "Created RPC server"
"""In the log of a conductor that is a process of its own: it listens before it is ready."""

SERVICE_NETWORK: Final = "service"
"""For cleaning and the like: Ironic's network interfaces refuse to work without."""


class Ironic:
    """One Ironic with fake hardware. Started by `with`, or by `open()`; nothing of it is left afterwards.

    Args:
        settings: what is not as usual.
    """

    def __init__(self, settings: Settings | None = None) -> None:
        self.settings = settings or Settings()
        self._stack = ExitStack()
        self._keystone: Keystone | None = None
        self._neutron: Neutron | None = None

    def __enter__(self) -> Self:
        self.open()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def open(self) -> None:
        """Start it, and return once it takes nodes.

        Raises:
            NotInstalledError: `make ironic` has not been run, or a system package is missing.
            StartError: it did not start; the text ends with the last lines of its log.
        """
        try:
            self._open()
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """End it at once and remove its directory. May be repeated."""
        self._stack.close()

    def enroll(self, count: int = 1, spec: NodeSpec | None = None) -> list[EnrolledNode]:
        """Give so many new nodes of one kind, `available` and powered off."""
        return self._enrolment.enroll(count, spec or NodeSpec())

    def forget(self, nodes: Iterable[EnrolledNode]) -> None:
        """Remove nodes from the database, whatever state they are in."""
        self._enrolment.forget(nodes)

    def script(self, node: EnrolledNode, script: Script) -> None:
        """Change what shall happen to a node that was enrolled with a script. Not while Ironic works on it."""
        change = {"op": "add", "path": "/driver_info/script", "value": script.as_json()}
        self.api.patch(f"/v1/nodes/{node.uuid}", change)

    def proceed(self, node: EnrolledNode) -> None:
        """Let a node's deployment, cleaning or servicing go on that waits as scripted."""
        self.api.post(f"/v1/nodes/{node.uuid}/vendor_passthru?method=proceed", {})

    @property
    def keystone(self) -> Keystone:
        """The Keystone that knows its users; only with `auth=Auth.KEYSTONE`."""
        if self._keystone is None:
            raise LookupError("this Ironic has no Keystone: ask for Settings(auth=Auth.KEYSTONE, tls=True)")
        return self._keystone

    @property
    def neutron(self) -> Neutron:
        """The Neutron that serves it; only with `network=Network.NEUTRON`."""
        if self._neutron is None:
            raise LookupError("this Ironic has no Neutron: ask for Settings(network=Network.NEUTRON)")
        return self._neutron

    def vifs(self, node: EnrolledNode) -> list[str]:
        """The ids of the VIFs that are attached to a node."""
        return [vif["id"] for vif in self.api.get(f"/v1/nodes/{node.uuid}/vifs")["vifs"]]

    @property
    def services(self) -> Sequence[Service]:
        """The processes: one, or conductor and API when they are split."""
        return (self.conductor, self.server) if self.settings.split else (self.conductor,)

    def stop(self) -> None:
        """Stop Ironic in order; its database stays."""
        for service in reversed(self.services):
            service.stop()

    def kill(self) -> None:
        """End Ironic as a crash does; its database stays."""
        for service in self.services:
            service.kill()

    def start(self) -> None:
        """Start what was stopped or killed."""
        for service in self.services:
            service.launch()
        for service in self.services:
            service.wait_until_ready()

    def restart(self) -> None:
        """Stop and start Ironic."""
        self.stop()
        self.start()

    def _open(self) -> None:
        processes = self._stack.enter_context(Processes())
        self.directory: Path = processes.directory
        ports: set[int] = set()
        self.credentials: Credentials = make_credentials(self.directory, self.settings)
        port = free_port(ports)
        self.endpoint = f"{'https' if self.settings.tls else 'http'}://127.0.0.1:{port}"
        users: configuration.Sections = {}
        headers = HEADERS
        if self.settings.auth is Auth.KEYSTONE:
            self._keystone = Keystone(processes, free_port(ports), self.credentials)
            users = register(self._keystone, self.endpoint)
            headers = {**HEADERS, "X-Auth-Token": self._keystone.token(self._keystone.admin)}
        self.api = Api(self.endpoint, self.credentials, headers)
        networks: configuration.Sections = {}
        if self.settings.network is Network.NEUTRON:
            self._neutron = Neutron(processes, free_port(ports))
            service_network = self._neutron.create_network(SERVICE_NETWORK, "10.255.0.0/16")
            networks = configuration.neutron(self._neutron.endpoint, service_network)
        connection = connect_database(processes, self.settings.database)
        file = self.directory / "ironic.conf"
        configuration.write(
            file,
            configuration.base(self.directory, port, connection),
            configuration.fake_hardware(),
            configuration.chosen(self.settings, self.directory, free_address(configuration.JSON_RPC_PORT)),
            users,
            networks,
            self.settings.extra,
        )

        def service(name: str, ready: Callable[[], bool]) -> Service:
            return Service(processes, name, [program(name), "--config-file", file], ready)

        if self.settings.split:
            self.conductor = service("ironic-conductor", lambda: self.conductor.said(CONDUCTOR_READY))
            self.server = service("ironic-api", lambda: self.api.answers(READY))
        else:
            self.conductor = self.server = service("ironic", lambda: self.api.answers(READY))
        self._enrolment = Enrolment(self.api, connection)
        self.start()


def register(keystone: Keystone, endpoint: str) -> configuration.Sections:
    """Put Ironic into Keystone's catalog, and tell Ironic to ask Keystone, as a user of its own."""
    keystone.publish("baremetal", public=endpoint, internal=f"{endpoint}/v1")
    ironic = keystone.project_user("service")
    return configuration.keystone(keystone.auth_url, keystone.ca_file, ironic.name, ironic.password, ironic.project_id)


def connect_database(processes: Processes, kind: Database) -> str:
    """Give the URL of a database with Ironic's schema."""
    name = f"ironic-{version('ironic')}"
    if kind is Database.MARIADB:
        return database.mariadb(processes, name, make_schema)
    return database.sqlite(processes.directory, name, make_schema)


def make_schema(scratch: Path, connection: str) -> None:
    """Make Ironic's tables in an empty database."""
    file = scratch / "ironic.conf"
    configuration.write(file, {"database": {"connection": connection}})
    run([str(program("ironic-dbsync")), "--config-file", str(file), "create_schema"])
