"""Entry point of ``nova-virt-conformance``."""

from __future__ import annotations

import os
import signal
import sys
from typing import TYPE_CHECKING, NoReturn

from nova_virt_api.errors import VirtError
from nova_virt_conformance.built_in import with_built_image
from nova_virt_conformance.command.arguments import PROGRAM, parsed
from nova_virt_conformance.command.ending import ended
from nova_virt_conformance.command.exit_codes import ExitCode
from nova_virt_conformance.command.outputs import check_outputs
from nova_virt_conformance.command.rigs import GROUP, find_rig
from nova_virt_conformance.command.screen import screen
from nova_virt_conformance.command.session import Quiet, run
from nova_virt_conformance.command.teller import Teller
from nova_virt_conformance.rig import Rig
from nova_virt_conformance.target_file import read_target

if TYPE_CHECKING:
    import argparse
    from types import FrameType

    from nova_virt_conformance.command.screen import Screen


def main() -> int:
    """Run the command that ``sys.argv`` holds; returns what the process is to end with."""
    given = parsed(sys.argv[1:])
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, interrupt)
    shown = screen()
    try:
        if given.list:
            from nova_virt_conformance.command.tests_list import tell_tests

            return tell_tests(given, shown)
        return conformance(given, shown)
    except VirtError as error:
        shown.note(f"{PROGRAM}: {error}")
        return ExitCode.USAGE
    except BrokenPipeError:
        return unread()
    except KeyboardInterrupt:
        shown.note(f"{PROGRAM}: stopped before its end; the next run removes what this one left")
        return ExitCode.INTERRUPTED


def conformance(given: argparse.Namespace, shown: Screen) -> int:
    """Run the kit as the arguments say.

    Raises:
        VirtError: the arguments, the file, the driver or its rig are wrong; nothing was run.
    """
    check_outputs(given)
    target = read_target(given.config, given.driver)
    kind = find_rig(target.driver)
    if kind is None:
        shown.note(
            f"no installed distribution has a rig for {target.driver!r} (entry point group {GROUP}): "
            "what needs eyes and hands on the backend stays not verified"
        )
    rig = (kind or Rig)(with_built_image(target, shown.note))
    quiet = Quiet()
    teller = Teller(shown, quiet, verbose=given.verbose)
    code = run(given, rig, quiet, teller)
    return ended(given, code, teller, shown)


def interrupt(number: int, frame: FrameType | None) -> NoReturn:
    """Be asked to end in another way: the same as Ctrl-C."""
    raise KeyboardInterrupt


def unread() -> int:
    """Whoever read the output has gone; Python must not fail once more when it flushes at its end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return ExitCode.BROKEN_PIPE
