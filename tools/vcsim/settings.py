"""What a test may choose about the vCenter that it starts."""

from collections.abc import Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Template:
    """A template in the folder of the first datacenter, with one disk and one card in "VM Network".

    Args:
        name: of the template.
        vcpus: virtual CPUs.
        memory_mb: memory in MiB.
        disk_mb: size of its disk in MiB.
    """

    name: str
    vcpus: int = 1
    memory_mb: int = 128
    disk_mb: int = 64


TEMPLATES: Sequence[Template] = (Template(name="small"), Template(name="large", vcpus=4, memory_mb=4096, disk_mb=1024))


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """One vCenter. Names are the simulator's: datacenter DC0, cluster DC0_C0, host DC0_C0_H0 or DC0_H0, LocalDS_0.

    Args:
        datacenters: how many there are.
        clusters: in each datacenter.
        hosts: in each cluster.
        standalone_hosts: in each datacenter, outside of the clusters.
        datastores: which every host of the first datacenter sees.
        portgroups: of a distributed switch, e.g. DC0_DVPG0, beside the standard network "VM Network".
        vms: foreign guests, running, in each cluster and on each standalone host, e.g. DC0_C0_RP0_VM0.
        templates: what guests can be cloned from.
    """

    datacenters: int = 1
    clusters: int = 2
    hosts: int = 2
    standalone_hosts: int = 1
    datastores: int = 2
    portgroups: int = 1
    vms: int = 0
    templates: Sequence[Template] = field(default=TEMPLATES)
