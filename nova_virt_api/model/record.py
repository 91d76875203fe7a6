"""What a hypervisor stores about a guest that we own: one record, created first and removed last."""

import enum
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass
from typing import Any
from uuid import UUID

from nova_virt_api.model.image import BackendUrl, Url
from nova_virt_api.model.secret import Secret
from nova_virt_api.model.spec import InstanceSpec


class Phase(enum.Enum):
    """How far a guest's life has got."""

    BUILDING = "building"
    READY = "ready"
    DELETING = "deleting"


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """A guest's record. Where it is stored is the driver's affair; what it says is the same everywhere.

    Args:
        uuid: the guest.
        owner: who made it.
        fingerprint: of the spec as first asked.
        phase: how far it has got.
        native_id: the backend's id once there is one; a record on an object with another id is a copy's.
        holder: who runs a multi-step verb on it now; None when nobody does.
        lease_until: when a silent holder counts as dead, in seconds since the epoch.
    """

    uuid: UUID
    owner: str
    fingerprint: str
    phase: Phase = Phase.BUILDING
    native_id: str | None = None
    holder: str | None = None
    lease_until: float | None = None

    def encode(self) -> str:
        """The record as one line of JSON."""
        pairs = {field.name: plain(getattr(self, field.name)) for field in fields(self)}
        return json.dumps({name: value for name, value in pairs.items() if value is not None}, sort_keys=True)

    @classmethod
    def decode(cls, text: str) -> "Record":
        """Read :meth:`encode`'s line back; keys that a later version added are ignored.

        Raises:
            ValueError: it is not a record.
        """
        data = json.loads(text)
        if not isinstance(data, dict) or not {"uuid", "owner", "fingerprint"} <= data.keys():
            raise ValueError("not a record")
        known = {field.name for field in fields(cls)}
        values = {key: value for key, value in data.items() if key in known}
        values["uuid"] = UUID(values["uuid"])
        values["phase"] = Phase(values.get("phase", Phase.BUILDING.value))
        return cls(**values)


def fingerprint(spec: InstanceSpec) -> str:
    """A hash of what was asked for: without secrets, and without fields at their default.

    Since defaults are left out, a field that a later version adds does not change the fingerprint of an old request.
    """
    text = json.dumps(plain(spec), sort_keys=True, ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()


def plain(value: Any) -> Any:
    """A value as JSON's own types; of a frozen object, fields at their default and secrets are left out.

    Of an image that is named by its checksum the URL is left out too: signed URLs change, the image does not.
    """
    if isinstance(value, Url | BackendUrl) and value.checksum is not None:
        return {"type": type(value).__name__, "checksum": plain(value.checksum)}
    if is_dataclass(value) and not isinstance(value, type):
        pairs = {f.name: getattr(value, f.name) for f in fields(value)}
        changed = {f.name: plain(pairs[f.name]) for f in fields(value) if kept(f.default, pairs[f.name])}
        return {"type": type(value).__name__, **changed}
    if isinstance(value, enum.Enum):
        return value.value
    if isinstance(value, Mapping):
        return {str(key): plain(member) for key, member in value.items()}
    if isinstance(value, list | tuple):
        return [plain(member) for member in value]
    if isinstance(value, str | int | float | bool) or value is None:
        return value
    return str(value)


def kept(default: Any, value: Any) -> bool:
    """Whether a field's value belongs into the encoding."""
    return value != default and not isinstance(value, Secret)
