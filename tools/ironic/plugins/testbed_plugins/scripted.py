"""Fake hardware that fails, waits and dawdles as its node's `driver_info["script"]` says, see tools/ironic/script.py.

It also has what Ironic's own fake hardware lacks: steps that can be waited for, virtual media, and an NMI button. What
was done to it is in `driver_internal_info["scripted"]`.

Source: https://docs.openstack.org/ironic/latest/contributor/drivers.html
"""

import time
from typing import Any, Final

from ironic.common import exception, states
from ironic.conductor import utils
from ironic.conductor.task_manager import TaskManager
from ironic.drivers import base
from ironic.drivers.modules import fake

OPERATIONS: Final = {
    states.DEPLOYWAIT: "deploy",
    states.CLEANWAIT: "clean",
    states.SERVICEWAIT: "service",
}
"""What `proceed` resumes."""

TERMINAL_PORT: Final = 10623
"""As Ironic's documentation has it in its examples; nobody listens."""


def act(task: TaskManager, name: str) -> bool:
    """Take an operation's time, fail if it shall, and tell whether it shall wait."""
    script = task.node.driver_info.get("script", {})
    time.sleep(script.get("delay_s", {}).get(name, 0))
    if name in script.get("fail", ()):
        raise exception.RedfishConnectionError(node=task.node.uuid, error=f"{name} fails as scripted")
    return name in script.get("wait", ())


def done_to(task: TaskManager) -> dict[str, Any]:
    """What was done to a node's machine."""
    return dict(task.node.driver_internal_info.get("scripted", {}))


def note(task: TaskManager, name: str, value: object) -> None:
    """Keep what was done to a node's machine."""
    task.node.set_driver_internal_info("scripted", {**done_to(task), name: value})
    task.node.save()


SOFT: Final = frozenset({states.SOFT_POWER_OFF, states.SOFT_REBOOT})


class ScriptedPower(fake.FakePower):  # type: ignore[misc]  # Ironic ships no types
    """Power; the operation is `power`. The guest that the script calls `deaf` does not stop when it is asked to."""

    def get_power_state(self, task: TaskManager) -> str | None:
        act(task, "power")
        state: str | None = super().get_power_state(task)
        return state

    def reboot(self, task: TaskManager, timeout: int | None = None) -> None:
        act(task, "power")
        super().reboot(task, timeout)

    def set_power_state(self, task: TaskManager, power_state: str, timeout: int | None = None) -> None:
        act(task, "power")
        if power_state in SOFT and task.node.driver_info.get("script", {}).get("deaf") == task.node.instance_uuid:
            utils.node_wait_for_power_state(task, states.POWER_OFF, timeout=timeout)  # as Redfish's interface does
        super().set_power_state(task, power_state, timeout)


class ScriptedBoot(fake.FakeBoot):  # type: ignore[misc]  # Ironic ships no types
    """Boot; without it Ironic attaches no virtual media."""

    @property
    def image_publisher_settings(self) -> base.ImagePublisherSettings:
        """Where Ironic puts images that the machine shall fetch: under `[deploy] http_root`."""
        return base.ImagePublisherSettings(image_subdir="scripted")


class ScriptedConsole(fake.FakeConsole):  # type: ignore[misc]  # Ironic ships no types
    """A serial console at `driver_info["terminal_port"]`, where a test may listen; the operation is `console`."""

    def start_console(self, task: TaskManager) -> None:
        act(task, "console")

    def get_console(self, task: TaskManager) -> dict[str, str]:
        port = task.node.driver_info.get("terminal_port", TERMINAL_PORT)
        return {"type": "socat", "url": f"tcp://127.0.0.1:{port}"}


