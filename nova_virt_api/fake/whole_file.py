"""Files that are there whole or not at all."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import IO
from uuid import uuid4


def replace_file(path: Path, write: Callable[[IO[bytes]], object], draft: Path | None = None) -> int:
    """Put a new file, readable by its owner only, in a file's place in one step; returns its size.

    Args:
        path: the file.
        write: writes its content.
        draft: where it is written first, for callers that are the only ones to write there: what a killed process left
            is overwritten. None takes a name that nobody else has.

    Raises:
        OSError: it cannot be written; what was there is there still.
    """
    new = os.O_EXCL if draft is None else os.O_TRUNC
    draft = draft or path.with_name(f".{path.name[:200]}.{uuid4().hex}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | new, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            write(file)
            file.flush()
            size = os.fstat(file.fileno()).st_size
        draft.replace(path)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise
    return size
