"""Starts are spread over connections, none of which gets so many that libvirtd takes it for dead."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from nova_virt_libvirt.starts import AT_ONCE, Starts


class Native:
    """A connection and its one guest; each start takes until all are let go on."""

    def __init__(self, goes_on: threading.Event) -> None:
        self.native = self
        self.under_way: list[None] = []
        self._goes_on = goes_on

    def lookupByUUID(self, _: bytes) -> Any:  # noqa: N802 - libvirt's name
        return self

    def UUID(self) -> bytes:  # noqa: N802 - libvirt's name
        return b""

    def create(self) -> None:
        self.under_way.append(None)
        assert self._goes_on.wait(30)
        self.under_way.pop()


def wait_until_under_way(connections: list[Native], wanted: list[int]) -> None:
    end = time.monotonic() + 20
    while (found := [len(one.under_way) for one in connections]) != wanted:
        assert time.monotonic() < end, f"{found} are under way, not {wanted}"
        time.sleep(0.01)


def test_connections_are_filled_one_after_the_other_and_not_beyond() -> None:
    goes_on = threading.Event()
    connections = [Native(goes_on) for _ in range(3)]
    starts, guest = Starts(connections), connections[0]  # type: ignore[arg-type]
    with ThreadPoolExecutor(3 * AT_ONCE + 1) as threads:
        asked = [threads.submit(starts.start, guest) for _ in range(AT_ONCE + 1)]
        wait_until_under_way(connections, [AT_ONCE, 1, 0])
        asked += [threads.submit(starts.start, guest) for _ in range(2 * AT_ONCE)]
        wait_until_under_way(connections, [AT_ONCE] * 3)
        time.sleep(0.1)  # in which the last one could go beyond
        wait_until_under_way(connections, [AT_ONCE] * 3)
        goes_on.set()
        for one in asked:
            one.result()
