"""The text by which a driver says how to install what it needs, e.g. the packages that its SDK is compiled with.

A driver's distribution may name one in its metadata: an entry point of the driver's name in the group
``nova_virt_api.install_hints.v1`` that leads to a text in a module which imports without the SDK::

    nova_virt_api.install_hints.v1 =
        libvirt = nova_virt_libvirt.install_hint:INSTALL_HINT
"""

import logging
from importlib import metadata
from typing import Final

from nova_virt_api.loading.offer import HINT_GROUP, Offer

LOG: Final = logging.getLogger(__name__)


def install_hint(offer: Offer) -> str:
    """The hint of an offered driver in one line; empty if it has none."""
    for entry_point in offer.source.entry_points:
        if entry_point.group == HINT_GROUP and entry_point.name == offer.name:
            return text_of(entry_point)
    return ""


def text_of(entry_point: metadata.EntryPoint) -> str:
    """The text behind an entry point; a hint that cannot be had must not hide the error it belongs to."""
    try:
        text = entry_point.load()
    except Exception as error:  # noqa: BLE001 - any code of the driver's may run here
        LOG.warning("the install hint %s cannot be read: %s", entry_point.value, error)
        return ""
    return " ".join(text.split()) if isinstance(text, str) else ""
