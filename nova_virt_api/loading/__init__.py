"""Finding drivers by entry point: list them without importing any, load the one that was asked for."""

from nova_virt_api.loading.listing import InstalledDriver, list_drivers
from nova_virt_api.loading.load import LoadedDriver, load_driver

__all__ = ["InstalledDriver", "LoadedDriver", "list_drivers", "load_driver"]
