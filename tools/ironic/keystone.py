"""A real Keystone before Ironic, so that tokens, scopes and roles are those that OpenStack knows.

It has one region and fernet tokens. Source:
https://docs.openstack.org/api-ref/identity/v3/ and https://docs.openstack.org/keystone/latest/admin/bootstrap.html
"""

import base64
import itertools
import secrets
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import requests
from keystoneauth1.identity import v3
from keystoneauth1.session import Session

from tools.ironic import configuration, database
from tools.ironic.api import Api
from tools.ironic.configuration import Sections
from tools.ironic.credentials import BCRYPT_ROUNDS, Credentials
from tools.ironic.installation import program, version
from tools.ironic.processes import Processes, Service, run

SERVER: Final = ("-P", "-m", "testbed_plugins.serve_keystone")
"""Of the venv's Python; it must not find this module when it looks for Keystone."""

REGION: Final = "testbed"
ADMIN: Final = "admin"
"""The user whom Keystone itself makes, with the role of the same name for the whole deployment."""
DOMAIN: Final = "Default"
DAY_S: Final = 86400
KEY_BYTES: Final = 32  # https://github.com/fernet/spec


@dataclass(frozen=True, slots=True, kw_only=True)
class KeystoneUser:
    """A user with one role.

    Args:
        id: Keystone's, empty for the administrator.
        name: to log in with.
        password: to log in with.
        project_id: where the role holds, None for the whole deployment.
        project_name: where the role holds, None for the whole deployment.
    """

    id: str
    name: str
    password: str = field(repr=False)
    project_id: str | None = None
    project_name: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ApplicationCredential:
    """What logs in as a user, into the user's project, without the user's password."""

    id: str
    secret: str = field(repr=False)


