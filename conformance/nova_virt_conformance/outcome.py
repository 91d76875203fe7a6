"""How a kit test can end, and what stands behind a result."""

import enum


class Outcome(enum.Enum):
    """How a kit test ended."""

    PASSED = "passed"
    FAILED = "failed"
    KNOWN_FAILURE = "known failure"
    """Failed, as the rig said it would, with a reason and a link, and not for longer than it said."""

    NOT_APPLICABLE = "not applicable"
    """The endpoint says that it does not do this, and why."""

    NOT_VERIFIED = "not verified"
    """Nobody knows: the rig has no way to provoke or to see it, or a limit did not allow it."""


class Evidence(enum.Enum):
    """What the driver talked to while it was tested."""

    REAL_BACKEND = "real backend"
    THIRD_PARTY_SIMULATOR = "third-party simulator"
    OWN_SIMULATION = "own simulation"


class NotApplicable(Exception):
    """The endpoint declares that it does not do what the test is about, or its backend has no such thing.

    Args:
        reason: the endpoint's own, or the rig's.
    """

    outcome = Outcome.NOT_APPLICABLE


class NotVerified(Exception):
    """The test cannot be made here.

    Args:
        reason: what is missing, e.g. a method of the rig.
    """

    outcome = Outcome.NOT_VERIFIED
