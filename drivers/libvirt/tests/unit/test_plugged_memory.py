"""Ceilings of a guest's memory that no whole number of pieces reaches."""

from typing import Any
from uuid import uuid4

import pytest
from lxml import etree
from lxml.builder import E

from nova_virt_api.model.spec import InstanceSpec
from nova_virt_api.model.units import MiB
from nova_virt_libvirt.definition import size_of
from nova_virt_libvirt.machine.plugged_memory import ceiling_elements, device_elements, plugged_memory
from nova_virt_libvirt.resize.definition import set_memory


def definition(most: int) -> Any:
    """What a guest of 64 MiB is made from, that can be given so much."""
    spec = InstanceSpec(uuid=uuid4(), name="web", memory_bytes=MiB(64), max_memory_bytes=most)
    devices: list[Any] = list(device_elements(spec))
    size = sum(size_of(device.find("target/size")) for device in devices)
    memory = E.memory(str((spec.memory_bytes + size) // 1024), unit="KiB")
    return E.domain(memory, *ceiling_elements(spec), E.devices(*devices))


@pytest.mark.parametrize(("more", "reached"), [(0, 0), (1, 0), (2, 2), (3, 2), (5, 4)])
def test_no_guest_is_given_more_than_its_ceiling(more: int, reached: int) -> None:
    domain = definition(MiB(64 + more))
    found = plugged_memory(domain)
    assert (0 if found is None else found.size_bytes) == MiB(reached)
    assert size_of(domain.find("maxMemory")) == size_of(domain.find("memory")) == MiB(64 + reached)


@pytest.mark.parametrize(("size", "reached"), [(63, 79), (65, 79), (66, 80), (79, 79), (90, 90)])
def test_nor_after_a_resize(size: int, reached: int) -> None:
    domain: Any = etree.fromstring(etree.tostring(definition(MiB(80))))
    set_memory(domain, MiB(size))
    assert size_of(domain.find("memory")) == MiB(reached)
