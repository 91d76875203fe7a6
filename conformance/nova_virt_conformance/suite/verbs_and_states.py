"""Every verb from every power state: it does what is documented, or refuses and changes nothing."""

from __future__ import annotations

import pytest

from nova_virt_api.errors import InvalidState, NotSupported, StateAfter
from nova_virt_api.model.instance import Instance, PowerState
from nova_virt_conformance.covers import covers
from nova_virt_conformance.lab import Lab
from nova_virt_conformance.outcome import NotApplicable
from nova_virt_conformance.promise import Promise
from nova_virt_conformance.verb import STATES, Verb, difference, shown
from nova_virt_conformance.verbs import VERBS


@pytest.mark.parametrize(
    ("verb", "state"),
    [
        pytest.param(verb, state, id=f"{verb.name}-{state.value}", marks=verb.marks)
        for verb in VERBS
        for state in STATES
    ],
)
def test_verb_in_state(lab: Lab, verb: Verb, state: PowerState) -> None:
    """In each power state a verb leads to the documented state, or is refused as InvalidState and changes nothing."""
    guest = lab.guest(state)
    before = shown(guest)
    refused = refusal(lab, verb, guest)
    after = shown(lab.compute.instance(guest, fresh=True))
    feature = verb.only_with.get(state)
    if state not in verb.becomes or (feature is not None and not lab.compute.capabilities().has(feature)):
        assert refused is not None, f"{verb.name} was not refused for a guest that is {state.value}"
    elif refused is not None:
        assert state in verb.may_refuse, f"{verb.name} of a guest that is {state.value} was refused: {refused}"
    if refused is None:
        wanted = before | {"power_state": verb.becomes[state], **verb.changes(guest)}
        assert not (wrong := difference(wanted, after)), f"after {verb.name} of a guest that was {state.value}: {wrong}"
    else:
        assert not (wrong := difference(before, after)), f"{verb.name} was refused and changed something: {wrong}"
        check_refusal(refused, verb, state)


@covers(Promise.CAPABILITIES)
def test_verbs_of_what_is_unavailable_are_refused(lab: Lab, running: Instance) -> None:
    """A verb of what is not available here is NotSupported, says why, and changes nothing."""
    answers = lab.compute.capabilities()
    missing = [(verb, what) for verb in VERBS for what in verb.required if not answers.has(what)]
    if not missing:
        raise NotApplicable("every role and feature that has verbs is available here")
    for verb, what in missing:
        with pytest.raises(NotSupported) as caught:
            verb.call(lab.compute, running, lab)
        assert caught.value.capability is what
        assert caught.value.reason, f"{what.value} is not available, and nobody says why"
        if what in answers.answers:
            assert caught.value.reason == answers.answer(what).reason
    assert shown(lab.compute.instance(running, fresh=True)) == shown(running)


def refusal(lab: Lab, verb: Verb, guest: Instance) -> InvalidState | None:
    """Call the verb; the error if the guest's state does not allow it."""
    try:
        verb.call(lab.compute, guest, lab)
    except InvalidState as error:
        return error
    return None


def check_refusal(refused: InvalidState, verb: Verb, state: PowerState) -> None:
    """See that a refusal says what is and what has to be."""
    assert refused.current is state, f"the guest is {state.value}, the error says {refused.current.value}"
    assert set(refused.required) & verb.becomes.keys(), "the error names no state in which the verb works"
    assert state not in refused.required, "the error asks for the state that the guest is in"
    assert refused.state_after is StateAfter.UNCHANGED
