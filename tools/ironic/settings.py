"""What a test may choose about the Ironic that it starts."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum


class Auth(Enum):
    """How Ironic knows its users."""

    NOAUTH = "noauth"
    HTTP_BASIC = "http_basic"
    KEYSTONE = "keystone"
    """By tokens of a Keystone of the test's own, which needs `tls=True`."""


class Database(Enum):
    """Where Ironic keeps its nodes. MariaDB takes part in races and under load, where sqlite locks as a whole."""

    SQLITE = "sqlite"
    MARIADB = "mariadb"


class Network(Enum):
    """Who does what Ironic's network interfaces ask for."""

    NOOP = "noop"
    """Nobody: VIFs are accepted and forgotten."""
    NEUTRON = "neutron"
    """A Neutron of the test's own; nodes have the network interface `flat`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """One Ironic.

    Args:
        auth: how it knows its users.
        tls: whether it is reached by https, with a certificate of an authority made for this run.
        database: where it keeps its nodes.
        network: who does what its network interfaces ask for.
        split: whether API and conductor are processes of their own. Needs MariaDB: sqlite is for one process.
        extra: further options by section of ironic.conf, e.g. `{"fake": {"deploy_delay": 2}}`.
    """

    auth: Auth = Auth.NOAUTH
    tls: bool = False
    database: Database = Database.SQLITE
    network: Network = Network.NOOP
    split: bool = False
    extra: Mapping[str, Mapping[str, object]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.auth is Auth.KEYSTONE and not self.tls:
            raise ValueError("auth=Auth.KEYSTONE needs tls=True: Keystone and Ironic share the run's certificate")
        if self.split and self.database is Database.SQLITE:
            raise ValueError("split=True needs database=Database.MARIADB: two processes lock each other out of sqlite")
