"""The parts of a guest's machine, as a spec file holds them."""

from typing import Final

from nova_virt_api.model.cpu import FLAG, HIGHEST_CPU, MODEL, Cpu, CpuMode, CpuTopology, NumaCell
from nova_virt_api.model.limits import FASTEST, LONGEST_BURST, DiskLimits, DiskRate, NicLimits, NicRate
from nova_virt_api.model.memory import MemoryBacking, MemoryEncryption
from nova_virt_api.model.screen import Graphics, Screen, VideoModel
from nova_virt_api.model.tpm import Tpm, TpmModel, TpmVersion
from nova_virt_api.model.watchdog import Watchdog, WatchdogAction
from nova_virt_api.specfile.kinds import Choice, Fields, Flag, Integer, List, Size, Text

MOST: Final = 4096

FLAGS: Final = List(Text(pattern=f"^{FLAG.pattern}$"))
TOPOLOGY: Final = Fields(
    CpuTopology, {"sockets": Integer(1, MOST), "cores": Integer(1, MOST), "threads": Integer(1, MOST)}
)
CPU: Final = Fields(
    Cpu,
    {
        "mode": Choice(CpuMode),
        "model": Text(pattern=f"^{MODEL.pattern}$"),
        "with_flags": FLAGS,
        "without_flags": FLAGS,
        "topology": TOPOLOGY,
        "dedicated": Flag(),
        "host_cpus": List(Integer(0, HIGHEST_CPU)),
    },
)
NUMA_CELL: Final = Fields(
    NumaCell,
    {"vcpus": List(Integer(0, MOST - 1)), "memory_bytes": Size(), "host_cell": Integer(0, MOST - 1)},
)
BACKING: Final = Fields(
    MemoryBacking,
    {
        "page_bytes": Size(),
        "file_backed": Flag(),
        "shared": Flag(),
        "locked": Flag(),
        "encryption": Choice(MemoryEncryption),
    },
)
TPM: Final = Fields(Tpm, {"version": Choice(TpmVersion), "model": Choice(TpmModel)})
WATCHDOG: Final = Fields(Watchdog, {"action": Choice(WatchdogAction)})
SCREEN: Final = Fields(Screen, {"video": Choice(VideoModel), "graphics": Choice(Graphics)})

BURST: Final = Integer(1, LONGEST_BURST)
BYTES: Final = Fields(DiskRate, {"per_second": Size(), "burst_per_second": Size(), "burst_seconds": BURST})
OPERATIONS: Final = Fields(
    DiskRate,
    {"per_second": Integer(1, FASTEST), "burst_per_second": Integer(1, FASTEST), "burst_seconds": BURST},
)
DISK_LIMITS: Final = Fields(
    DiskLimits,
    {
        "total_bytes": BYTES,
        "read_bytes": BYTES,
        "write_bytes": BYTES,
        "total_operations": OPERATIONS,
        "read_operations": OPERATIONS,
        "write_operations": OPERATIONS,
    },
)
NIC_RATE: Final = Fields(
    NicRate,
    {
        "bytes_per_second": Integer(1000, FASTEST),
        "peak_bytes_per_second": Integer(1000, FASTEST),
        "burst_bytes": Size(),
    },
)
NIC_LIMITS: Final = Fields(NicLimits, {"receive": NIC_RATE, "send": NIC_RATE})
