"""Ironic's configuration file.

Source: Ironic's configuration reference, https://docs.openstack.org/ironic/latest/configuration/config.html
"""

import configparser
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from tools.ironic.settings import Auth, Settings

Sections = dict[str, dict[str, object]]

HOST: Final = "localhost"
"""The conductor's name, under which its locks are found again after a restart."""

JSON_RPC_PORT: Final = 8089
"""Where Ironic's conductors listen usually."""

INTERFACES: Final = {
    "bios": "fake,no-bios",
    "boot": "fake,scripted",
    "console": "fake,fake-graphical,scripted,no-console",
    "deploy": "fake,scripted",
    "firmware": "fake,no-firmware",
    "inspect": "fake,no-inspect",
    "management": "fake,scripted",
    "network": "noop",
    "power": "fake,scripted",
    "raid": "fake,no-raid",
    "rescue": "fake,scripted,no-rescue",
    "storage": "noop,fake,external",
    "vendor": "fake,scripted,no-vendor",
}


def base(directory: Path, port: int, connection: str) -> Sections:
    """What every Ironic of ours has in common.

    Args:
        directory: for its log, state and locks.
        port: of its API, on the loopback interface.
        connection: SQLAlchemy's URL of its database.
    """
    return {
        "DEFAULT": {
            "host": HOST,
            "my_ip": "127.0.0.1",
            "auth_strategy": "noauth",
            "rpc_transport": "none",
            "state_path": directory / "state",
            "tempdir": directory / "tmp",
        },
        "api": {"host_ip": "127.0.0.1", "port": port},
        "database": {"connection": connection},
        "conductor": {"automated_clean": False},
        "deploy": {"http_root": directory / "http", "http_url": "http://127.0.0.1"},
        "vnc": {"public_url": "http://127.0.0.1:6090/vnc_auto.html"},
        "oslo_concurrency": {"lock_path": directory / "lock"},
    }


def fake_hardware() -> Sections:
    """Hardware that is only remembered; `[fake]` holds its delays."""
    options: dict[str, object] = {f"enabled_{kind}_interfaces": names for kind, names in INTERFACES.items()}
    return {
        "DEFAULT": {"enabled_hardware_types": "fake-hardware", "default_storage_interface": "noop", **options},
    }


def chosen(settings: Settings, directory: Path, conductor: str) -> Sections:
    """What the settings add.

    Args:
        settings: of this Ironic.
        directory: where its credentials are.
        conductor: address and name of the conductor when it is a process of its own. At another port than the usual
            one it does not know its own locks any more when it is started again (seen with Ironic 39).
    """
    sections: Sections = {"DEFAULT": {}}
    if settings.auth is Auth.HTTP_BASIC:
        sections["DEFAULT"] |= {"auth_strategy": "http_basic", "http_basic_auth_user_file": directory / "htpasswd"}
    if settings.auth is Auth.KEYSTONE:
        sections["DEFAULT"]["auth_strategy"] = "keystone"
    if settings.tls:
        sections["api"] = {
            "enable_ssl_api": True,
            "cert_file": directory / "api.pem",
            "key_file": directory / "api.key",
        }
    if settings.split:
        sections["DEFAULT"] |= {"rpc_transport": "json-rpc", "host": conductor}
        sections["json_rpc"] = {"auth_strategy": "noauth", "host_ip": conductor, "port": JSON_RPC_PORT}
    return sections


def neutron(endpoint: str, service_network: str) -> Sections:
    """What lets Ironic use a Neutron.

    Args:
        endpoint: of its API.
        service_network: for all that Ironic itself does on the network.
    """
    networks = {f"{purpose}_network": service_network for purpose in ("cleaning", "provisioning", "rescuing")}
    return {
        "DEFAULT": {"enabled_network_interfaces": "flat,neutron,noop", "default_network_interface": "flat"},
        "neutron": {"auth_type": "none", "endpoint_override": endpoint, **networks},
    }


def keystone(auth_url: str, ca_file: Path | None, username: str, password: str, project_id: str | None) -> Sections:
    """What lets Ironic ask a Keystone whose a token is, for every request anew.

    Args:
        auth_url: of its API.
        ca_file: the authority that signed its certificate.
        username: of Ironic itself.
        password: of Ironic itself.
        project_id: in which Ironic has the role `service`.
    """
    return {
        "keystone_authtoken": {
            "auth_type": "password",
            "auth_url": auth_url,
            "www_authenticate_uri": auth_url,
            "username": username,
            "password": password,
            "user_domain_name": "Default",
            "project_id": project_id,
            "cafile": ca_file,
            "token_cache_time": -1,
        }
    }


def write(path: Path, *layers: Mapping[str, Mapping[str, object]]) -> None:
    """Write the layers, the later over the earlier ones, and make the directories that they name."""
    parser = configparser.ConfigParser(interpolation=None)
    for layer in layers:
        for section, options in layer.items():
            if section != parser.default_section and not parser.has_section(section):
                parser.add_section(section)
            for option, value in options.items():
                parser[section][option] = str(value)
    for name in ("http", "lock", "state", "tmp"):
        (path.parent / name).mkdir(exist_ok=True)
    with path.open("w") as file:
        parser.write(file)
