"""What only Ironic has: service steps and runbooks, virtual media, firmware, on a real Ironic."""

import http.server
import sqlite3
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from nova_virt_api.errors import BackendError, InvalidSpec, InvalidState, PermissionDenied
from nova_virt_api.model.instance import Instance, Lifecycle, PowerState
from nova_virt_api.model.secret import Secret
from nova_virt_ironic.driver import IronicDriver
from nova_virt_ironic.firmware import BiosSetting, Firmware, FirmwareComponent
from nova_virt_ironic.service_steps import Service, ServiceStep, ServiceSteps
from nova_virt_ironic.virtual_media import MediaDevice, VirtualMedia
from tools.ironic import EnrolledNode, Ironic, Script

MakeDriver = Callable[..., IronicDriver]

# --- service steps ----------------------------------------------------------------------------------------------------

SERVICE = Service(steps=[ServiceStep(interface="deploy", step="service")], ramdisk=False)


def test_steps_are_run_and_the_guest_is_back(
    driver: IronicDriver, ironic: Ironic, deployed: Callable[..., Instance], op: Any
) -> None:
    guest = deployed(script=Script())
    driver.service(guest.ref, SERVICE, op)
    back = driver.instance(guest.ref, fresh=True)
    assert (back.lifecycle, back.power_state) == (Lifecycle.READY, PowerState.RUNNING)
    assert isinstance(driver, ServiceSteps)


def test_a_step_that_waits_is_waited_for(
    driver: IronicDriver, ironic: Ironic, deployed: Callable[..., Instance], op: Any
) -> None:
    guest = deployed(script=Script(wait=["service"]))
    path = f"/v1/nodes/{guest.native_id}"
    done = threading.Thread(target=driver.service, args=(guest.ref, SERVICE, op))
    done.start()
    ironic.api.wait(path, lambda node: node["provision_state"] == "service wait" and node["reservation"] is None)
    assert done.is_alive()
    ironic.api.post(f"{path}/vendor_passthru?method=proceed", {})
    done.join(30)
    assert not done.is_alive()
    assert ironic.api.get(path)["provision_state"] == "active"


def test_a_step_that_fails_leaves_an_error_that_can_be_mended(
    driver: IronicDriver, ironic: Ironic, deployed: Callable[..., Instance], op: Any
) -> None:
    guest = deployed(script=Script(fail=["service"]))
    with pytest.raises(BackendError, match="service fails as scripted"):
        driver.service(guest.ref, SERVICE, op)
    assert driver.instance(guest.ref, fresh=True).lifecycle is Lifecycle.ERROR
    assert guest.node is not None
    driver.leave_maintenance(guest.node, op)
    for _ in range(2):
        driver.abort_service(guest.ref, op)
    assert driver.instance(guest.ref, fresh=True).lifecycle is Lifecycle.READY


def test_steps_that_do_not_exist_are_refused(
    driver: IronicDriver, make_driver: MakeDriver, deployed: Callable[..., Instance], op: Any
) -> None:
    guest = deployed(script=Script())
    missing = Service(steps=[ServiceStep(interface="deploy", step="missing")], ramdisk=False)
    with pytest.raises(BackendError, match="missing"):
        driver.service(guest.ref, missing, op)
    with pytest.raises(PermissionDenied):
        make_driver(owner="somebody-else").service(guest.ref, SERVICE, op)
    with pytest.raises(InvalidSpec):
        Service(steps=[])


def test_runbooks_are_listed_and_run(
    driver: IronicDriver, ironic: Ironic, deployed: Callable[..., Instance], op: Any
) -> None:
    guest, other = deployed(script=Script()), deployed(script=Script())
    steps = [{"interface": "deploy", "step": "service", "args": {}, "order": 1}]
    body = {
        "name": "CUSTOM_TIDY_UP",
        "steps": steps,
        "disable_ramdisk": True,
        "description": "tidies up",
    }
    ironic.api.post("/v1/runbooks", body)
    try:
        ironic.api.put("/v1/runbooks/CUSTOM_TIDY_UP/traits/CUSTOM_TIDY_UP", None)
        ironic.api.put(f"/v1/nodes/{guest.native_id}/traits/CUSTOM_TIDY_UP", None)
        (found,) = driver.runbooks()
        assert (found.name, found.description, found.ramdisk) == ("CUSTOM_TIDY_UP", "tidies up", False)
        assert found.traits == ("CUSTOM_TIDY_UP",)
        assert found.steps == (ServiceStep(interface="deploy", step="service"),)
        driver.run_runbook(guest.ref, "CUSTOM_TIDY_UP", op)
        driver.run_runbook(guest.ref, found.uuid, op)
        with pytest.raises(BackendError, match="CUSTOM_TIDY_UP"):
            driver.run_runbook(other.ref, "CUSTOM_TIDY_UP", op)
        with pytest.raises(InvalidSpec, match="CUSTOM_TIDY_UP"):
            driver.run_runbook(guest.ref, "CUSTOM_OTHER", op)
    finally:
        ironic.api.delete("/v1/runbooks/CUSTOM_TIDY_UP")


