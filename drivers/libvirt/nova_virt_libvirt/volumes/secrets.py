"""Passwords of volumes, kept by libvirt: by uuid, private, and named after the guest that needs them.

They are kept on the host's disk (``ephemeral='no'``, readable by root alone), since a guest must find its volumes again
when it is started after its host was; and they are private, so that libvirt gives them to QEMU and to nobody else.
What the host itself logs in with is not: this driver reads it again.
"""

from __future__ import annotations

import base64
import binascii
from typing import TYPE_CHECKING, Final
from uuid import UUID, uuid5

import libvirt
from lxml import etree
from lxml.builder import E

from nova_virt_api.errors import InvalidSpec
from nova_virt_api.model.volume_connection import IscsiVolume, RbdVolume
from nova_virt_libvirt.errors import translated

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from nova_virt_api.model.secret import Secret
    from nova_virt_api.model.volume import Volume

ROOT: Final = "nova-virt"
NAMESPACE: Final = UUID("5ab3a6b0-6a06-5b4a-9d3c-6f5d1c1f6f4e")
LUKS: Final = "luks"
CHAP: Final = "chap"
CEPH: Final = "ceph"
HOST: Final = "host"
"""What the host itself logs in with; of all secrets the only ones that this driver reads again."""


def secret_uuid(guest: UUID, volume_id: str, purpose: str, turn: str = "") -> UUID:
    """The uuid of a secret; the same each time, so that a repeated verb makes no second one.

    Args:
        guest: whose volume it opens.
        volume_id: the volume.
        purpose: what it is for.
        turn: names the resize that it was given for, as the one from before may be needed again; empty without one.
    """
    return uuid5(NAMESPACE, f"{guest}/{in_turn(purpose, turn)}/{volume_id}")


def usage_name(guest: UUID, volume_id: str, purpose: str, turn: str = "") -> str:
    """What libvirt lists it under; unique among secrets of its type."""
    return f"{ROOT}/{guest}/{in_turn(purpose, turn)}/{volume_id}"


def in_turn(purpose: str, turn: str) -> str:
    """A purpose, and in which turn."""
    return f"{purpose}.{turn}" if turn else purpose


def usage_of(purpose: str, name: str) -> etree._Element:
    """The ``<usage>`` of a secret: libvirt gives a secret out only for what it is meant for."""
    match purpose:
        case "chap":
            return E.usage(E.target(name), type="iscsi")
        case "ceph":
            return E.usage(E.name(name), type="ceph")
    return E.usage(E.volume(name), type="volume")


def define_secrets(connection: libvirt.virConnect, guest: UUID, volume: Volume, turn: str = "") -> None:
    """Give libvirt all passwords that a volume needs; those of an earlier call, in the same turn, are replaced.

    Raises:
        InvalidSpec: a Ceph key is not in base64.
    """
    for purpose, value in needed(volume):
        define_secret(connection, guest, volume.id, purpose, value, turn)


def define_secret(
    connection: libvirt.virConnect, guest: UUID, volume_id: str, purpose: str, value: bytes, turn: str = ""
) -> None:
    """Give libvirt one password."""
    definition = E.secret(
        E.uuid(str(secret_uuid(guest, volume_id, purpose, turn))),
        E.description(f"{purpose} of volume {volume_id} for guest {guest}"),
        usage_of(purpose, usage_name(guest, volume_id, purpose, turn)),
        ephemeral="no",
        private="no" if purpose == HOST else "yes",
    )
    with translated(f"keep a password of volume {volume_id}"):
        secret = connection.secretDefineXML(etree.tostring(definition, encoding="unicode"))
        secret.setValue(value)


def read_host_secret(connection: libvirt.virConnect, guest: UUID, volume_id: str) -> bytes | None:
    """What the host itself logs in with for a volume; None for nothing."""
    with translated(f"read what libvirt keeps of volume {volume_id}"):
        try:
            found: bytes = connection.secretLookupByUUIDString(str(secret_uuid(guest, volume_id, HOST))).value()
        except libvirt.libvirtError as error:
            if error.get_error_code() == libvirt.VIR_ERR_NO_SECRET:
                return None
            raise
    return found


def needed(volume: Volume) -> Iterator[tuple[str, bytes]]:
    """The passwords that a volume needs, each with what it is for."""
    if volume.encryption is not None:
        yield LUKS, volume.encryption.passphrase.reveal().encode()
    if isinstance(volume.connection, IscsiVolume) and volume.connection.chap_password is not None:
        yield CHAP, volume.connection.chap_password.reveal().encode()
    if isinstance(volume.connection, RbdVolume) and volume.connection.key is not None:
        yield CEPH, ceph_key(volume.connection.key)


def ceph_key(key: Secret) -> bytes:
    """A Ceph key as libvirt keeps it: the bytes, not their text.

    Raises:
        InvalidSpec: it is not in base64.
    """
    try:
        return base64.b64decode(key.reveal(), validate=True)
    except binascii.Error:
        raise InvalidSpec("volume.connection.key", key, "a key in base64, as 'ceph auth get-key' prints it") from None


def remove_secrets(connection: libvirt.virConnect, guest: UUID, volume_id: str | None = None) -> None:
    """Let libvirt forget the passwords of one volume of a guest, or of all; what is not there stays away."""
    with translated(f"remove passwords of volumes of guest {guest}"):
        for secret in secrets_of(connection, guest):
            if volume_id is None or volume_of(secret) == volume_id:
                forget(secret)


def remove_passwords(connection: libvirt.virConnect, guest: UUID, volume_id: str) -> None:
    """Let libvirt forget what QEMU opened a guest's volume with; the host may have to log in once more to leave it."""
    with translated(f"remove passwords of volume {volume_id}"):
        for secret in secrets_of(connection, guest):
            if volume_of(secret) == volume_id and not is_of_host(secret):
                forget(secret)


def remove_host_secret(connection: libvirt.virConnect, guest: UUID, volume_id: str) -> None:
    """Let libvirt forget what the host itself logged in with for a guest's volume, which it has left."""
    with translated(f"remove what the host logged in with for volume {volume_id}"):
        for secret in secrets_of(connection, guest):
            if volume_of(secret) == volume_id and is_of_host(secret):
                forget(secret)


def remove_unused_secrets(connection: libvirt.virConnect, guest: UUID, definitions: Iterable[etree._Element]) -> None:
    """Let libvirt forget the passwords of a guest's volumes that none of these definitions of it refers to."""
    used = {secret.get("uuid") for definition in definitions for secret in definition.iterfind("devices/disk//secret")}
    with translated(f"remove passwords of volumes of guest {guest}"):
        for secret in secrets_of(connection, guest):
            if secret.UUIDString() not in used and not is_of_host(secret):
                forget(secret)


def secrets_of(connection: libvirt.virConnect, guest: UUID) -> list[libvirt.virSecret]:
    """All secrets that were made for a guest's volumes."""
    return [
        secret for secret in connection.listAllSecrets(0) if (secret.usageID() or "").startswith(f"{ROOT}/{guest}/")
    ]


def is_of_host(secret: libvirt.virSecret) -> bool:
    """Whether the host itself logs in with it, which no definition tells."""
    return str(secret.usageID()).split("/")[2] == HOST


def volume_of(secret: libvirt.virSecret) -> str:
    """The id of the volume that a secret is for."""
    return str(secret.usageID()).split("/", 3)[3]


def forget(secret: libvirt.virSecret) -> None:
    """Remove a secret, unless somebody did just now."""
    try:
        secret.undefine()
    except libvirt.libvirtError as error:
        if error.get_error_code() != libvirt.VIR_ERR_NO_SECRET:
            raise
