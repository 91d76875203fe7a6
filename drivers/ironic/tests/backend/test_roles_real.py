"""What takes hardware: an interrupt, virtual media and what a controller tells, on a QEMU machine behind Redfish."""

from collections.abc import Callable, Iterator
from typing import Any
from uuid import uuid4

import pytest

from nova_virt_api.compute.operation import DriverSide
from nova_virt_api.errors import InvalidState
from nova_virt_api.model.instance import Condition, Instance, PowerOff
from nova_virt_api.model.spec import InstanceSpec
from nova_virt_ironic.driver import IronicDriver
from nova_virt_ironic.extras import BootIso
from nova_virt_ironic.virtual_media import MediaDevice
from tools.ironic.real_mode import RealMode

BOOT_S = 180.0
"""Without hardware virtualisation, on a busy machine."""
VERB_S = 240.0
INTERRUPTED = b"NMI received"
"""What Linux says of a non-maskable interrupt that nobody asked for."""


@pytest.fixture
def hardware(redfish_ironic: RealMode, make_driver: Callable[..., IronicDriver]) -> IronicDriver:
    """The driver, by http_basic and TLS."""
    known = redfish_ironic.ironic.credentials
    return make_driver(
        to=redfish_ironic.ironic,
        auth_type="http_basic",
        username=known.username,
        password=known.password,
        cafile=str(known.ca_file),
    )


@pytest.fixture
def guest(redfish_ironic: RealMode, hardware: IronicDriver, operation: Callable[..., Any]) -> Iterator[Instance]:
    """A guest whose system is up."""
    real = redfish_ironic
    boots = real.serial.report().boots
    spec = InstanceSpec(
        uuid=uuid4(), name="hardware", memory_bytes=128 * 1024**2, extras=[BootIso(url=real.boot_iso_url)]
    )
    instance = hardware.spawn(spec, DriverSide(operation(VERB_S)))
    real.serial.wait(lambda report: report.boots > boots and report.ready, BOOT_S)
    yield instance
    hardware.destroy(instance.ref, DriverSide(operation(VERB_S)))


@pytest.mark.timeout(900)
def test_what_a_controller_does(
    redfish_ironic: RealMode, hardware: IronicDriver, guest: Instance, operation: Callable[..., Any]
) -> None:
    real, op = redfish_ironic, DriverSide(operation(VERB_S))

    before = real.serial.log().count(INTERRUPTED)
    hardware.trigger_crash_dump(guest.ref, op)
    real.serial.wait(lambda _: real.serial.log().count(INTERRUPTED) > before, BOOT_S)

    boot_media = hardware.media(guest.ref)
    assert any(medium.inserted for medium in boot_media)
    hardware.detach_media(guest.ref, [MediaDevice.CDROM], op)
    assert sum(medium.inserted for medium in hardware.media(guest.ref)) < sum(m.inserted for m in boot_media)
    hardware.attach_medium(guest.ref, MediaDevice.CDROM, real.boot_iso_url, op)
    assert sum(medium.inserted for medium in hardware.media(guest.ref)) == sum(m.inserted for m in boot_media)

    found = hardware.diagnostics(guest.ref)
    assert found.health.condition is Condition.OK
    assert any(incident.kind == "deployment_end" for incident in found.incidents)
    assert [device.address for device in hardware.devices(real.node.name)] == [real.machine.mac]
    assert [interface.mac for interface in hardware.interfaces(guest.ref)] == [real.machine.mac]

    hardware.power_off(guest.ref, op, mode=PowerOff.HARD, grace_seconds=0)
    with pytest.raises(InvalidState):
        hardware.trigger_crash_dump(guest.ref, op)
