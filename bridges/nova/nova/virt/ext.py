"""Drivers of nova-virt-api under the names by which Nova looks for them, e.g. ``compute_driver = ext.libvirt``."""

from typing import Any


def __getattr__(name: str) -> Any:
    from nova_virt_bridge.shim import driver_class

    return driver_class(name)
