"""Slots for PCI Express cards."""

from collections.abc import Iterator, Sequence
from typing import Final

from lxml import etree
from lxml.builder import E

SPARE_PORTS: Final = 8
"""Free slots of a new guest; libvirt itself would leave it one. A slot costs nothing that could be measured."""

CARDS: Final = frozenset({"interface", "controller", "channel", "input", "memballoon", "memory", "rng", "watchdog"})
"""Devices that have a slot each; for the only channel and the only input libvirt adds a controller that has one."""


def port_elements(devices: Sequence[etree._Element], spare: int | None = None) -> Iterator[etree._Element]:
    """Root ports for a guest's devices and some more: a running guest gets cards only where there are slots.

    Args:
        devices: the guest's other devices.
        spare: how many more; None for as many as suits most guests.
    """
    yield E.controller(type="pci", index="0", model="pcie-root")
    cards = sum(device.tag in CARDS or device.find("target[@bus='virtio']") is not None for device in devices)
    for _ in range(cards + (SPARE_PORTS if spare is None else spare)):
        yield E.controller(type="pci", model="pcie-root-port")
