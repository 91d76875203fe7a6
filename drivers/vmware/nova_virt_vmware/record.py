"""The record of a guest: one key in its virtual machine's ``config.extraConfig``, born with it and gone with it.

A copy of a virtual machine takes the key along, and the server's own id of the copy is only known when it is there. So
a record is bound to what the virtual machine is born with and no copy inherits: its ``config.instanceUuid``. vCenter
gives every clone, every deployed template and every registered second copy an ``instanceUuid`` of its own (vSphere API
reference: ``VirtualMachineConfigSpec.instanceUuid``); it stays when a virtual machine is moved, renamed, or registered
anew under another managed object id. A record that names another uuid than its object bears is a copy's, and says
nothing about it.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from nova_virt_api.errors import VirtError
from nova_virt_api.model.labels import NO_LABELS, Labels
from nova_virt_api.model.record import Phase, Record

if TYPE_CHECKING:
    from collections.abc import Mapping

    from nova_virt_vmware.vm_row import VmRow

KEY: Final = "nova_virt.record"
"""Key in ``config.extraConfig``. An empty value removes it (``VirtualMachineConfigSpec.extraConfig``)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GuestRecord:
    """What is known about a guest of ours.

    Args:
        record: as on every backend; its uuid is the virtual machine's ``instanceUuid``.
        name: the guest's name; the virtual machine's also bears the uuid.
        labels: the caller's pairs.
        hold: which taking of the guest its holder means; empty when nobody holds it.
        keeps_disks: whether a removal under way leaves the disks.
    """

    record: Record
    name: str
    labels: Labels = NO_LABELS
    hold: str = ""
    keeps_disks: bool = False

    def changed(self, **changes: Any) -> GuestRecord:
        """The same with other values in the record proper."""
        return replace(self, record=replace(self.record, **changes))

    def encode(self) -> str:
        """The value of the key: one line of JSON in ASCII, whatever the labels hold."""
        more = {
            "name": self.name,
            "labels": dict(self.labels),
            "hold": self.hold,
            "keeps_disks": self.keeps_disks,
        }
        values = json.loads(self.record.encode()) | {key: value for key, value in more.items() if value}
        return json.dumps(values, sort_keys=True)

    @classmethod
    def decode(cls, text: str) -> GuestRecord:
        """Read :meth:`encode`'s line back; keys that a later version added are ignored.

        Raises:
            ValueError: it is not a record.
        """
        try:
            record = Record.decode(text)
            more: Mapping[str, Any] = json.loads(text)
            labels = Labels({str(key): str(value) for key, value in more.get("labels", {}).items()})
            name, hold = str(more["name"]), str(more.get("hold", ""))
            return cls(record=record, name=name, labels=labels, hold=hold, keeps_disks=more.get("keeps_disks") is True)
        except (AttributeError, KeyError, TypeError, VirtError) as error:
            raise ValueError("not a record") from error


def record_of(row: VmRow) -> GuestRecord | None:
    """The record of a guest of ours; None for one of other making, and for a copy that somebody made of ours."""
    return read_record(row.record_text, row.uuid)


def read_claim(text: str | None, name: str) -> GuestRecord | None:
    """What the key says, if it speaks of an unfinished guest whose uuid is the virtual machine's name.

    So is one called that somebody begins. vCenter may have given it another ``instanceUuid`` than the guest's, as
    another virtual machine had that; it is what somebody made, and no copy, if it is in its owner's folder.
    """
    try:
        found = GuestRecord.decode(text or "")
    except ValueError:
        return None
    unfinished = found.record.phase is not Phase.READY
    return found if unfinished and name == str(found.record.uuid) else None


def read_record(text: str | None, uuid: UUID | None) -> GuestRecord | None:
    """What the key says, if it speaks of the virtual machine of this uuid."""
    if not text or uuid is None:
        return None
    try:
        found = GuestRecord.decode(text)
    except ValueError:
        return None
    return found if found.record.uuid == uuid else None
