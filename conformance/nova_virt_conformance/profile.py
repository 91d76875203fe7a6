"""Profiles: named sets of what a user can count on. "Conformant" always means conformant to one of these."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from nova_virt_api.capability import Capability, Feature
from nova_virt_conformance.outcome import Outcome
from nova_virt_conformance.promise import Promise
from nova_virt_conformance.report.model import ProfileVerdict

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from nova_virt_conformance.covers import Subject
    from nova_virt_conformance.report.model import Declared, TestResult

NAMED: Final = 3
"""So many tests are named in one line; of the others there is the number."""

REASON_LENGTH: Final = 160
"""So much of a reason fits into one line."""

IN_THE_WAY: Final = {
    Outcome.FAILED: "failed",
    Outcome.KNOWN_FAILURE: "known to fail",
    Outcome.NOT_VERIFIED: "not verified",
}
"""Outcomes that keep a profile from being reached, each as a line says it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """A set of promises, roles and features.

    Args:
        name: as it is shown.
        sentence: what a user of such an endpoint can do.
        above: the profile that it builds on; that one has to be reached too.
        requires: what has to be there and shown.
    """

    name: str
    sentence: str
    above: Profile | None = None
    requires: tuple[Subject, ...] = ()

    @property
    def subjects(self) -> frozenset[Subject]:
        """What has to be there and shown for it, with what the profiles below it ask for."""
        return frozenset(self.requires) | (self.above.subjects if self.above else frozenset())


CORE: Final = Profile(
    name="Core",
    sentence="Make, see, start, stop and remove guests, and rely on every promise that holds for all drivers.",
    requires=tuple(Promise),
)
LIFECYCLE: Final = Profile(
    name="Lifecycle",
    sentence="Shut guests down politely, rename and label them.",
    above=CORE,
    requires=(Feature.GRACEFUL_POWER_OFF, Feature.UPDATE_NAME, Feature.UPDATE_LABELS),
)
CAPTURE: Final = Profile(
    name="Capture",
    sentence="Put guests away with their memory and take them back, copy their disks.",
    above=CORE,
    requires=(Capability.SUSPEND, Capability.SNAPSHOT),  # no pause: vSphere has none, and what it has serves the same
)
BLOCK: Final = Profile(
    name="Block",
    sentence="Give guests several disks, with and without an image, on a chosen bus, and keep them.",
    above=CORE,
    requires=(Feature.MULTIPLE_DISKS, Feature.BLANK_DISK, Feature.DISK_BUS, Feature.KEEP_DISKS),
)
NETWORK: Final = Profile(
    name="Network",
    sentence="Give guests several network interfaces, see them, and attach and detach more while they live.",
    above=CORE,
    requires=(Feature.MULTIPLE_NICS, Capability.INTERFACES),
)
VIRTUAL_NICS: Final = Profile(
    name="Virtual NICs",
    sentence="Choose the kind and the address of a guest's network interfaces, and see its IP addresses.",
    above=NETWORK,
    requires=(Feature.NIC_MAC, Feature.NIC_MODEL, Feature.GUEST_ADDRESSES),
)
MIGRATION: Final = Profile(
    name="Migration",
    sentence="Move guests between hosts, running or stopped.",
    above=CORE,
    requires=(Capability.LIVE_MIGRATION, Capability.RESIZE, Feature.COLD_MIGRATION),
)
BARE_METAL: Final = Profile(
    name="Bare metal",
    sentence="Deploy, rescue, look after and deploy anew machines that are not virtual.",
    above=CORE,
    requires=(
        Feature.WHOLE_NODES,
        Capability.REBUILD,
        Capability.RESCUE,
        Capability.DIAGNOSTICS,
        Capability.HOST_CONTROL,
        Feature.CLOUD_INIT,
        Feature.BACKEND_URL,
    ),
)

PROFILES: Final = (CORE, LIFECYCLE, CAPTURE, BLOCK, NETWORK, VIRTUAL_NICS, MIGRATION, BARE_METAL)
"""All profiles; each comes after the one that it builds on."""


