"""The worlds of this process: named ones are shared by connections, the others belong to one connection each."""

import threading
from pathlib import Path
from typing import Final

from nova_virt_api.errors import ConfigError
from nova_virt_api.fake.shape import Shape
from nova_virt_api.fake.world import World

NAMED: Final[dict[str, World]] = {}
"""Named worlds in memory; they stay until :func:`forget`."""

KEPT: Final[dict[Path, tuple[World, int]]] = {}
"""Worlds kept in a file, each with the number of connections that look at it."""

LOCK: Final = threading.Lock()


def enter(name: str | None, shape: Shape, path: Path | None) -> World:
    """The world that a connection opens.

    Args:
        name: its name; None for one that nobody else sees.
        shape: its sizes and places.
        path: the file that it is kept in; None for a world in memory.

    Raises:
        ConfigError: the world is there and has another shape.
        Unavailable: the file cannot be read or is not a world.
    """
    with LOCK:
        if path is not None:
            return enter_kept(path, shape)
        if name is None:
            return World("private", shape)
        world = NAMED.setdefault(name, World(name, shape))
        check_shape(world, shape)
        return world


def enter_kept(path: Path, shape: Shape) -> World:
    """The world that is kept in this file."""
    from nova_virt_api.fake.persist import FileStore  # the encoder is not needed by worlds in memory

    world, connections = KEPT.get(path, (None, 0))
    if world is None:
        world = World(path.stem, shape, FileStore(path, shape.images), key=str(path))
    check_shape(world, shape)
    KEPT[path] = (world, connections + 1)
    return world


def leave(world: World) -> None:
    """A connection to this world was closed."""
    with LOCK:
        if world in NAMED.values():
            return
        for path, (kept, connections) in list(KEPT.items()):
            if kept is world and connections > 1:
                KEPT[path] = (world, connections - 1)
                return
            if kept is world:
                del KEPT[path]
    world.end()


def forget(name: str) -> None:
    """Let a named world go; the next connection that names it finds it empty."""
    with LOCK:
        world = NAMED.pop(name, None)
    if world is not None:
        world.end()


def check_shape(world: World, shape: Shape) -> None:
    """Refuse a connection whose options describe another world than the one that is there."""
    if world.shape != shape:
        hint = "give all of its connections the same options"
        raise ConfigError("world", f"the world {world.name!r} is open with other sizes or places", hint=hint)