class Keystone:
    """A Keystone that has been started.

    Args:
        processes: who runs it; their directory has the certificate `api.pem`, with which Ironic is served too.
        port: of its API, on the loopback interface.
        credentials: the authority that signed the certificate.

    Raises:
        NotInstalledError: `make ironic` has not been run.
        StartError: it did not start; the text ends with the last lines of its log.
    """

    def __init__(self, processes: Processes, port: int, credentials: Credentials) -> None:
        self.auth_url = f"https://127.0.0.1:{port}/v3"
        self.ca_file = credentials.ca_file
        self.admin = KeystoneUser(id="", name=ADMIN, password=secrets.token_urlsafe())
        self._numbers = itertools.count(1)
        directory = processes.directory / "keystone"
        directory.mkdir()
        connection = database.sqlite(directory, f"keystone-{version('keystone')}", make_schema)
        keys = make_keys(directory)
        file = directory / "keystone.conf"
        configuration.write(file, options(connection, keys))
        self._bootstrap(file)
        certificate = [str(processes.directory / name) for name in ("api.pem", "api.key")]
        command = [str(program("python")), *SERVER, str(port), *certificate, "--config-file", str(file)]
        anybody = Api(self.auth_url, credentials, {})
        self.service = Service(processes, "keystone", command, lambda: anybody.answers(""))
        self.service.start()
        self.api = Api(self.auth_url, credentials, {"X-Auth-Token": self.token(self.admin)})

    def token(self, user: KeystoneUser) -> str:
        """Log in and give the token, which holds for a day."""
        session = requests.Session()
        session.trust_env = False
        login = v3.Password(
            auth_url=self.auth_url,
            username=user.name,
            password=user.password,
            user_domain_name=DOMAIN,
            project_id=user.project_id,
            system_scope=None if user.project_id else "all",
        )
        return str(login.get_token(Session(session=session, verify=str(self.ca_file))))

    def revoke(self, token: str) -> None:
        """Make a token worthless."""
        self.api.send("DELETE", "/auth/tokens", headers={"X-Subject-Token": token})

    def disable(self, user: KeystoneUser) -> None:
        """Let a user in no more; its tokens are worthless."""
        self.api.send("PATCH", f"/users/{user.id}", json={"user": {"enabled": False}})

    def system_user(self, role: str) -> KeystoneUser:
        """Make a user with a role for the whole deployment."""
        user = self._user(role)
        self.api.put(f"/system/users/{user['id']}/roles/{self._role(role)}", None)
        return KeystoneUser(**user)

    def project_user(self, role: str) -> KeystoneUser:
        """Make a user with a role in a new project."""
        user = self._user(role)
        project = self.api.post("/projects", {"project": {"name": f"{user['name']}-project"}})["project"]
        self.api.put(f"/projects/{project['id']}/users/{user['id']}/roles/{self._role(role)}", None)
        return KeystoneUser(**user, project_id=project["id"], project_name=project["name"])

    def application_credential(self, user: KeystoneUser) -> ApplicationCredential:
        """Make one of a project's user, with the user's role."""
        body = {"application_credential": {"name": f"{user.name}-{next(self._numbers)}"}}
        headers = {"X-Auth-Token": self.token(user)}
        answer = self.api.send("POST", f"/users/{user.id}/application_credentials", json=body, headers=headers)
        made = answer["application_credential"]
        return ApplicationCredential(id=made["id"], secret=made["secret"])

    def publish(self, service_type: str, **urls: str) -> None:
        """Put a service into the catalog, with its URL for each interface, e.g. `public=...`."""
        service = self.api.post("/services", {"service": {"type": service_type, "name": service_type}})["service"]
        for interface, url in urls.items():
            place = {"service_id": service["id"], "interface": interface, "region_id": REGION, "url": url}
            self.api.post("/endpoints", {"endpoint": place})

    def _bootstrap(self, file: Path) -> None:
        """Make roles, the administrator, and Keystone's own place in the catalog."""
        place = {"REGION_ID": REGION, "PUBLIC_URL": self.auth_url, "INTERNAL_URL": self.auth_url}
        values = {"USERNAME": ADMIN, "PASSWORD": self.admin.password, **place}
        environment = {f"OS_BOOTSTRAP_{name}": value for name, value in values.items()}
        run([str(program("keystone-manage")), "--config-file", str(file), "bootstrap"], environment)

    def _user(self, role: str) -> dict[str, Any]:
        name, password = f"{role}-{next(self._numbers)}", secrets.token_urlsafe()
        made = self.api.post("/users", {"user": {"name": name, "password": password}})["user"]
        return {"id": made["id"], "name": name, "password": password}

    def _role(self, name: str) -> str:
        """Give a role's id; a role that Ironic's policy does not know is made, and lets do nothing."""
        found = self.api.get("/roles", name=name)["roles"]
        role: str = (found or [self.api.post("/roles", {"role": {"name": name}})["role"]])[0]["id"]
        return role


def make_keys(directory: Path) -> Path:
    """Make the key of the tokens, and give the directory that has it."""
    keys = directory / "keys"
    keys.mkdir(mode=0o700)
    (keys / "1").write_bytes(base64.urlsafe_b64encode(secrets.token_bytes(KEY_BYTES)))
    return keys


def options(connection: str, keys: Path) -> Sections:
    """What Keystone must be told, see its configuration reference."""
    return {
        "cache": {"backend": "dogpile.cache.memory", "enabled": True},  # its own: what is revoked is forgotten
        "database": {"connection": connection, "sqlite_synchronous": False},
        "fernet_receipts": {"key_repository": keys},
        "fernet_tokens": {"key_repository": keys},
        "identity": {"password_hash_rounds": BCRYPT_ROUNDS},
        "token": {"expiration": DAY_S},
    }


def make_schema(scratch: Path, connection: str) -> None:
    """Make Keystone's tables in an empty database."""
    file = scratch / "keystone.conf"
    configuration.write(file, {"database": {"connection": connection, "sqlite_synchronous": False}})
    run([str(program("keystone-manage")), "--config-file", str(file), "db_sync"])