def profile_called(name: str) -> Profile:
    """The profile of that name; capitals do not matter, and a hyphen may stand for a space.

    Raises:
        ValueError: there is none; says which there are.
    """
    for profile in PROFILES:
        if profile.name.casefold() == name.casefold().replace("-", " "):
            return profile
    raise ValueError(f"there is no profile {name!r}; there are: {', '.join(profile.name for profile in PROFILES)}")


def verdicts(
    results: Sequence[TestResult], declared: Sequence[Declared], selection: str = ""
) -> tuple[ProfileVerdict, ...]:
    """Which profiles a run has reached, and what stood in the way of the others.

    Args:
        results: all results of the run.
        declared: what the endpoint says of its roles and features.
        selection: the part of the kit that was run, e.g. ``-k pause``; empty for all of it. A part reaches no profile.

    Returns:
        One verdict for each of :data:`PROFILES`, in that order.
    """
    if selection:
        part = f"only a part of the kit was run ({selection}); a profile needs all of it"
        return tuple(ProfileVerdict(name=profile.name, reached=False, missing=(part,)) for profile in PROFILES)
    answers = {answer.key: answer for answer in declared}
    of_subject = defaultdict(list)
    for result in results:
        for key in result.subjects:
            of_subject[key].append(result)
    found: dict[str, ProfileVerdict] = {}
    for profile in PROFILES:
        missing = list(missing_below(profile, found))
        for subject in profile.requires:
            missing += missing_for(subject, of_subject[subject.value], answers)
        found[profile.name] = ProfileVerdict(name=profile.name, reached=not missing, missing=tuple(missing))
    return tuple(found.values())


def missing_below(profile: Profile, found: dict[str, ProfileVerdict]) -> Iterator[str]:
    """Whether the profile below was missed; why, its own verdict says."""
    if profile.above and not found[profile.above.name].reached:
        yield f"the profile {profile.above.name}, on which this one builds, is not reached"


def missing_for(subject: Subject, results: Sequence[TestResult], answers: dict[str, Declared]) -> Iterator[str]:
    """What keeps one promise, role or feature from being shown, in as few lines as there are kinds of reasons."""
    key = subject.value
    if not isinstance(subject, Promise):
        answer = answers.get(key)
        if answer is None:
            yield f"{key}: the endpoint does not say whether it has it"
            return
        if not answer.available:
            yield f"{key}: not available here: {short(answer.reason) or 'no reason given'}"
            return
    counting = [result for result in results if not result.provisional]
    blocked = False
    for outcome, words in IN_THE_WAY.items():
        in_the_way = [result for result in counting if result.outcome is outcome]
        if in_the_way:
            blocked = True
            yield f"{key}: {counted(in_the_way, words)}"
    if not blocked and not any(result.outcome is Outcome.PASSED for result in counting):
        yield f"{key}: {nothing_shown(results, counting)}"


def nothing_shown(results: Sequence[TestResult], counting: Sequence[TestResult]) -> str:
    """Why nothing is shown although nothing went wrong."""
    if counting:
        reasons = dict.fromkeys(short(result.reason) for result in counting)
        return f"no test of it applies here: {short('; '.join(reasons))}"
    return "its tests are provisional and do not count yet" if results else "no test of it was run"


def counted(results: Sequence[TestResult], words: str) -> str:
    """One line for tests that ended alike."""
    reasons = short("; ".join(dict.fromkeys(short(result.reason) for result in results if result.reason)))
    one = len(results) == 1
    said = f"{results[0].name} {words}" if one else f"{len(results)} tests {words} ({named(results)})"
    return f"{said}: {reasons}" if reasons else said


def named(results: Iterable[TestResult]) -> str:
    """The first few tests by name, cases of one test once."""
    names = list(dict.fromkeys(result.name.partition("[")[0] for result in results))
    more = len(names) - NAMED
    return ", ".join(names[:NAMED]) + (f" and {more} more" if more > 0 else "")


def short(reason: str) -> str:
    """The first line of a reason, cut where it grows too long."""
    first = reason.strip().partition("\n")[0].strip()
    return first if len(first) <= REASON_LENGTH else first[: REASON_LENGTH - 1].rstrip() + "…"
