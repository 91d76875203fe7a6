"""Volumes that a host connects: what is secret is nowhere but among the secrets."""

import json
from typing import Any

import pytest

from nova_virt_api import HostConnection, InvalidSpec, Secret

SAID = {
    "target_portals": ["192.0.2.7:3260"],
    "auth_method": "CHAP",
    "auth_username": "me",
    "auth_password": "hush-4711",
    "secret_uuid": None,
    "qos_specs": None,
    "volume_replicas": [{"portals": [], "dhchap_secret": "hush-0815"}],
}


def test_what_looks_secret_is_put_where_it_is_not_seen() -> None:
    way = HostConnection.of("iscsi", SAID)
    assert "hush" not in way.properties + repr(way) + str(way)
    assert way.secrets is not None
    assert set(json.loads(way.secrets.reveal())) == {"auth_password", "volume_replicas"}
    assert way.revealed() == SAID
    plain = HostConnection.of("local", {"device_path": "/dev/sdb", "auth_password": None})
    assert plain.secrets is None
    assert plain == HostConnection.of("local", {"auth_password": None, "device_path": "/dev/sdb"})


@pytest.mark.parametrize(
    ("properties", "secrets", "field"),
    [
        ("[]", None, "properties"),
        ("{", None, "properties"),
        (json.dumps({"auth_password": "hush-4711"}), None, "properties"),
        (json.dumps({"a": [{"b": {"keyring": "hush-4711"}}]}), None, "properties"),
        (json.dumps({"a": "x" * 70_000}), None, "properties"),
        (7, None, "properties"),
        ("{}", "hush-4711", "secrets"),
        ("{}", Secret("hush-4711"), "secrets"),
        ('{"a": 1}', Secret('{"a": "hush-4711"}'), "secrets"),
    ],
)
def test_what_is_refused_is_named_and_not_told(properties: Any, secrets: Any, field: str) -> None:
    with pytest.raises(InvalidSpec) as caught:
        HostConnection(protocol="iscsi", properties=properties, secrets=secrets)
    assert caught.value.field == field
    assert secrets == "hush-4711" or "hush-4711" not in repr(caught.value)


def test_a_protocol_has_a_name() -> None:
    with pytest.raises(InvalidSpec, match="protocol"):
        HostConnection(protocol="", properties="{}")
