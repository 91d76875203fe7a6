"""Versions of this distribution and of the driver API that it carries."""

from typing import Final

__version__ = "1.0.0"

API_VERSION: Final = (1, 0)
"""Major and minor of the driver API. The major names the entry-point group; a minor only adds."""

PROVISIONAL: Final = True
"""True until four drivers and the Nova bridge have shown the contract right; until then it may move."""

DRIVER_GROUP: Final = f"nova_virt_api.drivers.v{API_VERSION[0]}"
"""Entry-point group in which drivers of this major are found."""
