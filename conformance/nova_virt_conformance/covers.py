"""How a kit test says what it is about."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import pytest

from nova_virt_api.capability import Capability, Feature
from nova_virt_api.errors import VirtError
from nova_virt_conformance.promise import Promise
from nova_virt_conformance.version import MINOR

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

Subject: TypeAlias = Capability | Feature | Promise
"""What a test can be about: one row of the support matrix."""


@dataclass(frozen=True, slots=True)
class Coverage:
    """What one test is about.

    Args:
        subjects: rows of the matrix that it counts for.
        methods: the contract's methods that it exercises, e.g. ``Pause.pause``. A test that passes without having
            called them fails.
        errors: errors of these methods that it provokes.
        needs: further roles and features without which it cannot be made.
        since: major and minor of the kit with which it came.
    """

    subjects: tuple[Subject, ...] = ()
    methods: tuple[str, ...] = ()
    errors: tuple[type[VirtError], ...] = ()
    needs: tuple[Capability | Feature, ...] = ()
    since: tuple[int, int] = (1, 0)

    @property
    def required(self) -> tuple[Capability | Feature, ...]:
        """What the endpoint must declare for the test to be applicable."""
        declared = tuple(subject for subject in self.subjects if not isinstance(subject, Promise))
        return declared + self.needs

    def provisional(self, kit: tuple[int, ...] = MINOR) -> bool:
        """Whether its failure does not count yet: a new test is on trial for one minor. The first kit had no other."""
        return self.since == kit and self.since != (1, 0)


def covers(
    *members: Subject | type[VirtError] | Callable[..., Any], since: tuple[int, int] = (1, 0)
) -> pytest.MarkDecorator:
    """Say what a test counts for: promises, roles, features, methods, e.g. ``Driver.spawn``, and errors of these."""
    subjects = tuple(member for member in members if isinstance(member, Capability | Feature | Promise))
    errors = tuple(member for member in members if isinstance(member, type) and issubclass(member, VirtError))
    methods = tuple(member.__qualname__ for member in members if inspect.isroutine(member))
    return pytest.mark.covers(Coverage(subjects=subjects, methods=methods, errors=errors, since=since))


def needs(*members: Capability | Feature) -> pytest.MarkDecorator:
    """Say without what, beside its subject, a test cannot be made."""
    return pytest.mark.covers(Coverage(needs=members))


def coverage_of(marks: Iterable[pytest.Mark]) -> Coverage:
    """All that the marks of one test say, as one."""
    said: list[Coverage] = [mark.args[0] for mark in marks]
    return Coverage(
        subjects=tuple(dict.fromkeys(subject for one in said for subject in one.subjects)),
        methods=tuple(dict.fromkeys(method for one in said for method in one.methods)),
        errors=tuple(dict.fromkeys(error for one in said for error in one.errors)),
        needs=tuple(dict.fromkeys(need for one in said for need in one.needs)),
        since=max((one.since for one in said), default=(1, 0)),
    )
