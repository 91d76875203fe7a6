"""Volumes of a storage service: how a guest reaches them, and who a node is to the service."""

import json
from dataclasses import dataclass
from typing import Final, TypeAlias

from nova_virt_api.errors import InvalidSpec
from nova_virt_api.model.check import check, check_integer, check_text, check_type
from nova_virt_api.model.secret import Secret

HIGHEST_LUN: Final = 2**64 - 1
LARGEST_JSON: Final = 65536


@dataclass(frozen=True, slots=True, kw_only=True)
class IscsiVolume:
    """A logical unit of an iSCSI target (RFC 7143).

    Args:
        portal: address and port of the target, e.g. ``192.0.2.7:3260`` or ``[2001:db8::7]:3260``.
        iqn: the target's name.
        lun: number of the logical unit.
        chap_username: user name for CHAP; None when the target asks for none.
        chap_password: password for CHAP; given exactly when a user name is.
    """

    portal: str
    iqn: str
    lun: int = 0
    chap_username: str | None = None
    chap_password: Secret | None = None

    def __post_init__(self) -> None:
        check_text("portal", self.portal, 255)
        host, _, port = self.portal.rpartition(":")
        check(bool(host) and port.isdecimal() and 0 < int(port) < 65536, "portal", self.portal, "address:port")
        check_text("iqn", self.iqn, 223)
        check_integer("lun", self.lun, 0, HIGHEST_LUN, "a logical unit")
        if self.chap_username is not None:
            check_text("chap_username", self.chap_username, 255)
        if self.chap_password is not None:
            check_type("chap_password", self.chap_password, Secret, "a Secret")
        paired = (self.chap_username is None) == (self.chap_password is None)
        check(paired, "chap_password", self.chap_password, "a password with a user name, or neither")


@dataclass(frozen=True, slots=True)
class OpaqueVolume:
    """A connection that only the storage service and the driver understand, e.g. one made by os-brick or Cinder.

    Args:
        kind: its type there, e.g. ``iscsi`` or ``fibre_channel``.
        properties: a JSON object with all the rest. May hold secrets, so it is not printed.
    """

    kind: str
    properties: Secret

    def __post_init__(self) -> None:
        check_text("kind", self.kind, 63)
        check_type("properties", self.properties, Secret, "a Secret that holds a JSON object")
        text = self.properties.reveal()
        check(len(text) <= LARGEST_JSON, "properties", f"{len(text)} characters", f"at most {LARGEST_JSON}")
        try:
            good = isinstance(json.loads(text), dict)
        except ValueError:
            good = False
        if not good:
            raise InvalidSpec("properties", self.properties, "a JSON object")


VolumeConnection: TypeAlias = IscsiVolume | OpaqueVolume
"""How a volume is reached."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Volume:
    """A volume that a guest uses and that outlives it.

    Args:
        id: the storage service's id for it.
        connection: how it is reached.
        boot: whether the guest boots from it; then it comes before the guest's own disks.
    """

    id: str
    connection: VolumeConnection
    boot: bool = False

    def __post_init__(self) -> None:
        check_text("id", self.id, 255)
        check_type("connection", self.connection, (IscsiVolume, OpaqueVolume), "an IscsiVolume or an OpaqueVolume")
        check_type("boot", self.boot, bool, "True or False")


@dataclass(frozen=True, slots=True, kw_only=True)
class VolumeConnector:
    """Who a node is to a storage service.

    Args:
        node: name of the node.
        iscsi_initiator: its iSCSI qualified name; None when it has none.
        wwpns: port names of its fibre channel adapters.
        wwnns: node names of these.
        addresses: IP addresses that it reaches storage from, as far as known.
    """

    node: str
    iscsi_initiator: str | None = None
    wwpns: tuple[str, ...] = ()
    wwnns: tuple[str, ...] = ()
    addresses: tuple[str, ...] = ()
