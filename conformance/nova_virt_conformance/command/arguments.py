"""The arguments of the command."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Final

from nova_virt_conformance.profile import PROFILES, profile_called
from nova_virt_conformance.version import __version__

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nova_virt_conformance.profile import Profile

PROGRAM: Final = "nova-virt-conformance"

DESCRIPTION: Final = (
    "Run the conformance kit of nova-virt-api on one endpoint and say which profiles its driver reaches there. "
    "The kit makes and removes guests of its own, under the owner and in the places that the file names."
)

EPILOG: Final = (
    "exit codes: 0 nothing failed and the profile asked for is reached; 1 a test failed or the profile is missed; "
    "2 wrong arguments, file or driver; 3 the endpoint cannot be opened or is not as the file says; 130 interrupted"
)


def parsed(arguments: Sequence[str]) -> argparse.Namespace:
    """The arguments, checked as far as they can be without looking at files."""
    parser = argparse.ArgumentParser(prog=PROGRAM, description=DESCRIPTION, epilog=EPILOG)
    parser.add_argument("--version", action="version", version=f"{PROGRAM} {__version__}")
    parser.add_argument("--driver", metavar="NAME", help="the driver; may be left out where the file names it")
    parser.add_argument(
        "--config", type=Path, metavar="FILE", help="the target: the endpoint, and how far the kit may go there"
    )
    names = ", ".join(profile.name for profile in PROFILES)
    parser.add_argument(
        "--profile", type=profile, metavar="P", help=f"run only what this profile needs, and ask for it: {names}"
    )
    parser.add_argument(
        "-k",
        dest="keyword",
        default="",
        metavar="EXPR",
        help="run only tests whose names match, e.g. 'pause and not x'",
    )
    parser.add_argument("--report", type=Path, metavar="FILE", help="write the report as JSON")
    parser.add_argument("--html", type=Path, metavar="FILE", help="write the report as one HTML page")
    parser.add_argument("--junit", type=Path, metavar="FILE", help="write the results as JUnit XML")
    parser.add_argument(
        "--loopback", action="store_true", help="encode and decode all that the driver is asked and answers"
    )
    parser.add_argument("--verbose", action="store_true", help="show where a test failed, with the tracebacks")
    parser.add_argument("--list", action="store_true", help="list the kit's tests and end")
    given = parser.parse_args(arguments)
    if given.profile and given.keyword:
        parser.error("-k runs a part of the kit, which reaches no profile: leave out -k or --profile")
    if not given.list and given.config is None:
        parser.error("--config FILE is needed: which endpoint, and how far the kit may go there")
    return given


def profile(name: str) -> Profile:
    """The profile that an argument names."""
    try:
        return profile_called(name)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
