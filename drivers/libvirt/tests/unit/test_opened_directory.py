"""Whose turn it is with a directory that libvirt makes only one pool of."""

import uuid
from types import SimpleNamespace
from typing import Any

import libvirt
import pytest

from nova_virt_libvirt.foreign import is_base
from nova_virt_libvirt.host.doctor import pool_check
from nova_virt_libvirt.names import opened_directory_name
from nova_virt_libvirt.storage import opened_directory
from nova_virt_libvirt.storage.opened_directory import opened

GUEST, ANOTHER = uuid.uuid4(), uuid.uuid4()


def failure(code: int) -> libvirt.libvirtError:
    """An error of libvirt's."""
    error = libvirt.libvirtError("no")
    error.err = (code, 0, "no", 2, None, None, None, 0, 0)
    return error


class OnePool:
    """A pool that is closed once it was looked at so often, or by somebody."""

    def __init__(self, name: str, looks: int) -> None:
        self._name = name
        self.looks = looks
        self.destroyed = False

    def name(self) -> str:
        return self._name

    def isActive(self) -> int:  # noqa: N802
        self.looks -= 1
        if self.looks < 0:
            raise failure(libvirt.VIR_ERR_NO_STORAGE_POOL)
        return 1

    def destroy(self) -> None:
        self.looks, self.destroyed = -1, True


class Host:
    """A libvirt whose directory is one pool after another."""

    def __init__(self, *pools: OnePool, unseen: int = 0, code: int = libvirt.VIR_ERR_OPERATION_FAILED) -> None:
        self.pools = list(pools)
        self.unseen = unseen
        self.code = code
        self.asked = 0

    def storagePoolCreateXML(self, _: str, __: int) -> OnePool:  # noqa: N802
        """Make one, unless there is one."""
        self.asked += 1
        self.pools = [pool for pool in self.pools if pool.looks >= 0]
        if self.pools or self.unseen:
            raise failure(self.code)
        return OnePool(opened_directory_name(GUEST), 1)

    def storagePoolLookupByTargetPath(self, _: str) -> OnePool:  # noqa: N802
        """The one that there is; one that was closed right now is not found."""
        if self.unseen:
            self.unseen -= 1
            raise failure(libvirt.VIR_ERR_NO_STORAGE_POOL)
        return self.pools[0]


def open_now(host: Any) -> Any:
    return opened(host, GUEST, "/nvram")


def test_pool_that_is_closed_before_it_is_found() -> None:
    host = Host(unseen=2)
    assert open_now(host).name() == opened_directory_name(GUEST)
    assert host.asked == 3


def test_directory_that_cannot_be_a_pool_is_told_at_once() -> None:
    host = Host(unseen=2, code=libvirt.VIR_ERR_ACCESS_DENIED)
    with pytest.raises(libvirt.libvirtError) as caught:
        open_now(host)
    assert caught.value.get_error_code() == libvirt.VIR_ERR_ACCESS_DENIED
    assert host.asked == 1


def test_living_holders_are_waited_for_one_after_another(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also those that one guest opens in turns: together they take longer than one may."""
    monkeypatch.setattr(opened_directory, "PATIENCE", 0.1)
    holders = [OnePool(opened_directory_name(ANOTHER), 1) for _ in range(12)]
    assert open_now(Host(*holders)).name() == opened_directory_name(GUEST)
    assert not any(holder.destroyed for holder in holders)


def test_holder_that_is_gone_is_not_waited_for_longer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(opened_directory, "PATIENCE", 0.1)
    gone = OnePool(opened_directory_name(ANOTHER), 1000)
    assert open_now(Host(gone)).name() == opened_directory_name(GUEST)
    assert gone.destroyed


def test_users_pool_is_taken_as_it_is() -> None:
    theirs = OnePool(f"{ANOTHER}.theirs", 1000)
    assert open_now(Host(theirs)) is theirs


def test_base_is_not_looked_for_in_an_open_directory() -> None:
    """It may be closed at any moment."""
    host = SimpleNamespace(listAllStoragePools=lambda _: [OnePool(opened_directory_name(ANOTHER), 1)])
    volume: Any = SimpleNamespace(path=lambda: "/base", connect=lambda: host)
    assert not is_base(volume)


def test_host_with_nothing_but_an_open_directory_has_no_pool() -> None:
    host = SimpleNamespace(listStoragePools=lambda: [opened_directory_name(ANOTHER)], listDefinedStoragePools=list)
    assert pool_check(host, None).found == "there is none"
