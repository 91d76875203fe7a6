"""The record of a guest: one object in its node's ``instance_info``, written with the claim and gone with it.

Ironic shows ``instance_info`` with everything starred out that looks like a password: values of keys such as ``token``
or ``secret``, and text such as ``password=...``. Labels may look like that, so they are kept as pairs of hexadecimal
text where they do.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from nova_virt_api.errors import VirtError
from nova_virt_api.model.labels import NO_LABELS, Labels
from nova_virt_api.model.record import Phase, Record

if TYPE_CHECKING:
    from collections.abc import Mapping

    from nova_virt_ironic.node import NodeRow

KEY: Final = "nova_virt"
PATH: Final = f"/instance_info/{KEY}"
"""Of the record in a node, as JSON Patch names it."""

DISPLAY_NAME: Final = "display_name"
"""The guest's name as Nova writes it too; from API version 1.104 on Ironic copies it to ``instance_name``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GuestRecord:
    """What is known about a guest of ours.

    Args:
        record: as on every backend; its native id is the node's uuid.
        name: the guest's name.
        labels: the caller's pairs.
        hold: which taking of the guest its holder means; empty when nobody holds it.
    """

    record: Record
    name: str
    labels: Labels = NO_LABELS
    hold: str = ""

    def changed(self, **changes: Any) -> GuestRecord:
        """The same with other values in the record proper."""
        return replace(self, record=replace(self.record, **changes))

    def encode(self) -> dict[str, Any]:
        """As JSON's own types."""
        record = self.record
        values = {
            "owner": record.owner,
            "fingerprint": record.fingerprint,
            "phase": record.phase.value,
            "node": record.native_id,
            "name": self.name,
            "labels": [[hidden(key), hidden(value)] for key, value in self.labels.items()],
            "holder": record.holder,
            "lease_until": record.lease_until,
            "hold": self.hold,
        }
        return {key: value for key, value in values.items() if value}


def record_of(row: NodeRow) -> GuestRecord | None:
    """The record of the guest on a node; None when there is no guest, or one of other making.

    One that names another node is a copy that somebody made, so it says nothing about this one.
    """
    found = row.instance_info.get(KEY)
    if row.instance_uuid is None or not isinstance(found, dict) or found.get("node") != row.uuid:
        return None
    try:
        return decode(row.instance_uuid, found)
    except (KeyError, TypeError, ValueError, VirtError):
        return None


def decode(guest: UUID, found: Mapping[str, Any]) -> GuestRecord:
    """Read :meth:`GuestRecord.encode`'s values back.

    Raises:
        KeyError, TypeError, ValueError, InvalidSpec: they are not a record's.
    """
    record = Record(
        uuid=guest,
        owner=str(found["owner"]),
        fingerprint=str(found["fingerprint"]),
        phase=Phase(found["phase"]),
        native_id=str(found["node"]),
        holder=found.get("holder"),
        lease_until=found.get("lease_until"),
    )
    labels = Labels({shown(key): shown(value) for key, value in found.get("labels", ())})
    return GuestRecord(record=record, name=str(found["name"]), labels=labels, hold=str(found.get("hold", "")))


# --- labels -----------------------------------------------------------------------------------------------------------

PLAIN: Final = frozenset("abcdefghijklmnopqrstuvwxyz0123456789._-")
HEX: Final = "0x"


def hidden(text: str) -> str:
    """Text as it survives; the plain majority stays readable."""
    return text if PLAIN.issuperset(text) and not text.startswith(HEX) else HEX + text.encode().hex()


def shown(text: str) -> str:
    """What :func:`hidden` was given."""
    return bytes.fromhex(text.removeprefix(HEX)).decode() if text.startswith(HEX) else text
