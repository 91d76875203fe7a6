"""A real machine: deployed over Redfish virtual media, started, and asked what it found on its config drive."""

import hashlib
import sys
from collections.abc import Callable, Iterator
from typing import Any
from uuid import uuid4

import pytest

import nova_virt_api as virt
from nova_virt_api import MiB, PowerState
from nova_virt_conformance.guest_image.markers import MARK, SeedSource, Stop
from nova_virt_ironic.extras import BootIso
from tools.ironic.real_mode import RealMode

BOOT_S = 180.0
"""Without hardware virtualisation, on a busy machine."""
VERB_S = 240.0
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ0hfUQPcfdVXjl7oIvnJgdvyZwxDRkGtcRZ3sAg0xPA"
USER_DATA = """#!/bin/sh
echo "user data ran: Grüße an $(hostname)"
"""

MakeSpec = Callable[..., virt.InstanceSpec]


@pytest.fixture
def compute(redfish_ironic: RealMode) -> Iterator[virt.Compute]:
    """The driver, by http_basic and TLS."""
    known = redfish_ironic.ironic.credentials
    with virt.connect(
        "ironic",
        endpoint=redfish_ironic.ironic.endpoint,
        auth_type="http_basic",
        username=known.username,
        password=known.password,
        cafile=str(known.ca_file),
        owner="nova-virt-tests",
    ) as compute:
        yield compute


@pytest.fixture
def make_spec(redfish_ironic: RealMode, compute: virt.Compute) -> Iterator[MakeSpec]:
    """Makes specs of guests that start from the boot CD; they are destroyed after the test."""
    made: list[virt.InstanceSpec] = []

    def make(**fields: Any) -> virt.InstanceSpec:
        uuid = uuid4()
        defaults: dict[str, Any] = {
            "uuid": uuid,
            "name": f"guest-{uuid.hex[:8]}",
            "memory_bytes": MiB(128),
            "extras": [BootIso(url=redfish_ironic.boot_iso_url)],
        }
        made.append(virt.InstanceSpec(**(defaults | fields)))
        return made[-1]

    yield make
    for spec in made:
        compute.destroy(spec.uuid, timeout=VERB_S)
    wait_until_available(redfish_ironic)


@pytest.mark.timeout(900)
def test_a_machine_reads_its_config_drive(
    redfish_ironic: RealMode, compute: virt.Compute, make_spec: MakeSpec, capsys: pytest.CaptureFixture[str]
) -> None:
    real = redfish_ironic
    before = real.serial.report().boots
    spec = make_spec(cloud_init=virt.CloudInit(user_data=USER_DATA, ssh_authorized_keys=[f"{KEY} me@home"]))

    guest = compute.spawn(spec, timeout=VERB_S)
    assert guest.power_state is PowerState.RUNNING
    assert guest.node == real.node.name
    assert real.machine.is_on()

    report = real.serial.wait(lambda report: report.boots > before and report.ready, BOOT_S)
    with capsys.disabled():
        sys.stdout.write(f"\nwhat the machine {real.machine.uuid} says as guest {spec.uuid}:\n{told(real)}")
    assert report.seed is not None
    assert report.seed.source is SeedSource.CONFIG_DRIVE
    assert report.seed.instance_id == str(spec.uuid)
    assert report.seed.hostname == spec.name
    assert report.seed.user_data_sha256 == hashlib.sha256(USER_DATA.encode()).hexdigest()
    assert report.ssh_keys == (KEY,)
    assert report.user_data_exit == 0
    assert f"user data ran: Grüße an {spec.name}".encode() in real.serial.log()
    assert str(report.uuid) == real.machine.uuid
    assert [nic.mac for nic in report.nics] == [real.machine.mac]

    compute.power_off(guest, timeout=VERB_S)
    goodbye = real.serial.wait(lambda report: report.stopping is not None, BOOT_S)
    assert goodbye.stopping is Stop.POWEROFF
    assert not real.machine.is_on()
    assert compute.instance(guest, fresh=True).power_state is PowerState.SHUTDOWN

    compute.power_on(guest, timeout=VERB_S)
    again = real.serial.wait(lambda report: report.boots > goodbye.boots and report.ready, BOOT_S)
    assert again.seed == report.seed
    assert compute.instance(guest, fresh=True).power_state is PowerState.RUNNING

    assert compute.destroy(guest, timeout=VERB_S)
    assert not compute.instances(fresh=True)
    node = wait_until_available(real)
    assert node["instance_info"] == {}
    assert not real.machine.is_on()
    assert real.machine.inserted() == []
    assert real.published() == []


@pytest.mark.timeout(900)
def test_an_unreachable_controller(redfish_ironic: RealMode, compute: virt.Compute, make_spec: MakeSpec) -> None:
    real = redfish_ironic
    real.bmc.service.stop()
    try:
        spawn = compute.submit.spawn(make_spec(), timeout=VERB_S)
        real.ironic.api.wait(
            real.node_path, lambda node: node["provision_state"] not in {"available", "deploying"}, VERB_S
        )
    finally:
        real.bmc.service.start()
    with pytest.raises(virt.BackendError, match=real.bmc.address.rpartition(":")[2]) as caught:
        spawn.result()
    assert real.bmc.driver_info()["redfish_password"] not in str(caught.value)
    assert caught.value.leftovers == ()
    wait_until_available(real)


@pytest.mark.timeout(900)
def test_a_controller_that_does_not_know_the_machine(
    redfish_ironic: RealMode, compute: virt.Compute, make_spec: MakeSpec
) -> None:
    real = redfish_ironic
    wrong = "/redfish/v1/Machines/1"
    with real.driver_info(redfish_system_id=wrong), pytest.raises(virt.BackendError, match=wrong) as caught:
        compute.spawn(make_spec(), timeout=VERB_S)
    assert [left.name for left in caught.value.leftovers] == [real.node.name]
    undeploy_as_operator(real)


def undeploy_as_operator(real: RealMode) -> None:
    """Ironic lets go of the guest even if it cannot reach the machine; the node is then `error` until somebody acts."""
    assert real.ironic.api.get(real.node_path)["provision_state"] == "error"
    real.ironic.api.put(f"{real.node_path}/states/provision", {"target": "deleted"})
    wait_until_available(real)


def told(real: RealMode) -> str:
    """The lines that the guest image and the user data wrote on the serial line."""
    lines = real.serial.log().decode(errors="replace").splitlines()
    return "".join(f"  {line}\n" for line in lines if line.startswith((MARK, "user data ran")))


def wait_until_available(real: RealMode) -> Any:
    """The node, once somebody else may have it."""
    return real.ironic.api.wait(
        real.node_path,
        lambda node: node["provision_state"] == "available" and node["instance_uuid"] is None,
        VERB_S,
    )
