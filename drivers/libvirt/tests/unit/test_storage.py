"""A storage pool in which somebody fills a volume."""

from typing import Any

import libvirt
import pytest

from nova_virt_api.compute.operation import DriverSide, Operation
from nova_virt_api.errors import Timeout
from nova_virt_libvirt.storage import pools as storage
from nova_virt_libvirt.storage.pools import Pool


class Filling:
    """Stands for a ``virStoragePool`` that refuses to be refreshed so many times."""

    def __init__(self, times: int) -> None:
        self.left = times

    def name(self) -> str:
        return "images"

    def refresh(self, _flags: int) -> None:
        if self.left:
            self.left -= 1
            raise libvirt.libvirtError("internal error: pool 'images' has asynchronous jobs running.")


def side(seconds: float) -> DriverSide:
    """What a verb gets that has so many seconds' time."""
    operation: Operation[Any] = Operation("delete_checkpoint", None, timeout=seconds)
    operation.begin()
    return DriverSide(operation)


def test_a_verb_waits_until_it_is_filled(monkeypatch: pytest.MonkeyPatch) -> None:
    """Longer than those wait who have no deadline."""
    monkeypatch.setattr(storage, "PATIENCE", 0.0)
    native: Any = Filling(3)
    Pool(libvirt, native).refresh(side(60))
    assert native.left == 0


def test_a_verb_waits_no_longer_than_its_deadline() -> None:
    native: Any = Filling(10**6)
    with pytest.raises(Timeout):
        Pool(libvirt, native).refresh(side(0.05))
