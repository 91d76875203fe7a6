"""What it costs to begin: importing, the first guest on `fake`, the command's version."""

import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from figure import Figure

IMPORT = "import nova_virt_api"
FIRST_SPAWN = """
import time
began = time.perf_counter()
import nova_virt_api as virt
with virt.connect("fake") as compute:
    compute.spawn(virt.InstanceSpec(uuid=virt.stable_uuid("x"), name="x", memory_bytes=virt.MiB(64)))
    print(time.perf_counter() - began)
"""


def measure() -> Iterator[Figure]:
    """Figures of whole processes."""
    bare, imported = processes([sys.executable, "-c", "pass"], [sys.executable, "-c", IMPORT])
    detail = f"{imported * 1000:.0f} ms over bare Python's {bare * 1000:.0f} ms"
    yield Figure(name="import nova_virt_api", value=(imported - bare) * 1000, unit="ms", bound=40, detail=detail)
    times = [float(subprocess.check_output([sys.executable, "-c", FIRST_SPAWN])) for _ in range(7)]
    spawn = statistics.median(times) * 1000
    yield Figure(name="import, connect('fake') and the first spawn", value=spawn, unit="ms", bound=150)
    command = str(Path(sys.executable).with_name("nova-virt"))
    (version,) = processes([command, "--version"])
    yield Figure(name="nova-virt --version", value=version * 1000, unit="ms", bound=250)


def processes(*commands: list[str], repeat: int = 9) -> list[float]:
    """Median wall time of each command; they take turns."""
    timings: list[list[float]] = [[] for _ in commands]
    for _ in range(repeat):
        for mine, command in zip(timings, commands, strict=True):
            began = time.perf_counter()
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
            mine.append(time.perf_counter() - began)
    return [statistics.median(mine) for mine in timings]
