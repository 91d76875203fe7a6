"""Copies of Glance's images where guests are made."""

from __future__ import annotations

from typing import Any

import nova.conf

from nova_virt_bridge import glance
from nova_virt_bridge.disks import image_source
from nova_virt_bridge.errors import HOST, nova_errors
from nova_virt_bridge.site import Bridged

CONF = nova.conf.CONF


class ImageCache(Bridged):
    """Nova's methods about cached images."""

    def cache_image(self, context: Any, image_id: str) -> bool:
        """Nova wants to know whether the image was fetched; False for one that was there."""
        with nova_errors(HOST), glance.lent(context, image_id):
            before = set(self.compute.cached_images())
            source = image_source(image_id, self.compute.capabilities())
            copy = self.compute.prefetch_image(source, pool=CONF.nova_virt.pool, timeout=self.site.spawn_timeout)
            return copy.id not in {one.id for one in before if one.pool == copy.pool}

    def manage_image_cache(self, context: Any, all_instances: Any) -> None:
        """Which images are in use, the endpoint knows itself."""
        if CONF.image_cache.remove_unused_base_images:
            age = CONF.image_cache.remove_unused_original_minimum_age_seconds
            with nova_errors(HOST):
                self.compute.prune_images(older_than_seconds=float(age), timeout=self.site.spawn_timeout)
