"""First-boot data that lets somebody into a rescue system by a password."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from nova_virt_api.errors import InvalidSpec
from nova_virt_api.model.cloud_init import CloudInit
from nova_virt_api.toolkit.seed import nocloud_seed
from nova_virt_api.toolkit.seed_reading import seed_files

if TYPE_CHECKING:
    from uuid import UUID

    from nova_virt_api.model.secret import Secret

LONGEST_PASSWORD: Final = 255


def check_password(password: Secret) -> None:
    """Refuse a password that nobody could type.

    Raises:
        InvalidSpec: it is empty, too long, or has characters that are not printed.
    """
    text = password.reveal()
    if not 0 < len(text) <= LONGEST_PASSWORD or not text.isprintable():
        raise InvalidSpec("password", password, f"1 to {LONGEST_PASSWORD} printable characters")


def rescue_seed(password: Secret, uuid: UUID, name: str, own: bytes | None) -> bytes:
    """A NoCloud medium by which cloud-init gives the image's default user a password, at the console and by SSH.

    What the guest's own medium says of host name, keys and network holds for the rescue system too; its user data,
    which may be a whole installation, does not.

    Args:
        password: the password.
        uuid: the guest.
        name: its name.
        own: the guest's own medium; None if it has none.
    """
    wanted = {"password": password.reveal(), "chpasswd": {"expire": False}, "ssh_pwauth": True}
    user_data = f"#cloud-config\n{json.dumps(wanted, ensure_ascii=False)}\n"
    files = {} if own is None else seed_files(own)
    metadata = metadata_of(files.get("meta-data", b"{}"))
    keys = metadata.get("public-keys", [])
    return nocloud_seed(
        CloudInit(
            user_data=user_data,
            network_config=files["network-config"].decode() if "network-config" in files else None,
            hostname=metadata.get("local-hostname"),
            ssh_authorized_keys=keys if isinstance(keys, list) else (),
        ),
        uuid,
        name,
    )


def metadata_of(content: bytes) -> dict[str, Any]:
    """NoCloud's ``meta-data`` as this library writes it; empty for what somebody else wrote otherwise."""
    try:
        found = json.loads(content)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
