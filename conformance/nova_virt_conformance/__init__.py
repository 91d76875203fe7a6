"""The conformance kit of nova-virt-api: what a driver claims, it must show. Public names, loaded when first used."""

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from nova_virt_conformance.conformance import Conformance as Conformance
    from nova_virt_conformance.outcome import (
        Evidence as Evidence,
        NotApplicable as NotApplicable,
        NotVerified as NotVerified,
        Outcome as Outcome,
    )
    from nova_virt_conformance.rig import Rig as Rig
    from nova_virt_conformance.target import KnownFailure as KnownFailure, Quota as Quota, Target as Target
    from nova_virt_conformance.target_file import read_target as read_target

HOMES: Final = {
    "Conformance": "conformance",
    "Evidence": "outcome",
    "KnownFailure": "target",
    "NotApplicable": "outcome",
    "NotVerified": "outcome",
    "Outcome": "outcome",
    "Quota": "target",
    "Rig": "rig",
    "Target": "target",
    "read_target": "target_file",
}
"""The public names, each with the module below this package that it lives in."""

__all__ = list(HOMES)


def __getattr__(name: str) -> Any:
    if name not in HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{HOMES[name]}"), name)
