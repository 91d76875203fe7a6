"""Starting a guest from a rescue system, and letting it go back to its own disk."""

from __future__ import annotations

from typing import Any

import pytest

from nova_virt_api.capability import Capability, Feature
from nova_virt_api.compute.operation import Operation
from nova_virt_api.driver.driver import Driver
from nova_virt_api.driver.rescue import Rescue
from nova_virt_api.errors import ImageRejected, InstanceNotFound, InvalidState, NotSupported, StateAfter
from nova_virt_api.model.instance import Instance, Lifecycle, PowerState
from nova_virt_api.model.secret import Secret
from nova_virt_conformance.aftermath import check_gone, leaving_as_is, leaving_nothing
from nova_virt_conformance.calls import rescue, rescue_options
from nova_virt_conformance.covers import covers, needs
from nova_virt_conformance.event_log import SLACK, subscribed
from nova_virt_conformance.image_files import GARBAGE
from nova_virt_conformance.lab import Lab
from nova_virt_conformance.outcome import NotApplicable
from nova_virt_conformance.promise import Promise
from nova_virt_conformance.suite.secrets import look, planted, recorded_logs
from nova_virt_conformance.verb import Verb, difference, shown
from nova_virt_conformance.verbs import VERBS


@covers(Capability.RESCUE, Rescue.rescue, Rescue.unrescue)
def test_rescue_and_unrescue(lab: Lab) -> None:
    """A rescued guest is shown as RESCUED and runs, to everybody; after unrescue it is as before and runs."""
    guest = lab.spawn(labels={"conformance": "rescue"}, power_on=False)
    rescue(lab.compute, guest, lab)
    check_shown(lab, guest, Lifecycle.RESCUED)
    lab.second.unrescue(guest, timeout=lab.patience)
    check_shown(lab, guest, Lifecycle.READY)


@covers(Capability.RESCUE, Rescue.rescue)
def test_rescue_again_goes_on(lab: Lab, running: Instance) -> None:
    """A rescue starts the rescue system, and another one, with whatever password, lets it go on."""
    before = lab.rig.boots(running)
    rescue(lab.compute, running, lab)
    first = lab.rig.boots(running)
    assert first > before, "the rescue system was not started"
    options = rescue_options(lab)
    if "password" in options:
        options["password"] = Secret(planted(lab))
    lab.compute.rescue(running, **options, timeout=lab.patience)
    assert lab.rig.boots(running) == first, "the rescue system was started anew"


@covers(Capability.RESCUE, Rescue.unrescue)
def test_unrescue_of_a_guest_that_is_not_rescued(lab: Lab, running: Instance) -> None:
    """A guest that is not rescued goes on when it is unrescued."""
    before = lab.rig.boots(running)
    with leaving_as_is(lab, running.uuid, "an unrescue"):
        lab.compute.unrescue(running, timeout=lab.patience)
    assert lab.rig.boots(running) == before, "the guest was started anew"


@covers(Capability.RESCUE, Rescue.rescue, Rescue.unrescue)
def test_rescue_keeps_the_guests_own_disk(lab: Lab, stopped: Instance) -> None:
    """What is on the guest's own disk is still there after rescue and unrescue."""
    lab.rig.scribble(stopped)
    rescue(lab.compute, stopped, lab)
    lab.compute.unrescue(stopped, timeout=lab.patience)
    assert lab.rig.scribbled(stopped), "what was on the disk is gone"


@pytest.mark.parametrize(
    "verb",
    [pytest.param(verb, id=verb.name, marks=verb.marks) for verb in VERBS if verb.while_rescued is not None],
)
@covers(Capability.RESCUE, Rescue.rescue)
def test_verb_while_rescued(lab: Lab, verb: Verb) -> None:
    """A rescued guest can be looked at and its power switched; what else changes it is InvalidState."""
    guest = lab.spawn()
    rescue(lab.compute, guest, lab)
    rescued = lab.compute.instance(guest, fresh=True)
    if verb.while_rescued:
        verb.call(lab.compute, rescued, lab)
        after = lab.compute.instance(guest, fresh=True)
        lifecycle = Lifecycle.READY if verb.name == "unrescue" else Lifecycle.RESCUED
        assert (after.lifecycle, after.power_state) == (lifecycle, verb.becomes[PowerState.RUNNING])
        return
    with leaving_as_is(lab, guest.uuid, f"a refused {verb.name}"), pytest.raises(InvalidState) as caught:
        verb.call(lab.compute, rescued, lab)
    assert caught.value.state_after is StateAfter.UNCHANGED


@covers(Capability.RESCUE, Rescue.rescue, Driver.destroy)
def test_rescued_guest_is_destroyed(lab: Lab) -> None:
    """A rescued guest can be destroyed; nothing is left of it, nor of its rescue system."""
    with leaving_nothing(lab, "a rescued guest's life"):
        guest = lab.spawn()
        rescue(lab.compute, guest, lab)
        assert lab.compute.destroy(guest, timeout=lab.patience) is True
    check_gone(lab, guest.uuid)


