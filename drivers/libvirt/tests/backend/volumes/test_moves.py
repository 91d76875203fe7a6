"""Guests with volumes stay where they are: they are told so before anything is changed."""

from typing import Any

import pytest

from nova_virt_api.capability import Feature
from nova_virt_api.errors import NotSupported
from nova_virt_api.model.instance import Lifecycle
from nova_virt_api.model.size import Size


def test_a_cold_move_is_refused_before_it_begins(files: Any, spawn: Any, driver: Any, run: Any) -> None:
    volume = files.volume()
    guest = spawn(power_on=False, volumes=[volume]).ref
    with pytest.raises(NotSupported, match=volume.id) as caught:
        run(driver.prepare_resize, guest, Size(vcpus=2))
    assert caught.value.capability is Feature.COLD_MIGRATION
    assert driver.domains.find(guest).lifecycle is Lifecycle.READY
    run(driver.detach_volume, guest, volume.id)
    run(driver.prepare_resize, guest, Size(vcpus=2))
