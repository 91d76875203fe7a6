"""What the process ends with. Scripts rely on the numbers, so they never change their meaning."""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from nova_virt_api.errors import VirtError


class ExitCode(enum.IntEnum):
    """The command's exit codes."""

    OK = 0
    FAILED = 1
    USAGE = 2
    NOT_FOUND = 3
    TIMEOUT = 4
    NOT_SUPPORTED = 5
    CONFLICT = 6
    INVALID = 7
    UNAVAILABLE = 8
    NOT_PERMITTED = 9
    INTERRUPTED = 130
    BROKEN_PIPE = 141


BY_ERROR: Final = {
    "instance-not-found": ExitCode.NOT_FOUND,
    "image-not-found": ExitCode.NOT_FOUND,
    "volume-not-found": ExitCode.NOT_FOUND,
    "timeout": ExitCode.TIMEOUT,
    "not-supported": ExitCode.NOT_SUPPORTED,
    "instance-exists": ExitCode.CONFLICT,
    "volume-exists": ExitCode.CONFLICT,
    "ambiguous": ExitCode.CONFLICT,
    "invalid-state": ExitCode.CONFLICT,
    "busy": ExitCode.CONFLICT,
    "invalid-spec": ExitCode.INVALID,
    "image-rejected": ExitCode.INVALID,
    "config": ExitCode.INVALID,
    "unavailable": ExitCode.UNAVAILABLE,
    "connection-lost": ExitCode.UNAVAILABLE,
    "no-capacity": ExitCode.UNAVAILABLE,
    "driver-not-found": ExitCode.UNAVAILABLE,
    "duplicate-driver": ExitCode.UNAVAILABLE,
    "driver-import": ExitCode.UNAVAILABLE,
    "driver-version": ExitCode.UNAVAILABLE,
    "authentication-failed": ExitCode.NOT_PERMITTED,
    "permission-denied": ExitCode.NOT_PERMITTED,
    "cancelled": ExitCode.INTERRUPTED,
}
"""Exit code by ``VirtError.code``; any other is FAILED."""


def exit_code(error: VirtError) -> ExitCode:
    """What the process ends with after this error."""
    return BY_ERROR.get(error.code, ExitCode.FAILED)
