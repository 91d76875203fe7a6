"""From what people type to a guest."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID

from nova_virt_api.errors import Ambiguous

if TYPE_CHECKING:
    from nova_virt_api.compute.compute import Compute
    from nova_virt_api.model.instance import Instance


def find(compute: Compute, name: str) -> Instance:
    """The guest of this name or uuid.

    Raises:
        InstanceNotFound: there is none.
        Ambiguous: there are several.
    """
    try:
        return compute.find(name.strip())
    except Ambiguous as error:
        error.hint = error.hint or "name it by its uuid"
        raise


def as_uuid(text: str) -> UUID | None:
    """The uuid that a text is, if it is one."""
    try:
        return UUID(text)
    except ValueError:
        return None
