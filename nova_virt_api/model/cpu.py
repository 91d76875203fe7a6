"""The processor that a guest sees, and the host's processors that it gets."""

import enum
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from nova_virt_api.capability import Feature
from nova_virt_api.model.check import check, check_integer, check_type, duplicates, frozen_tuple

MODEL: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")
FLAG: Final = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}")
HIGHEST_CPU: Final = 65535
"""Number of the last processor that a host may have."""


class CpuMode(enum.Enum):
    """From what the processor that a guest sees is derived, unless it is a model by name."""

    HOST_PASSTHROUGH = "host-passthrough"
    """The host's own processor as it is: the fastest, and good on hosts that are alike only."""

    HOST_MODEL = "host-model"
    """The named model that is next to the host's, with the host's flags."""

    MAXIMUM = "maximum"
    """All that the hypervisor can do, natively or by emulation."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CpuTopology:
    """How a guest's virtual CPUs are arranged. Their product is the number of virtual CPUs of the guest.

    Args:
        sockets: number of sockets.
        cores: cores of each socket.
        threads: threads of each core.
    """

    sockets: int = 1
    cores: int = 1
    threads: int = 1

    def __post_init__(self) -> None:
        for field in ("sockets", "cores", "threads"):
            check_integer(field, getattr(self, field), 1, 4096, field)

    @property
    def vcpus(self) -> int:
        """Virtual CPUs of a guest that is arranged so."""
        return self.sockets * self.cores * self.threads


@dataclass(frozen=True, slots=True, kw_only=True)
class Cpu:
    """The processor of a guest; what is None or empty is the endpoint's choice.

    Args:
        mode: from what it is derived; at most one of ``mode`` and ``model``.
        model: name of a model as the hypervisor calls it, e.g. ``Skylake-Server``.
        with_flags: flags that the guest must see, e.g. ``aes``, as the hypervisor calls them.
        without_flags: flags that it must not see.
        topology: how the virtual CPUs are arranged.
        dedicated: whether each virtual CPU gets a processor of the host for itself: no other guest gets it too. That
            guests which ask for none keep off it is up to how the endpoint is set up.
        host_cpus: which ones, by their numbers on the host, the one of virtual CPU 0 first; only with ``dedicated``.
            Empty lets the driver choose among those that are free.
    """

    mode: CpuMode | None = None
    model: str | None = None
    with_flags: Sequence[str] = ()
    without_flags: Sequence[str] = ()
    topology: CpuTopology | None = None
    dedicated: bool = False
    host_cpus: Sequence[int] = ()

    def __post_init__(self) -> None:
        if self.mode is not None:
            check_type("mode", self.mode, CpuMode, "a CpuMode")
        if self.model is not None:
            good = isinstance(self.model, str) and MODEL.fullmatch(self.model) is not None
            check(good, "model", self.model, "the name of a CPU model such as Skylake-Server")
            check(self.mode is None, "model", self.model, "None beside a mode")
        for field in ("with_flags", "without_flags"):
            for index, flag in enumerate(frozen_tuple(self, field, str, "flags of a CPU")):
                check(FLAG.fullmatch(flag) is not None, f"{field}[{index}]", flag, "a CPU flag such as aes or sse4.2")
        twice = duplicates((*self.with_flags, *self.without_flags))
        check(not twice, "without_flags", twice, "each flag only once, with or without")
        if self.topology is not None:
            check_type("topology", self.topology, CpuTopology, "a CpuTopology")
        check_type("dedicated", self.dedicated, bool, "True or False")
        for index, number in enumerate(frozen_tuple(self, "host_cpus", int, "numbers of the host's CPUs")):
            check_integer(f"host_cpus[{index}]", number, 0, HIGHEST_CPU, "the host's CPU")
        check(self.dedicated or not self.host_cpus, "host_cpus", self.host_cpus, "none without dedicated=True")
        twice_used = duplicates(self.host_cpus)
        check(not twice_used, "host_cpus", twice_used, "each of the host's CPUs only once")

    def features(self) -> Iterator[tuple[Feature, str]]:
        """What an endpoint must declare for this processor, each with the field that asks for it."""
        if self.mode is not None:
            yield Feature.CPU_MODEL, "mode"
        if self.model is not None:
            yield Feature.CPU_MODEL, "model"
        if self.with_flags:
            yield Feature.CPU_FLAGS, "with_flags"
        if self.without_flags:
            yield Feature.CPU_FLAGS, "without_flags"
        if self.topology is not None:
            yield Feature.CPU_TOPOLOGY, "topology"
        if self.dedicated:
            yield Feature.DEDICATED_CPUS, "dedicated"


@dataclass(frozen=True, slots=True, kw_only=True)
class NumaCell:
    """A NUMA cell that a guest sees.

    Args:
        vcpus: the virtual CPUs in it, by number.
        memory_bytes: the memory in it, a multiple of 1 MiB.
        host_cell: the host's cell that gives both; None lets the hypervisor choose.
    """

    vcpus: Sequence[int]
    memory_bytes: int
    host_cell: int | None = None

    def __post_init__(self) -> None:
        for index, number in enumerate(frozen_tuple(self, "vcpus", int, "numbers of virtual CPUs")):
            check_integer(f"vcpus[{index}]", number, 0, 4095, "a virtual CPU")
        check(bool(self.vcpus), "vcpus", self.vcpus, "one virtual CPU at least")
        check_integer("memory_bytes", self.memory_bytes, 1024**2, 2**46, "bytes, e.g. GiB(2),")
        whole = self.memory_bytes % 1024**2 == 0
        check(whole, "memory_bytes", self.memory_bytes, "a multiple of 1 MiB, e.g. MiB(512)")
        if self.host_cell is not None:
            check_integer("host_cell", self.host_cell, 0, 4095, "a cell of the host")
