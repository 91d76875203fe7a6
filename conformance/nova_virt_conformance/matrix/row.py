"""One row of the support matrix."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from nova_virt_api.capability import Capability, Feature
from nova_virt_conformance.promise import Promise

if TYPE_CHECKING:
    from nova_virt_conformance.covers import Subject


@dataclass(frozen=True, slots=True)
class Row:
    """One promise, role or feature.

    Args:
        subject: it.
        group: under which heading it stands.
        title: its name for people.
        sentence: what a user gets by it.
    """

    subject: Subject
    group: str
    title: str
    sentence: str

    @property
    def key(self) -> str:
        """The name that reports use."""
        return str(self.subject.value)

    @property
    def kind(self) -> str:
        """Whether every driver owes it, or an endpoint may lack it."""
        return {Promise: "promise", Capability: "role", Feature: "feature"}[type(self.subject)]
