"""Who else can read or change a file of the user's."""

import os
from pathlib import Path
from typing import Final

from nova_virt_api.errors import ConfigError

READABLE_BY_OTHERS: Final = 0o077
"""Any access: for a file that holds secrets."""

WRITABLE_BY_OTHERS: Final = 0o022
"""Write access: for any file that is obeyed."""


def refuse_access_by_others(path: Path, mask: int, why: str) -> None:
    """Raise :class:`ConfigError` with the line that mends it if other users may do too much with a file."""
    try:
        status = path.stat()
    except OSError as error:
        raise ConfigError("profiles", f"{path} cannot be read: {error.strerror}") from error
    if status.st_mode & mask:
        raise ConfigError("profiles", f"{path} is refused: {why}", hint=f"chmod 600 {path}")
    if status.st_uid not in {0, os.geteuid()}:
        raise ConfigError(
            "profiles", f"{path} is refused: it belongs to another user", hint=f"chown {os.geteuid()} {path}"
        )
