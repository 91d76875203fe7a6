"""First-boot data that lets somebody into a rescue system by a password."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from nova_virt_api.errors import InvalidSpec
from nova_virt_api.model.cloud_init import CloudInit
from nova_virt_api.toolkit.seed import CONFIG_DRIVE, Form, form_of
from nova_virt_api.toolkit.seed_reading import seed_files

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
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
    """A medium by which cloud-init gives the image's default user a password, at the console and by SSH.

    It is of the form of the guest's own one. What that says of host name, keys and network holds for the rescue system
    too; its user data, which may be a whole installation, does not.

    Args:
        password: the password.
        uuid: the guest.
        name: its name.
        own: the guest's own medium; None if it has none.
    """
    wanted = {"password": password.reveal(), "chpasswd": {"expire": False}, "ssh_pwauth": True}
    user_data = f"#cloud-config\n{json.dumps(wanted, ensure_ascii=False)}\n"
    files = {} if own is None else seed_files(own)
    form = form_of(files)
    hostname, keys = identity(form, metadata_of(files.get(form.meta_data, b"{}")))
    cloud_init = CloudInit(user_data=user_data, hostname=hostname, ssh_authorized_keys=keys)
    network = {path: content for path, content in files.items() if path == form.network}
    return form.image(form.files(cloud_init, uuid, name, None) | network)


def identity(form: Form, metadata: Mapping[str, Any]) -> tuple[str | None, Sequence[str]]:
    """The host name and the public keys that a medium gives."""
    if form is CONFIG_DRIVE:
        keys = metadata.get("public_keys", {})
        return metadata.get("hostname"), tuple(keys.values()) if isinstance(keys, dict) else ()
    keys = metadata.get("public-keys", [])
    return metadata.get("local-hostname"), keys if isinstance(keys, list) else ()


def metadata_of(content: bytes) -> dict[str, Any]:
    """A medium's metadata as this library writes it; empty for what somebody else wrote otherwise."""
    try:
        found = json.loads(content)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
