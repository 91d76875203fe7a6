"""What a guest's mark remembers of its rescue, so that anybody can put the definition back."""

from __future__ import annotations

import enum
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from nova_virt_api.errors import BackendError

if TYPE_CHECKING:
    from nova_virt_libvirt.metadata import Mark

ROLE: Final = "rescue"
"""The note's name in the mark."""


class Step(enum.Enum):
    """How far a rescue, or its end, has got."""

    ENTERING = "entering"
    """The definition is the rescue system's; whether that was started is not known."""

    THERE = "there"
    LEAVING = "leaving"
    """The definition is the guest's own again; whether that was started is not known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RescueNote:
    """What was taken off a definition.

    Args:
        step: how far it has got.
        boots: the devices that the guest boots from, each with its place in the order.
        os: what ``<os>`` said of booting, each as XML.
        controllers: the controllers that there were; libvirt may have added some for the rescue disk.
        seed: path of the guest's own first-boot data, if the rescue system's is in its place.
    """

    step: Step
    boots: tuple[tuple[str, str], ...]
    os: tuple[str, ...]
    controllers: tuple[str, ...]
    seed: str | None = None

    def encode(self) -> str:
        """The note as one line of JSON."""
        return json.dumps(
            {
                "step": self.step.value,
                "boots": self.boots,
                "os": self.os,
                "controllers": self.controllers,
                "seed": self.seed,
            }
        )

    @classmethod
    def decode(cls, text: str) -> RescueNote:
        """Read :meth:`encode`'s line back.

        Raises:
            BackendError: it is not such a line: somebody has changed the mark.
        """
        try:
            data = json.loads(text)
            return cls(
                step=Step(data["step"]),
                boots=tuple((str(device), str(order)) for device, order in data["boots"]),
                os=tuple(map(str, data["os"])),
                controllers=tuple(map(str, data["controllers"])),
                seed=data["seed"],
            )
        except (ValueError, KeyError, TypeError) as error:
            raise BackendError(
                "what the guest's mark says of its rescue cannot be read",
                hint="mend the guest's definition by hand (virsh edit), or destroy the guest",
            ) from error


def rescue_note(mark: Mark | None) -> RescueNote | None:
    """The note in a mark; None of a guest that is not rescued."""
    text = None if mark is None else mark.notes.get(ROLE)
    return None if text is None else RescueNote.decode(text)
