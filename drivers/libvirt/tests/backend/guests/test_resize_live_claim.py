"""A running guest of which somebody makes another one while its resize waits."""

from dataclasses import replace
from threading import Thread
from typing import Any

from nova_virt_api.compute.operation import DriverSide, Operation
from nova_virt_api.errors import VirtError
from nova_virt_api.model.instance import Lifecycle
from nova_virt_api.model.size import Size
from nova_virt_libvirt.claims.guest_claim import claimed
from nova_virt_libvirt.metadata import read_mark, write_mark


def test_a_guest_that_is_rescued_meanwhile_keeps_its_size(
    spawn: Any, make_spec: Any, driver: Any, run: Any, native: Any, eventually: Any
) -> None:
    guest = spawn(make_spec(power_on=True, max_vcpus=4))
    domain = native.lookupByUUID(guest.uuid.bytes)
    ended: list[VirtError] = []
    operation: Operation[Any] = Operation("resize_live", guest.uuid, timeout=60.0)
    assert operation.begin()

    def resize() -> None:
        try:
            driver.resize_live(guest.ref, Size(vcpus=2), DriverSide(operation))
        except VirtError as error:
            ended.append(error)

    other: Operation[Any] = Operation("rescue", guest.uuid, timeout=60.0)
    assert other.begin()
    with claimed(driver.site, driver.domains.find(guest.ref), DriverSide(other)):
        resizing = Thread(target=resize)
        resizing.start()
        eventually(lambda: "wait until nobody works" in operation.stage, "it waits")
        mark = read_mark(domain)
        assert mark is not None
        write_mark(domain, replace(mark, standing=Lifecycle.RESCUED))
    resizing.join(60.0)
    assert [error.code for error in ended] == ["invalid-state"]
    assert domain.vcpusFlags(0) == 1
