"""Every verb that Nova asks for ends, even if the endpoint never does."""

from collections.abc import Callable
from typing import Any, NamedTuple

import nova.conf
import pytest
from nova import exception

import nova_virt_api as virt
from nova_virt_api.fake.steps import Step
from nova_virt_bridge.site import Site

SOON = 0.2


class Verb(NamedTuple):
    """A method of Nova's.

    Args:
        step: where it hangs.
        call: calls the method of a driver for an instance, with what else it wants.
        kind: what Nova is to see.
        before: what the guest has been through.
    """

    step: Step
    call: Callable[..., Any]
    kind: type[Exception] = exception.NovaException
    before: Callable[..., Any] = lambda driver, instance, given: None


def rescue(driver: Any, instance: Any, given: Any) -> None:
    """As nova-compute does."""
    driver.rescue(given["context"], instance, [], given["image_meta"], "", {}, [])


STOPPED = exception.InstancePowerOffFailure
VERBS = {
    "power_off": Verb(Step.POWER_OFF, lambda driver, instance, given: driver.power_off(instance), STOPPED),
    "power_on": Verb(
        Step.POWER_ON,
        lambda driver, instance, given: driver.power_on(None, instance, []),
        before=lambda driver, instance, given: driver.power_off(instance),
    ),
    "host_boot": Verb(
        Step.POWER_ON,
        lambda driver, instance, given: driver.resume_state_on_host_boot(None, instance, [], []),
        before=lambda driver, instance, given: driver.power_off(instance),
    ),
    "reboot": Verb(Step.REBOOT, lambda driver, instance, given: driver.reboot(None, instance, [], "HARD")),
    "reboot_suspended": Verb(
        Step.RESUME,
        lambda driver, instance, given: driver.reboot(None, instance, [], "HARD"),
        before=lambda driver, instance, given: driver.suspend(None, instance),
    ),
    "pause": Verb(Step.PAUSE, lambda driver, instance, given: driver.pause(instance)),
    "unpause": Verb(
        Step.UNPAUSE,
        lambda driver, instance, given: driver.unpause(instance),
        before=lambda driver, instance, given: driver.pause(instance),
    ),
    "suspend": Verb(Step.SUSPEND, lambda driver, instance, given: driver.suspend(None, instance)),
    "resume": Verb(
        Step.RESUME,
        lambda driver, instance, given: driver.resume(None, instance, []),
        before=lambda driver, instance, given: driver.suspend(None, instance),
    ),
    "rescue": Verb(
        Step.RESCUE,
        rescue,
    ),
    "unrescue": Verb(
        Step.UNRESCUE,
        lambda driver, instance, given: driver.unrescue(None, instance),
        before=lambda driver, instance, given: driver.rescue(
            given["context"], instance, [], given["image_meta"], "", {}, []
        ),
    ),
    "crash_dump": Verb(Step.CRASH_DUMP, lambda driver, instance, given: driver.trigger_crash_dump(instance)),
    "snapshot": Verb(
        Step.SNAPSHOT_READ,
        lambda driver, instance, given: driver.snapshot(None, instance, "new", lambda **states: None),
    ),
    "attach": Verb(
        Step.ATTACH_INTERFACE,
        lambda driver, instance, given: driver.attach_interface(None, instance, None, given["vif"]),
        exception.InterfaceAttachFailed,
    ),
    "detach": Verb(
        Step.DETACH_INTERFACE,
        lambda driver, instance, given: driver.detach_interface(None, instance, given["vif"]),
        exception.InterfaceDetachFailed,
        before=lambda driver, instance, given: driver.attach_interface(None, instance, None, given["vif"]),
    ),
    "destroy": Verb(Step.DESTROY_STOP, lambda driver, instance, given: driver.destroy(None, instance, []), STOPPED),
}


@pytest.fixture
def soon(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Lets deadlines come soon from now on."""

    def shorten() -> None:
        monkeypatch.setattr(Site, "verb_timeout", SOON)
        monkeypatch.setattr(Site, "spawn_timeout", SOON)

    return shorten


@pytest.fixture
def given(request_context: Any, image_meta: Any, make_vif: Any) -> dict[str, Any]:
    """What else Nova hands to its driver."""
    return {"context": request_context, "image_meta": image_meta, "vif": make_vif()}


@pytest.mark.usefixtures("images")
@pytest.mark.parametrize("name", VERBS)
def test_a_verb_that_hangs_is_given_up(
    driver: Any, instance: Any, spawn: Any, switches: Any, soon: Any, given: Any, name: str
) -> None:
    verb = VERBS[name]
    spawn(driver, instance)
    verb.before(driver, instance, given)
    switches.hang_at(verb.step)
    soon()
    with pytest.raises(verb.kind) as caught:
        verb.call(driver, instance, given)
    assert isinstance(caught.value.__cause__, virt.Timeout)


def test_a_guest_that_is_never_made_is_given_up(
    driver: Any, instance: Any, images: Any, spawn: Any, switches: Any, soon: Any
) -> None:
    switches.hang_at(Step.SPAWN_DEFINE)
    soon()
    with pytest.raises(exception.NovaException) as caught:
        spawn(driver, instance)
    assert isinstance(caught.value.__cause__, virt.Timeout)


def test_an_operator_says_how_long(driver: Any, config: Any) -> None:
    assert driver.site.verb_timeout < driver.site.spawn_timeout
    config.config(group="nova_virt", verb_timeout=5, spawn_timeout=7)
    assert (driver.site.verb_timeout, driver.site.spawn_timeout) == (5, 7)
    with pytest.raises(ValueError, match="greater than"):
        nova.conf.CONF.set_override("verb_timeout", 0, "nova_virt")