class ScriptedDeploy(fake.FakeDeploy):  # type: ignore[misc]  # Ironic ships no types
    """Deployment; the operations are `validate`, `prepare`, `deploy`, `tear_down`, `clean_up`, `clean`, `service`.

    As on real hardware, a deployed machine is on and one that was torn down is off.
    """

    def validate(self, task: TaskManager) -> None:
        script = task.node.driver_info.get("script", {})
        if "validate" in script.get("fail", ()):
            raise exception.InvalidParameterValue("validate fails as scripted")

    def prepare(self, task: TaskManager) -> None:
        act(task, "prepare")

    @base.deploy_step(priority=100)  # type: ignore[untyped-decorator]
    def deploy(self, task: TaskManager) -> str | None:
        """Put the image onto the machine."""
        return states.DEPLOYWAIT if act(task, "deploy") else None

    @base.deploy_step(priority=20)  # type: ignore[untyped-decorator]
    def boot_instance(self, task: TaskManager) -> None:
        """Start what was deployed, anew if the machine runs."""
        utils.node_power_action(task, states.REBOOT)

    def tear_down(self, task: TaskManager) -> str:
        act(task, "tear_down")
        utils.node_power_action(task, states.POWER_OFF)
        return str(super().tear_down(task))

    def clean_up(self, task: TaskManager) -> None:
        act(task, "clean_up")

    @base.clean_step(priority=10, abortable=True)  # type: ignore[untyped-decorator]
    def clean(self, task: TaskManager) -> str | None:
        """The one step of automated cleaning."""
        return states.CLEANWAIT if act(task, "clean") else None

    @base.service_step(abortable=True, requires_ramdisk=False)  # type: ignore[untyped-decorator]
    def service(self, task: TaskManager) -> str | None:
        """A service step."""
        return states.SERVICEWAIT if act(task, "service") else None


class ScriptedRescue(fake.FakeRescue):  # type: ignore[misc]  # Ironic ships no types
    """Rescue; the operations are `rescue` and `unrescue`. As on real hardware, both start the machine anew."""

    def rescue(self, task: TaskManager) -> str:
        waits = act(task, "rescue")
        utils.node_power_action(task, states.REBOOT)
        return str(states.RESCUEWAIT if waits else states.RESCUE)

    def unrescue(self, task: TaskManager) -> str:
        act(task, "unrescue")
        utils.node_power_action(task, states.REBOOT)
        return str(states.ACTIVE)


class ScriptedManagement(fake.FakeManagement):  # type: ignore[misc]  # Ironic ships no types
    """Management; the operations are `nmi` and `virtual_media`. Kept: how many `nmi`, `virtual_media` by device."""

    def inject_nmi(self, task: TaskManager) -> None:
        act(task, "nmi")
        note(task, "nmi", done_to(task).get("nmi", 0) + 1)

    def get_virtual_media(self, task: TaskManager) -> list[dict[str, Any]]:
        act(task, "virtual_media")
        media = done_to(task).get("virtual_media", {})
        return [{"media_types": [device], "inserted": True, "image": image} for device, image in media.items()]

    def attach_virtual_media(self, task: TaskManager, device_type: str, image_url: str) -> None:
        act(task, "virtual_media")
        note(task, "virtual_media", {**done_to(task).get("virtual_media", {}), device_type: image_url})

    def detach_virtual_media(self, task: TaskManager, device_types: list[str] | None = None) -> None:
        act(task, "virtual_media")
        media = done_to(task).get("virtual_media", {})
        kept = {device: image for device, image in media.items() if device_types and device not in device_types}
        note(task, "virtual_media", kept)


class ScriptedVendor(fake.FakeVendorB):  # type: ignore[misc]  # Ironic ships no types
    """Lets what waits go on: that is what the agent on a real machine would do by its heartbeat."""

    @base.passthru(["POST"], async_call=True, description="Resume what waits.")  # type: ignore[untyped-decorator]
    def proceed(self, task: TaskManager, **_: object) -> None:
        """Resume the deployment, cleaning or servicing that waits."""
        operation = OPERATIONS[task.node.provision_state]
        utils.notify_conductor_resume_operation(task, operation)
