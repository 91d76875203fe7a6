"""One run at a time for an owner on an endpoint: two would remove each other's guests."""

from __future__ import annotations

import hashlib
import json
from contextlib import contextmanager
from typing import TYPE_CHECKING

from nova_virt_api.config.directories import state_dir
from nova_virt_api.errors import Busy
from nova_virt_api.images.lock import FileLock
from nova_virt_api.loading import load_driver

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nova_virt_conformance.target import Target


@contextmanager
def only_run_on(target: Target) -> Iterator[None]:
    """Keep other runs of this user on this machine from the target meanwhile. Runs elsewhere are not seen.

    Raises:
        Busy: another run is under way.
    """
    folder = state_dir()
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    lock = FileLock(folder / f"conformance-{identity(target)}.lock")
    if not lock.try_acquire():
        raise Busy(
            f"another run of the kit is under way here with the owner {target.owner!r}",
            "another process",
            hint="wait for its end, or give the target an owner of its own",
        )
    try:
        yield
    finally:
        lock.release()


def identity(target: Target) -> str:
    """What tells targets apart: driver, owner, and the options that are not secret."""
    secret = {option.dest for option in load_driver(target.driver).driver_class.options() if option.secret}
    options = {name: str(value) for name, value in target.options.items() if name not in secret}
    said = json.dumps([target.driver, target.owner, options], sort_keys=True)
    return hashlib.sha256(said.encode()).hexdigest()[:16]
