"""Virtual CPUs that a guest can be given while it runs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from lxml.builder import E

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lxml import etree

    from nova_virt_api.model.spec import InstanceSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class Vcpus:
    """What a definition says of virtual CPUs.

    Args:
        count: how many there are.
        least: how many cannot be taken away.
        most: how many there can be.
    """

    count: int
    least: int
    most: int


def vcpus_of(definition: etree._Element) -> Vcpus:
    """The virtual CPUs of a guest."""
    vcpu = definition.find("vcpu")
    most = 1 if vcpu is None else int(vcpu.text or 1)
    count = most if vcpu is None else int(vcpu.get("current") or most)
    fixed = len(definition.findall("vcpus/vcpu[@enabled='yes'][@hotpluggable='no']"))
    listed = definition.find("vcpus") is not None
    return Vcpus(count=count, least=fixed if listed else count, most=most)


def vcpus_elements(spec: InstanceSpec) -> Iterator[etree._Element]:
    """Which virtual CPUs there are, if there can be more; all but the first can be taken away."""
    if spec.max_vcpus is not None:
        yield vcpus_element(spec.vcpus, spec.max_vcpus)


def vcpus_element(count: int, most: int) -> etree._Element:
    """So many of so many."""
    return E.vcpus(
        *(
            E.vcpu(id=str(number), enabled="yes" if number < count else "no", hotpluggable="yes" if number else "no")
            for number in range(most)
        )
    )
