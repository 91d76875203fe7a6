"""What a guest reads at its first boot: what is on Nova's config drive, in the words of cloud-init.

The administrator's password is not among it: Nova makes one for every server, and a guest that takes it would let in by
password whoever was never meant to.
"""

from __future__ import annotations

import base64
import gzip
import json
import zlib
from email import message_from_string
from email.mime.multipart import MIMEMultipart
from email.mime.nonmultipart import MIMENonMultipart
from typing import TYPE_CHECKING, Any, Final

import yaml
from nova import exception

import nova_virt_api as virt
from nova_virt_bridge.network_config import network_config_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from email.message import Message

    from nova_virt_bridge.spec import Request

GZIP: Final = b"\x1f\x8b"
CERTIFICATE: Final = "-----BEGIN"
MERGE: Final = "list(append)+dict(no_replace,recurse_list)+str()"
"""How cloud-init puts our part to the user's: files are added, and what the user said stays."""

BOUNDARY: Final = "nova-virt-first-boot"
"""Fixed, so that the same request makes the same data."""


def cloud_init_of(request: Request, told: virt.Capabilities) -> virt.CloudInit:
    """The first-boot data of a guest that Nova wants to have a config drive: one where the endpoint makes them.

    Args:
        request: what Nova asks for.
        told: what the guest's node can do.

    Raises:
        InvalidInput: the user data is not text.
    """
    instance = request.instance
    return virt.CloudInit(
        user_data=with_files(user_data_of(instance), request.files),
        network_config=network_config_of(request.vifs),
        hostname=instance.hostname or None,
        ssh_authorized_keys=keys_of(instance.key_data or ""),
        metadata=json.dumps(dict(instance.metadata), sort_keys=True) if instance.metadata else None,
        source=virt.CloudInitSource.CONFIG_DRIVE if told.has(virt.Feature.CONFIG_DRIVE) else None,
    )


def keys_of(key_data: str) -> tuple[str, ...]:
    """The public keys for SSH; a certificate, which Nova keeps in the same field for Windows guests, is none."""
    if key_data.startswith(CERTIFICATE):
        return ()
    return tuple(line.strip() for line in key_data.splitlines() if line.strip())


def user_data_of(instance: Any) -> str:
    """The user's part as text; cloud-init unpacks what is packed, and so does this.

    Raises:
        InvalidInput: it is not text.
    """
    data = base64.b64decode(instance.user_data or "")
    try:
        if data.startswith(GZIP):
            data = gzip.decompress(data)
        return data.decode()
    except (OSError, EOFError, zlib.error, UnicodeDecodeError) as error:
        raise exception.InvalidInput(reason=f"the user data of guest {instance.uuid} is not text") from error


def written_file(path: str, content: bytes | str) -> dict[str, str]:
    """One entry of cloud-init's ``write_files``."""
    data = content.encode() if isinstance(content, str) else content
    return {"path": path, "encoding": "b64", "content": base64.b64encode(data).decode()}


def with_files(user_data: str, files: Sequence[tuple[str, Any]]) -> str:
    """User data, with the files that Nova was asked to inject; byte for byte the user's where there are none."""
    if not files:
        return user_data
    config = {"write_files": [written_file(path, content) for path, content in files], "merge_how": MERGE}
    system = "#cloud-config\n" + yaml.safe_dump(config)
    if not user_data:
        return system
    whole = MIMEMultipart(boundary=BOUNDARY)
    for message in parts_of(user_data):
        whole.attach(message)
    whole.attach(part("cloud-config", system))
    return whole.as_string()


def parts_of(user_data: str) -> Iterator[Message]:
    """The user's part, or its parts where it has several already."""
    if user_data.lower().startswith(("content-type: multipart", "mime-version:")):
        yield from (message for message in message_from_string(user_data).walk() if not message.is_multipart())
    else:
        yield part("plain", user_data)  # cloud-init looks what it is, as without us


def part(subtype: str, text: str) -> Message:
    """A part of a message; in base64, since cloud-init cares for every byte."""
    message = MIMENonMultipart("text", subtype, charset="utf-8")
    message.set_payload(base64.encodebytes(text.encode()).decode())
    message["Content-Transfer-Encoding"] = "base64"
    return message
