"""Verbs of roles that only one vendor has."""

from abc import abstractmethod

import pytest

import nova_virt_api as virt
from nova_virt_api.driver.operation import Operation
from nova_virt_api.driver.role import Role
from nova_virt_api.fake.driver import FakeDriver


class Blink(Role):
    """A role that only one vendor has."""

    @abstractmethod
    def blink(self, guest: virt.InstanceRef, op: Operation) -> str: ...


class BlinkingDriver(FakeDriver, Blink):
    """The in-memory driver with that role."""

    def blink(self, guest: virt.InstanceRef, op: Operation) -> str:
        op.stage("blink")
        if not any(found.uuid == guest.uuid for found in self.instances()):
            raise virt.InstanceNotFound(f"no guest {guest} here")
        return f"blinked {op.remaining() <= 5}"


def test_a_vendors_verb_is_an_operation_like_all_others(compute: virt.Compute, guest: virt.Instance) -> None:
    blinking = virt.Compute(BlinkingDriver(compute._driver.endpoint))
    blinking._driver.open()
    with blinking:
        here = blinking.spawn(virt.InstanceSpec(uuid=virt.stable_uuid("b"), name="b", memory_bytes=virt.MiB(64)))
        stages: list[str] = []
        told = blinking.perform(
            here,
            Blink,
            lambda role, op: role.blink(here.ref, op),
            timeout=5,
            on_progress=lambda op: stages.append(op.stage),
        )
        assert told == "blinked True"
        assert stages[-1] == "blink"
        submitted = blinking.submit.perform(here, Blink, lambda role, op: role.blink(here.ref, op))
        assert submitted.result() == "blinked False"
        gone = virt.InstanceRef(uuid=virt.stable_uuid("gone"))
        with pytest.raises(virt.InstanceNotFound, match="perform") as caught:
            blinking.perform(gone, Blink, lambda role, op: role.blink(gone, op))
        assert caught.value.guest == str(gone)
        with pytest.raises(virt.DriverBug):
            blinking.perform(here, Blink, lambda role, op: 1 // 0)
        blinking.destroy(here)
    with pytest.raises(virt.InvalidSpec, match="Blink"):
        compute.perform(guest, Blink, lambda role, op: role.blink(guest.ref, op))
