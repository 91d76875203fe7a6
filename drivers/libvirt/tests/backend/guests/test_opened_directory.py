"""Directories that are pools for a moment: nobody else's pool is touched, and nobody takes them for places."""

import uuid
from pathlib import Path
from typing import Any

import pytest

from nova_virt_api.errors import InvalidSpec
from nova_virt_libvirt.names import opened_directory_name
from nova_virt_libvirt.places import Places
from nova_virt_libvirt.storage import opened_directory


def test_users_pool_stays_whatever_it_is_called(make_pool: Any, native: Any, tmp_path: Path) -> None:
    theirs = make_pool(f"{uuid.uuid4()}.theirs", str(tmp_path))
    try:
        with opened_directory.opened_directory(native, uuid.uuid4(), str(tmp_path)) as pool:
            assert pool is not None
            assert pool.name == theirs.name()
        assert theirs.isActive()
    finally:
        theirs.destroy()


def test_directory_that_is_open_is_no_place(make_pool: Any, native: Any, tmp_path: Path) -> None:
    name = opened_directory_name(uuid.uuid4())
    hidden = make_pool(name, str(tmp_path))
    try:
        with pytest.raises(InvalidSpec, match="nova-virt") as caught:
            Places(native, "nova-virt").pool("pool", name)
        assert name not in caught.value.allowed
    finally:
        hidden.destroy()