def test_arguments_are_kept_out_of_sight() -> None:
    step = ServiceStep(interface="bios", step="apply_configuration", arguments={"password": "canary"})
    assert "canary" not in repr(step)


def test_a_rescued_guest_is_not_serviced(driver: IronicDriver, deployed: Callable[..., Instance], op: Any) -> None:
    guest = deployed()
    driver.rescue(guest.ref, op, password=Secret("correct-horse"))
    with pytest.raises(InvalidState):
        driver.service(guest.ref, SERVICE, op)


# --- virtual media ----------------------------------------------------------------------------------------------------


@pytest.fixture
def iso(tmp_path: Path) -> Iterator[str]:
    """URL of an image that Ironic can fetch."""
    (tmp_path / "tools.iso").write_bytes(bytes(2048))

    class Handler(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *arguments: Any) -> None:
            super().__init__(*arguments, directory=str(tmp_path))

        def log_message(self, *_: object) -> None:
            """Be silent."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/tools.iso?token=canary"
        server.shutdown()
        thread.join()


def test_media_are_put_in_and_taken_out(
    driver: IronicDriver, make_driver: MakeDriver, deployed: Callable[..., Instance], iso: str, op: Any
) -> None:
    guest = deployed(script=Script())
    assert isinstance(driver, VirtualMedia)
    assert driver.media(guest.ref) == ()
    driver.attach_medium(guest.ref, MediaDevice.CDROM, iso, op)
    (medium,) = driver.media(guest.ref)
    assert (medium.inserted, medium.kinds) == (True, ("cdrom",))
    assert medium.image
    assert "canary" not in repr(medium)
    driver.attach_medium(guest.ref, MediaDevice.FLOPPY, iso, op)
    for _ in range(2):
        driver.detach_media(guest.ref, [MediaDevice.CDROM], op)
    assert [medium.kinds for medium in driver.media(guest.ref)] == [("floppy",)]
    with pytest.raises(PermissionDenied):
        make_driver(owner="somebody-else").detach_media(guest.ref, list(MediaDevice), op)
    driver.detach_media(guest.ref, list(MediaDevice), op)
    assert driver.media(guest.ref) == ()


def test_what_ironic_does_not_do_is_an_error(
    driver: IronicDriver, deployed: Callable[..., Instance], iso: str, op: Any
) -> None:
    plain, broken = deployed(), deployed(script=Script(fail=["virtual_media"]))
    with pytest.raises(BackendError, match="not supported") as caught:
        driver.attach_medium(plain.ref, MediaDevice.CDROM, iso, op)
    assert "canary" not in str(caught.value)
    with pytest.raises(BackendError, match="virtual_media fails as scripted"):
        driver.attach_medium(broken.ref, MediaDevice.CDROM, iso, op)
    with pytest.raises(BackendError):
        driver.media(plain.ref)
    with pytest.raises(InvalidSpec):
        driver.attach_medium(plain.ref, MediaDevice.CDROM, "file:///etc/passwd", op)


# --- firmware ---------------------------------------------------------------------------------------------------------


def write_row(ironic: Ironic, node: EnrolledNode, table: str, values: dict[str, Any]) -> None:
    """What Ironic would have found: fake hardware has nothing to find."""
    with sqlite3.connect(next(ironic.directory.glob("*.sqlite")), timeout=30) as database:
        (number,) = database.execute("SELECT id FROM nodes WHERE uuid = ?", (node.uuid,)).fetchone()
        row = {"node_id": number, "created_at": "2026-11-22 00:00:00", "version": "1.0", **values}
        marks = ", ".join("?" * len(row))
        database.execute(f"INSERT INTO {table} ({', '.join(row)}) VALUES ({marks})", tuple(row.values()))


def test_firmware_is_told(driver: IronicDriver, ironic: Ironic, enroll: Callable[..., list[EnrolledNode]]) -> None:
    (node,) = enroll()
    assert isinstance(driver, Firmware)
    assert driver.firmware_components(node.name) == ()
    assert driver.bios_settings(node.name) == ()
    component = {"component": "bmc", "initial_version": "1.0", "current_version": "1.2", "last_version_flashed": "1.2"}
    write_row(ironic, node, "firmware_information", component)
    setting = {
        "name": "BootMode",
        "value": "Uefi",
        "attribute_type": "Enumeration",
        "allowable_values": '["Uefi", "Bios"]',
    }
    write_row(ironic, node, "bios_settings", setting | {"read_only": 0, "reset_required": 1, "version": "1.1"})
    assert driver.firmware_components(node.uuid) == (
        FirmwareComponent(name="bmc", current_version="1.2", initial_version="1.0", flashed_version="1.2"),
    )
    assert driver.bios_settings(node.uuid) == (
        BiosSetting(
            name="BootMode",
            value="Uefi",
            kind="Enumeration",
            allowed=("Uefi", "Bios"),
            read_only=False,
            needs_reset=True,
        ),
    )
    with pytest.raises(InvalidSpec):
        driver.bios_settings("no-such-node")
