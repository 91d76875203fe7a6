"""How guests are named: uuids, stable uuids for scripts, and the reference that verbs take."""

import uuid
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from nova_virt_api.model.check import check

NAMESPACE: Final = UUID("8f2f3f5e-5c3b-5e0f-9d51-4f0f6f3a7c11")
"""Namespace of :func:`stable_uuid`; never changes, or scripts would lose their guests."""


def stable_uuid(text: str) -> UUID:
    """The same uuid for the same text, on every machine: makes a script that spawns repeatable."""
    check(isinstance(text, str), "text", text, 'a text, e.g. stable_uuid("web")')
    return uuid.uuid5(NAMESPACE, text)


@dataclass(frozen=True, slots=True, kw_only=True)
class InstanceRef:
    """Names one guest to a driver.

    Args:
        uuid: the guest's uuid.
        native_id: the backend's own id as a hint, when the caller knows it; may be stale.
    """

    uuid: UUID
    native_id: str | None = None

    def __str__(self) -> str:
        return str(self.uuid)
