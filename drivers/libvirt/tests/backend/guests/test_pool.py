"""A pool that others change at the same time."""

import threading
from typing import Any

import pytest

from nova_virt_api.model.image import ImageFormat
from nova_virt_libvirt.places import Places
from nova_virt_libvirt.storage.pools import Pool

STABLE = [f"stays-{number}" for number in range(8)]
LOOKS = 400


@pytest.fixture
def pool(native: Any) -> Any:
    pool = Places(native, "nova-virt").records_pool()
    yield pool
    for name in pool.names():
        if name.startswith(("stays-", "passes-")):
            pool.remove(name)


def test_what_stays_is_in_every_listing(pool: Pool, raw: Any) -> None:
    """Whoever removes a guest's volumes goes by a listing: one that is left out would be left behind."""
    for name in STABLE:
        pool.create(name, 1024, ImageFormat.RAW)
    over = threading.Event()

    def change(number: int) -> None:
        other = Pool(raw(), raw().storagePoolLookupByName(pool.name))
        while not over.is_set():
            other.create(f"passes-{number}", 1024, ImageFormat.RAW)
            other.remove(f"passes-{number}")

    threads = [threading.Thread(target=change, args=[number]) for number in range(2)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(LOOKS):
            assert set(STABLE) <= set(pool.names())
    finally:
        over.set()
        for thread in threads:
            thread.join()