@covers(Capability.RESCUE, Rescue.rescue, Driver.spawn)
def test_same_spawn_returns_a_rescued_guest_as_it_is(lab: Lab) -> None:
    """The same spec again finds a rescued guest, and lets its rescue system run."""
    spec = lab.spec()
    guest = lab.compute.spawn(spec, timeout=lab.patience)
    rescue(lab.compute, guest, lab)
    with leaving_as_is(lab, guest.uuid, "the same spawn again"):
        assert lab.compute.spawn(spec, timeout=lab.patience).lifecycle is Lifecycle.RESCUED
    assert not [leftover for leftover in lab.compute.leftovers() if leftover.uuid == guest.uuid]


@covers(Capability.RESCUE, Promise.EVENTS, Rescue.rescue, Rescue.unrescue, Driver.events)
def test_rescue_reaches_a_watcher(lab: Lab, running: Instance) -> None:
    """A watcher is told in time that a guest is rescued, and that it is not any more."""
    within = lab.second.capabilities().event_latency_seconds + SLACK

    def told(lifecycle: Lifecycle) -> bool:
        last = log.last(running.uuid)
        return last is not None and (last.lifecycle, last.power_state) == (lifecycle, PowerState.RUNNING)

    with subscribed(lab.driver(lab.second)) as log:
        rescue(lab.compute, running, lab)
        assert log.wait(lambda: told(Lifecycle.RESCUED), within), f"not told within {within:g} s that it is rescued"
        lab.compute.unrescue(running, timeout=lab.patience)
        assert log.wait(lambda: told(Lifecycle.READY), within), f"not told within {within:g} s that it is unrescued"


@covers(Capability.RESCUE, Feature.RESCUE_IMAGE, Rescue.rescue)
@needs(Feature.CLIENT_IMAGES)
def test_rescue_with_a_bad_image_changes_nothing(lab: Lab, running: Instance) -> None:
    """A bad image for a rescue is ImageRejected; the guest runs on, and nothing is left."""
    options = rescue_options(lab) | {"image": GARBAGE.source(lab.directory)}
    with leaving_as_is(lab, running.uuid, "a refused rescue"), pytest.raises(ImageRejected) as caught:
        lab.compute.rescue(running, **options, timeout=lab.patience)
    assert caught.value.state_after is StateAfter.UNCHANGED


@covers(Capability.RESCUE, Feature.RESCUE_IMAGE, Rescue.rescue, Rescue.unrescue)
def test_image_of_a_rescue_system_is_removed(lab: Lab, running: Instance) -> None:
    """What a rescue makes of an image is gone again after unrescue."""
    with leaving_nothing(lab, "a rescue from an image"):
        lab.compute.rescue(running, **(rescue_options(lab) | {"image": lab.image()}), timeout=lab.patience)
        assert lab.compute.instance(running, fresh=True).lifecycle is Lifecycle.RESCUED
        lab.compute.unrescue(running, timeout=lab.patience)


@covers(Capability.RESCUE, Feature.RESCUE_PASSWORD, Promise.SECRETS, Rescue.rescue)
def test_rescue_password_is_not_shown(lab: Lab, running: Instance) -> None:
    """The password of a rescue system is in no log, no error, and no text of the guest or the operation."""
    password = planted(lab)
    said: list[str] = []

    def note(operation: Operation[None]) -> None:
        said.extend((repr(operation), operation.stage))

    options = rescue_options(lab) | {"password": Secret(password)}
    with recorded_logs() as logs:
        lab.compute.rescue(running, **options, timeout=lab.patience, on_progress=note)
        with pytest.raises(InstanceNotFound) as caught:
            lab.compute.rescue(lab.spec().uuid, **options, timeout=lab.patience)
        said += [repr(caught.value), caught.value.public_message, repr(caught.value.__dict__)]
        said += [repr(lab.compute.instances(fresh=True)), repr(lab.compute.leftovers())]
    look(lab, [*said, *logs])


@covers(Capability.RESCUE)
def test_rescue_options_of_unavailable_features_are_refused(lab: Lab, running: Instance) -> None:
    """An image or a password whose feature is unavailable is NotSupported, with the reason; the driver is not asked."""
    answers = lab.compute.capabilities()
    options: dict[Feature, dict[str, Any]] = {Feature.RESCUE_PASSWORD: {"password": Secret("none")}}
    if not answers.has(Feature.RESCUE_IMAGE):
        options[Feature.RESCUE_IMAGE] = {"image": lab.image()}
    missing = {feature: given for feature, given in options.items() if not answers.has(feature)}
    if not missing:
        raise NotApplicable("both are available here")
    for feature, given in missing.items():
        with pytest.raises(NotSupported) as caught:
            lab.compute.rescue(running, **given, timeout=lab.patience)
        assert (caught.value.capability, caught.value.reason) == (feature, answers.answer(feature).reason)
    assert "Rescue.rescue" not in {call.method for call in lab.observer.calls}


def check_shown(lab: Lab, guest: Instance, lifecycle: Lifecycle) -> None:
    """See that everybody sees a guest at this point of its life, running and otherwise as it was."""
    for compute in (lab.compute, lab.second, lab.other):
        seen = compute.instance(guest, fresh=True)
        wanted = shown(guest) | {"power_state": PowerState.RUNNING, "lifecycle": lifecycle}
        assert not (wrong := difference(wanted, shown(seen))), wrong
