"""What the process ends with. Scripts rely on the numbers, so they never change their meaning."""

import enum


class ExitCode(enum.IntEnum):
    """The command's exit codes; 0, 1, 2, 130 and 141 mean the same as those of ``nova-virt``."""

    OK = 0
    """Nothing failed, and the profile that was asked for, if one was, is reached."""

    FAILED = 1
    """A test failed, or the profile that was asked for is missed."""

    USAGE = 2
    """The arguments, the target's file or the driver are wrong; nothing was run."""

    NOT_OPENED = 3
    """The endpoint cannot be reached or is not as the target says; nothing was run."""

    INTERRUPTED = 130
    """Ctrl-C, or asked to end in another way; what the kit made is removed."""

    BROKEN_PIPE = 141
    """Nobody reads the output any more; what the kit made is removed."""
