"""One measured figure beside its bound."""

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """What was measured.

    Args:
        name: what it is.
        value: the figure, in ``unit``.
        unit: e.g. ``x`` for a ratio, ``us`` or ``ms``.
        bound: what it shall not exceed; None for figures that are only shown.
        detail: the times behind a ratio.
    """

    name: str
    value: float
    unit: str = "x"
    bound: float | None = None
    detail: str = ""

    @property
    def kept(self) -> bool:
        """Whether it is within its bound."""
        return self.bound is None or self.value <= self.bound


def median_seconds(call: Callable[[], object], *, repeat: int = 7, inner: int = 1) -> float:
    """The median of several timings of a call, each of ``inner`` calls in a row, per call."""
    timings = []
    for _ in range(repeat):
        began = time.perf_counter()
        for _ in range(inner):
            call()
        timings.append((time.perf_counter() - began) / inner)
    return statistics.median(timings)


def interleaved_seconds(*calls: Callable[[], object], repeat: int = 7) -> list[float]:
    """The median timing of each call; they take turns, so that a noisy moment hits all of them."""
    timings: list[list[float]] = [[] for _ in calls]
    for _ in range(repeat):
        for mine, call in zip(timings, calls, strict=True):
            began = time.perf_counter()
            call()
            mine.append(time.perf_counter() - began)
    return [statistics.median(mine) for mine in timings]
