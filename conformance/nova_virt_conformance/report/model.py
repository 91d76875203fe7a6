"""A report: one run of the kit against one endpoint."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from nova_virt_conformance.outcome import Evidence, Outcome

REPORT_VERSION: Final = "1.0"


@dataclass(frozen=True, slots=True, kw_only=True)
class TestResult:
    """How one test, or one case of it, ended.

    Args:
        name: its name, e.g. ``test_pause_is_idempotent``, with the case in brackets where it has several.
        sentence: what it shows: the first line of its docstring.
        module: the kit's module that it is in, e.g. ``suite.pause``.
        subjects: keys of the rows that it counts for, e.g. ``pause``, ``uefi``, ``ownership``.
        methods: the contract's methods that it exercises, e.g. ``Pause.pause``.
        outcome: how it ended.
        reason: why it failed, is known to, does not apply or could not be made; empty when it passed.
        link: where a known failure is followed up.
        seconds: how long it took.
        provisional: whether it is too new for its failure to count.
    """

    __test__ = False  # not a test itself, for pytest

    name: str
    sentence: str
    module: str
    subjects: tuple[str, ...]
    methods: tuple[str, ...]
    outcome: Outcome
    reason: str = ""
    link: str = ""
    seconds: float
    provisional: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Declared:
    """What an endpoint says of one role or feature.

    Args:
        key: the role's or feature's value, e.g. ``pause``.
        available: whether it is there.
        reason: why not.
    """

    key: str
    available: bool
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProfileVerdict:
    """Whether a profile was reached.

    Args:
        name: the profile.
        reached: whether it was.
        missing: one line for each thing that stood in the way.
    """

    name: str
    reached: bool
    missing: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """One run.

    Args:
        version: of the report's form.
        kit_version: of the kit.
        api_version: of nova-virt-api's driver API.
        driver: the driver's name.
        distribution: what pip installs to get it.
        driver_version: its version.
        backend: what is behind it.
        backend_version: its version.
        evidence: of what kind that is.
        note: what exactly it is.
        commit: of the driver's sources, if known.
        started: when the run began, in ISO 8601, UTC.
        seconds: how long it took.
        selection: the part of the kit that was run, e.g. ``-k pause`` or ``--profile Core``; empty for a whole run.
        loopback: whether the driver saw only decoded copies.
        declared: the endpoint's answers.
        tests: all results.
        profiles: the profiles.
        untested: members of the installed contract that this kit has no test for, since they came after it.
    """

    version: str = REPORT_VERSION
    kit_version: str
    api_version: str
    driver: str
    distribution: str
    driver_version: str
    backend: str
    backend_version: str
    evidence: Evidence
    note: str = ""
    commit: str = ""
    started: str
    seconds: float
    selection: str = ""
    loopback: bool = False
    declared: tuple[Declared, ...]
    tests: tuple[TestResult, ...]
    profiles: tuple[ProfileVerdict, ...] = ()
    untested: tuple[str, ...] = ()
