"""Keep a world in a file that several processes share."""

import fcntl
import os
from pathlib import Path
from typing import IO, Any, Final

import msgspec

from nova_virt_api.errors import StorageError, Unavailable
from nova_virt_api.fake.guest import Guest, Image, Port, Volume
from nova_virt_api.fake.reserved import Reserved
from nova_virt_api.fake.state import State
from nova_virt_api.fake.whole_file import replace_file
from nova_virt_api.model.labels import Labels
from nova_virt_api.model.record import Record

VERSION: Final = 1
NEVER: Final[tuple[int, ...]] = (-1,)
"""Identity of a file that was not looked at."""

MISSING: Final[tuple[int, ...]] = ()
"""Identity of a file that is not there."""


class Contents(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """What the file holds."""

    version: int
    next_guest: int
    next_port: int
    guests: list[Guest]
    records: list[Record]
    volumes: list[Volume]
    ports: list[Port]
    images: list[Image]
    maintenance: dict[str, str] = {}
    reserved: list[Reserved] = []


class FileStore:
    """A JSON file, replaced in one step, and beside it a file that is locked while it changes. Mode 0600.

    The file that was read last is kept open: as long as it is, no newer one can have its inode number, so that a look
    at the number says whether there is a newer one.

    Args:
        path: the file; its directory is made, with mode 0700, if it is not there, and so is that one's.
        images: what a new world has.
    """

    def __init__(self, path: Path, images: tuple[str, ...]) -> None:
        self._path = path
        self._images = images
        self._read: IO[bytes] | None = None
        self._seen = NEVER
        self._lock = -1
        try:
            for directory in (path.parent.parent, path.parent):
                directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise Unavailable(f"cannot make {path.parent}: {error.strerror}", hint="set another state_dir") from error

    def lock(self) -> None:
        """Keep other processes from changing the file."""
        try:
            self._lock = os.open(self._path.with_suffix(".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            fcntl.flock(self._lock, fcntl.LOCK_EX)
        except OSError as error:
            raise Unavailable(f"cannot lock {self._path}: {error.strerror}", hint="set another state_dir") from error

    def unlock(self) -> None:
        """Let other processes change the file again."""
        descriptor, self._lock = self._lock, -1
        if descriptor >= 0:
            os.close(descriptor)

    def refresh(self, state: State) -> State:
        """The state in the file if that is newer, otherwise the one given.

        Raises:
            Unavailable: the file cannot be read, or is not a world.
        """
        try:
            if identity(self._path.stat()) == self._seen:
                return state
            text = self._open().read()
        except FileNotFoundError:
            if self._seen == MISSING:
                return state
            self._seen = MISSING
            return State(self._images)
        except OSError as error:
            raise Unavailable(f"cannot read {self._path}: {error.strerror}", hint="set another state_dir") from error
        return self._load(text)

    def save(self, state: State) -> None:
        """Replace the file.

        Raises:
            StorageError: it cannot be written; the world stays as the file has it.
        """
        text = msgspec.json.format(msgspec.json.encode(pack(state), enc_hook=encode), indent=1)
        try:
            replace_file(self._path, lambda file: file.write(text), self._path.with_suffix(".new"))
            self._open()
        except OSError as error:
            self._seen = NEVER  # what is in memory was not stored: the next look reads the file
            raise StorageError(f"cannot write {self._path}: {error.strerror}", hint="make room there") from error

    def close(self) -> None:
        """Let the file go. Idempotent."""
        self._seen = NEVER
        if self._read is not None:
            self._read.close()

    def _open(self) -> IO[bytes]:
        file = self._path.open("rb")
        self.close()
        self._read, self._seen = file, identity(os.fstat(file.fileno()))
        return file

    def _load(self, text: bytes) -> State:
        self._seen, seen = NEVER, self._seen
        hint = "remove the file; the guests in it are lost"
        try:
            contents = msgspec.json.decode(text, type=Contents, dec_hook=decode)
        except ValueError as error:
            raise Unavailable(f"{self._path} does not hold a fake world: {error}", hint=hint) from error
        if contents.version != VERSION:
            raise Unavailable(f"{self._path} is of version {contents.version}, not {VERSION}", hint=hint)
        self._seen = seen
        return unpack(contents)


def identity(status: os.stat_result) -> tuple[int, ...]:
    """What tells a file from the one that replaced it, or from itself after somebody edited it."""
    return status.st_dev, status.st_ino, status.st_mtime_ns, status.st_size


def pack(state: State) -> Contents:
    """A state as the file holds it."""
    return Contents(
        version=VERSION,
        next_guest=state.next_guest,
        next_port=state.next_port,
        guests=list(state.guests.values()),
        records=list(state.records.values()),
        volumes=list(state.volumes.values()),
        ports=list(state.ports.values()),
        images=list(state.images.values()),
        maintenance=dict(state.maintenance),
        reserved=list(state.reserved.values()),
    )


def unpack(contents: Contents) -> State:
    """The state that a file holds."""
    state = State()
    state.next_guest, state.next_port = contents.next_guest, contents.next_port
    state.maintenance.update(contents.maintenance)
    for record in contents.records:
        state.put_record(record)
    for volume in contents.volumes:
        state.put_volume(volume)
    for port in contents.ports:
        state.put_port(port)
    for image in contents.images:
        state.put_image(image)
    for guest in contents.guests:
        state.put(guest)
    for reserved in contents.reserved:
        state.reserve(reserved)
    state.touched.clear()
    return state


def encode(value: Any) -> Any:
    """What msgspec does not know as JSON."""
    if isinstance(value, Labels):
        return dict(value)
    raise NotImplementedError(type(value))


def decode(kind: type, value: Any) -> Any:
    """What msgspec does not know from JSON."""
    if kind is Labels:
        return Labels(value)
    raise NotImplementedError(kind)
