"""Entry point of ``nova-virt``. The version is told before anything heavy is imported."""

import os
import signal
import sys
from types import FrameType

from nova_virt_api.cli.exit_codes import ExitCode
from nova_virt_api.version import API_VERSION, __version__

VERSION = f"nova-virt {__version__} (driver API {API_VERSION[0]}.{API_VERSION[1]})"


def main() -> int:
    """Run the command that ``sys.argv`` holds; returns what the process is to end with."""
    arguments = sys.argv[1:]
    if arguments == ["--version"]:
        print(VERSION)
        return ExitCode.OK
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, interrupt)
    try:
        from nova_virt_api.cli.app import App

        code = App(VERSION).run(arguments)
        sys.stdout.flush()
    except BrokenPipeError:
        # whoever read our output has gone; Python must not fail once more when it flushes at its end
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return ExitCode.BROKEN_PIPE
    except KeyboardInterrupt:
        return ExitCode.INTERRUPTED
    return code


def interrupt(number: int, frame: FrameType | None) -> None:
    """Be asked to end in another way: the same as Ctrl-C."""
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
