"""What a guest's mark says of its checkpoints."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Final

from nova_virt_api.errors import InvalidSpec, StorageError
from nova_virt_api.model.checkpoint import CheckpointInfo
from nova_virt_api.model.instance import PowerState
from nova_virt_libvirt.metadata import Mark

ROLE: Final = "checkpoint"
"""The name that the notes stand under."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """One checkpoint.

    Args:
        id: part of the names of what was made for it.
        name: what users call it.
        description: what they say of it.
        created: seconds since the epoch.
        power_state: the guest's state when it was taken.
        parent: id of the checkpoint that the guest had come from.
        layers: for each disk, by its target, the path of the volume with the content of then.
        memory: path of the volume with the memory; None for none.
    """

    id: str
    name: str
    description: str
    created: float
    power_state: PowerState
    parent: str | None
    layers: Mapping[str, str]
    memory: str | None = None

    def replaces(self, old: str, new: str) -> Point:
        """The same with one volume in another's place."""
        return replace(self, layers={target: new if path == old else path for target, path in self.layers.items()})

    def paths(self) -> set[str]:
        """Every volume that it is made of."""
        return {*self.layers.values(), *([self.memory] if self.memory else [])}


@dataclass(frozen=True, slots=True)
class Joining:
    """A merge that was begun: what ``upper`` holds goes down into ``lower``.

    Args:
        upper: path of the volume that goes.
        lower: path of the volume that gets its content.
        above: path of the volume that lay on the upper one, and will lie on the lower one; None for none.
    """

    upper: str
    lower: str
    above: str | None


@dataclass(frozen=True, slots=True)
class Tree:
    """All checkpoints of one guest.

    Args:
        points: in the order in which they were taken.
        current: id of the one that the guest comes from.
        joining: the merge that may be under way.
    """

    points: tuple[Point, ...] = ()
    current: str | None = None
    joining: Joining | None = None

    # --- asking ---------------------------------------------------------------------------------------------------

    def named(self, name: str) -> Point | None:
        """The checkpoint of this name; None if there is none."""
        return next((point for point in self.points if point.name == name), None)

    def require(self, name: str) -> Point:
        """The checkpoint of this name.

        Raises:
            InvalidSpec: there is none.
        """
        point = self.named(name)
        if point is None:
            names = ", ".join(other.name for other in self.points)
            raise InvalidSpec("name", name, f"one of: {names}" if names else "none: the guest has no checkpoint")
        return point

    def family(self, point: Point) -> set[str]:
        """The ids of a checkpoint and all that came from it."""
        found = {point.id}
        for other in self.points:  # parents come before their children
            if other.parent in found:
                found.add(other.id)
        return found

    def kept(self) -> set[str]:
        """Every volume that a checkpoint is made of."""
        return set().union(*(point.paths() for point in self.points))

    def infos(self) -> list[CheckpointInfo]:
        """As users see them, each after its parent."""
        names = {point.id: point.name for point in self.points}
        return [
            CheckpointInfo(
                name=point.name,
                native_id=point.id,
                created_at=point.created,
                description=point.description,
                has_memory=point.memory is not None,
                power_state=point.power_state,
                parent=None if point.parent is None else names[point.parent],
                is_current=point.id == self.current,
            )
            for point in self._below(None)
        ]

    def _below(self, parent: str | None) -> Iterator[Point]:
        for point in self.points:
            if point.parent == parent:
                yield point
                yield from self._below(point.id)

    # --- changing -------------------------------------------------------------------------------------------------

    def grown(self, point: Point) -> Tree:
        """With one more, from which the guest comes from now on."""
        return replace(self, points=(*self.points, point), current=point.id)

    def without(self, ids: Collection[str]) -> Tree:
        """Without these; what came from them comes from their parents."""
        parents = {point.id: point.parent for point in self.points}

        def heir(id: str | None) -> str | None:
            while id is not None and id in ids:
                id = parents[id]
            return id

        left = (replace(point, parent=heir(point.parent)) for point in self.points if point.id not in ids)
        return replace(self, points=tuple(left), current=heir(self.current))

    def joined(self) -> Tree:
        """After the merge that was begun has ended: what was kept of the upper volume is in the lower one."""
        if self.joining is None:
            return self
        upper, lower = self.joining.upper, self.joining.lower
        return replace(self, points=tuple(point.replaces(upper, lower) for point in self.points), joining=None)

    # --- as text --------------------------------------------------------------------------------------------------

    def encode(self) -> str:
        """As text for the mark."""
        points = [asdict(point) | {"power_state": point.power_state.value} for point in self.points]
        joining = None if self.joining is None else asdict(self.joining)
        return json.dumps({"points": points, "current": self.current, "joining": joining})

    @classmethod
    def decode(cls, text: str) -> Tree:
        """Read :meth:`encode`'s text back.

        Raises:
            StorageError: somebody has changed it.
        """
        try:
            said: dict[str, Any] = json.loads(text)
            return cls(
                points=tuple(
                    Point(**{**point, "power_state": PowerState(point["power_state"])}) for point in said["points"]
                ),
                current=said["current"],
                joining=None if said["joining"] is None else Joining(**said["joining"]),
            )
        except (ValueError, TypeError, KeyError) as error:
            raise StorageError(
                "what the guest's metadata says of its checkpoints cannot be read",
                hint="somebody changed it by other means; restore the element nv:note of the role 'checkpoint'",
            ) from error


def tree_of(mark: Mark | None) -> Tree:
    """The checkpoints that a mark tells of."""
    text = None if mark is None else mark.notes.get(ROLE)
    return Tree() if text is None else Tree.decode(text)


def with_tree(mark: Mark, tree: Tree) -> Mark:
    """The mark that tells of these checkpoints instead."""
    return mark.noting(ROLE, None if tree == Tree() else tree.encode())
