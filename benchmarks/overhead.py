"""What Compute adds to a driver's own call, on `fake`."""

from collections.abc import Iterator

from figure import Figure, median_seconds

import nova_virt_api as virt
from nova_virt_api.compute.connect import make_driver
from nova_virt_api.compute.operation import DriverSide, Operation


def measure() -> Iterator[Figure]:
    """A read and a mutation, through Compute and without it."""
    driver = make_driver("fake")
    driver.open()
    with virt.Compute(driver) as compute:
        guest = compute.spawn(virt.InstanceSpec(uuid=virt.stable_uuid("x"), name="x", memory_bytes=virt.MiB(64)))
        direct = median_seconds(driver.instances, inner=2000)
        through = median_seconds(compute.instances, inner=2000)
        yield microseconds("Compute adds to a read", through - direct, 20, through, direct)
        bare = DriverSide(Operation("power_on", guest.uuid))
        direct = median_seconds(lambda: driver.power_on(guest.ref, bare), inner=500)
        through = median_seconds(lambda: compute.power_on(guest), inner=500)
        yield microseconds("Compute adds to a mutation", through - direct, 250, through, direct)


def microseconds(name: str, added: float, bound: float, through: float, direct: float) -> Figure:
    """A figure in microseconds with the two timings behind it."""
    detail = f"{through * 1e6:.1f} us, the driver alone {direct * 1e6:.1f} us"
    return Figure(name=name, value=added * 1e6, unit="us", bound=bound, detail=detail)
