"""Where a guest's memory is, and how it is kept from the host."""

from collections.abc import Iterator
from typing import Final

from lxml import etree
from lxml.builder import E

from nova_virt_api.model.memory import MemoryBacking, MemoryEncryption

SEV_POLICY: Final = {MemoryEncryption.SEV: 0x0003, MemoryEncryption.SEV_ES: 0x0007}
"""No debugging (bit 0) and no key that is shared with other guests (bit 1); bit 2 encrypts the registers, too."""

VIRTIO_CARDS: Final = (
    "devices/disk/target[@bus='virtio']/..",
    "devices/interface/model[@type='virtio']/..",
    "devices/controller[@type='scsi']",
    "devices/controller[@type='virtio-serial']",
    "devices/memballoon[@model='virtio']",
    "devices/rng[@model='virtio']",
)


def backing_elements(backing: MemoryBacking | None) -> Iterator[etree._Element]:
    """What the memory is made of; nothing where that is the endpoint's choice."""
    if backing is None:
        return
    element = E.memoryBacking()
    if backing.page_bytes is not None:
        element.append(E.hugepages(E.page(size=str(backing.page_bytes // 1024), unit="KiB")))
    if backing.locked or backing.encryption is not None:
        element.append(E.locked())
    if backing.file_backed or backing.shared:
        element.append(E.source(type="file" if backing.file_backed else "memfd"))
        element.append(E.access(mode="shared"))
    if backing.file_backed:
        element.append(E.discard())  # or the file would be written back to the disk when the guest ends
    if len(element):
        yield element


def encrypt(domain: etree._Element, encryption: MemoryEncryption) -> None:
    """Encrypt a new guest's memory: its virtio devices must then go through an IOMMU to reach it.

    Libvirt (8.4) finds out itself how the host's processor does it.
    """
    for path in VIRTIO_CARDS:
        for card in domain.xpath(path):
            driver = card.find("driver")
            if driver is None:
                driver = etree.SubElement(card, "driver")
            driver.set("iommu", "on")
    domain.append(E.launchSecurity(E.policy(f"{SEV_POLICY[encryption]:#06x}"), type="sev"))
