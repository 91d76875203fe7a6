"""Copies of Glance's images at the endpoint."""

from typing import Any

import nova.conf
import pytest

import nova_virt_api as virt

CONF = nova.conf.CONF


def test_an_image_is_fetched_once(driver: Any, images: Any, request_context: Any) -> None:
    assert driver.capabilities["has_imagecache"]
    images.add("new", b"an image".ljust(65536, b"\0"), disk_format="raw")
    assert driver.cache_image(request_context, "new") is True
    assert driver.cache_image(request_context, "new") is False
    assert len(driver.compute.cached_images()) == 1


def test_images_that_are_old_and_not_used_are_removed(driver: Any, images: Any, request_context: Any) -> None:
    images.add("new", b"an image".ljust(65536, b"\0"), disk_format="raw")
    driver.cache_image(request_context, "new")
    driver.manage_image_cache(request_context, [])
    assert len(driver.compute.cached_images()) == 1
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(CONF, "image_cache", Settings(remove=False))
        driver.manage_image_cache(request_context, [])
        assert len(driver.compute.cached_images()) == 1
        patch.setattr(CONF, "image_cache", Settings(remove=True))
        driver.manage_image_cache(request_context, [])
    assert not driver.compute.cached_images()


class Settings:
    """Nova's settings for image caches, with no age asked for."""

    remove_unused_original_minimum_age_seconds = 0

    def __init__(self, *, remove: bool) -> None:
        self.remove_unused_base_images = remove


def test_an_endpoint_without_copies_says_so(driver: Any, switches: Any) -> None:
    switches.withdraw(virt.Capability.IMAGE_CACHE, "no copies here")
    assert not driver.capabilities["has_imagecache"]
