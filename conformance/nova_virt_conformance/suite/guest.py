"""Agents inside guests: what they tell, the passwords that they set, file systems that come to rest."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

from nova_virt_api.capability import Capability, Feature
from nova_virt_api.driver.guest import Guest
from nova_virt_api.driver.snapshot import Snapshot
from nova_virt_api.errors import GuestAgentUnavailable, InstanceNotFound, NotSupported, StateAfter
from nova_virt_api.model.guest_info import GuestInfo
from nova_virt_api.model.image import ImageFormat, LocalTarget
from nova_virt_api.model.instance import Instance, PowerState
from nova_virt_api.model.quiesce import Quiesce
from nova_virt_api.model.secret import Secret
from nova_virt_conformance.aftermath import leaving_as_is, leaving_nothing
from nova_virt_conformance.agent_provocations import ACTING, CALLS
from nova_virt_conformance.booted import Booted
from nova_virt_conformance.contract import methods
from nova_virt_conformance.covers import covers, needs
from nova_virt_conformance.inhabited import inhabited, left_writing
from nova_virt_conformance.lab import Lab
from nova_virt_conformance.outcome import NotApplicable
from nova_virt_conformance.promise import Promise
from nova_virt_conformance.suite.secrets import look, planted, recorded_logs
from nova_virt_conformance.suite.snapshot import inspected
from nova_virt_conformance.verb import shown

if TYPE_CHECKING:
    from nova_virt_api.compute.operation import Operation

MAC: Final = re.compile(r"([0-9a-f]{2}:){5}[0-9a-f]{2}")

METHODS: Final = methods()
FEATURES: Final = {
    "Guest.set_password": Feature.GUEST_PASSWORD,
    "Guest.quiesce": Feature.GUEST_QUIESCE,
    "Guest.unquiesce": Feature.GUEST_QUIESCE,
}

# --- what they tell ---------------------------------------------------------------------------------------------------


@covers(Capability.GUEST, Guest.guest_info)
def test_guest_tells_of_itself(lab: Lab) -> None:
    """What a guest tells fits its listing and is well-formed; everybody may ask, and asking changes nothing."""
    guest = inhabited(lab).guest
    with leaving_as_is(lab, guest.uuid, "asking a guest"):
        for compute in (lab.compute, lab.second, lab.other):
            told = compute.guest_info(guest)
            check_well_formed(told)
    if told.interfaces is not None:
        own = {one.ip for interface in told.interfaces for one in interface.addresses}
        listed = {one.ip for one in lab.compute.instance(guest, fresh=True).addresses or ()}
        assert listed <= own, f"listed are {listed}, the guest tells {own}"


@covers(Capability.GUEST, Guest.guest_info)
def test_guest_info_is_the_guests_own(lab: Lab, booted: Booted) -> None:
    """Name, kernel, addresses and file systems are those that the guest itself sees."""
    guest = inhabited(lab).guest
    told, report = lab.compute.guest_info(guest), booted.report()
    if report.seed is not None:
        assert told.hostname == report.seed.hostname
    assert told.os is not None
    assert told.os.kernel == report.kernel
    for card in report.nics:
        found = [interface for interface in told.interfaces or () if interface.mac == card.mac]
        assert [interface.name for interface in found] == [card.interface]
        own = {one.address for one in report.addresses if one.mac == card.mac}
        assert own <= set(found[0].addresses)
    if booted.has_filesystem():
        assert [(each.mountpoint, each.kind) for each in told.filesystems or ()] == [("/rest", "ext4")]


# --- passwords --------------------------------------------------------------------------------------------------------


@covers(Feature.GUEST_PASSWORD, Guest.set_password)
def test_password_is_set(lab: Lab) -> None:
    """The password of the administrator is set inside the guest, or that of a user who is named; again is all right."""
    living = inhabited(lab)
    before = living.passwords_of()
    with leaving_as_is(lab, living.guest.uuid, "a new password"):
        for user in (None, "root", "root"):
            lab.compute.set_password(living.guest, Secret(planted(lab)), user=user, timeout=lab.patience)
    assert living.passwords_of() == (*before, "root", "root", "root")


@covers(Feature.GUEST_PASSWORD, Promise.SECRETS, Guest.set_password)
def test_password_inside_a_guest_is_not_shown(lab: Lab) -> None:
    """A password for a guest's user is in no log, no error, and no text of the guest or the operation."""
    password = planted(lab)
    guest = inhabited(lab).guest
    said: list[str] = []

    def note(operation: Operation[None]) -> None:
        said.extend((repr(operation), operation.stage))

    with recorded_logs() as logs:
        lab.compute.set_password(guest, Secret(password), timeout=lab.patience, on_progress=note)
        with pytest.raises(InstanceNotFound) as caught:
            lab.compute.set_password(lab.spec().uuid, Secret(password), timeout=lab.patience)
        said += [repr(caught.value), caught.value.public_message, repr(caught.value.__dict__)]
        said += [repr(lab.compute.instance(guest, fresh=True)), repr(lab.compute.guest_info(guest))]
    look(lab, [*said, *logs])


# --- rest -------------------------------------------------------------------------------------------------------------


@covers(Feature.GUEST_QUIESCE, Guest.quiesce, Guest.unquiesce)
def test_quiesced_guest_writes_nothing(lab: Lab) -> None:
    """A quiesced guest runs and writes nothing, however often it is asked; anybody of its owner lets it write again."""
    with left_writing(lab) as living:
        living.check_writes()
        with leaving_as_is(lab, living.guest.uuid, "bringing it to rest"):
            for compute in (lab.compute, lab.second):
                compute.quiesce(living.guest, timeout=lab.patience)
        living.check_at_rest()
        for compute in (lab.second, lab.compute):
            compute.unquiesce(living.guest, timeout=lab.patience)
            living.check_writes()


@covers(Feature.SNAPSHOT_QUIESCE, Snapshot.snapshot)
@needs(Capability.SNAPSHOT, Feature.SNAPSHOT_LIVE, Feature.GUEST_QUIESCE)
def test_guest_writes_again_after_a_snapshot(lab: Lab, tmp_path: Path) -> None:
    """A snapshot for which the guest came to rest is whole, and the guest writes again."""
    with left_writing(lab) as living:
        target = LocalTarget(tmp_path / "at-rest.qcow2")
        with leaving_nothing(lab, "the snapshot"):
            told = lab.compute.snapshot(living.guest, target, quiesce=Quiesce.REQUIRED, timeout=lab.patience)
        inspected(Path(told.ref), ImageFormat.QCOW2)
        living.check_writes()


@covers(Feature.SNAPSHOT_QUIESCE, Snapshot.snapshot, Guest.quiesce)
@needs(Capability.SNAPSHOT, Feature.SNAPSHOT_LIVE, Feature.GUEST_QUIESCE)
def test_snapshot_leaves_a_quiesced_guest_at_rest(lab: Lab, tmp_path: Path) -> None:
    """A guest that was quiesced before a snapshot is at rest after it."""
    with left_writing(lab) as living:
        lab.compute.quiesce(living.guest, timeout=lab.patience)
        for quiesce in Quiesce:
            target = LocalTarget(tmp_path / f"{quiesce.value}.qcow2")
            lab.compute.snapshot(living.guest, target, quiesce=quiesce, timeout=lab.patience)
        living.check_at_rest()


@covers(Feature.SNAPSHOT_QUIESCE, Snapshot.snapshot)
@needs(Capability.SNAPSHOT, Feature.SNAPSHOT_LIVE)
def test_snapshot_that_cannot_be_at_rest(lab: Lab, running: Instance, tmp_path: Path) -> None:
    """Without an agent a snapshot is made if rest is not required; if it is, it fails and leaves nothing."""
    target = LocalTarget(tmp_path / "disk.qcow2")
    with lab.rig.without_agent(running), leaving_nothing(lab, "the snapshots"):
        with pytest.raises(GuestAgentUnavailable) as caught:
            lab.compute.snapshot(running, target, quiesce=Quiesce.REQUIRED, timeout=lab.patience)
        assert caught.value.state_after is StateAfter.UNCHANGED
        assert not list(tmp_path.iterdir())
        for quiesce in (Quiesce.IF_POSSIBLE, Quiesce.NO):
            lab.compute.snapshot(running, target, quiesce=quiesce, timeout=lab.patience)
    assert shown(lab.compute.instance(running, fresh=True)) == shown(running)


# --- without them -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "method", [pytest.param(name, marks=covers(Capability.GUEST, METHODS[name])) for name in CALLS]
)
def test_guest_without_an_agent_is_well(lab: Lab, running: Instance, method: str) -> None:
    """Without an agent its methods are GuestAgentUnavailable; of the guest itself that says nothing."""
    with (
        lab.rig.without_agent(running),
        leaving_as_is(lab, running.uuid, "asking an agent that is not there"),
        pytest.raises(GuestAgentUnavailable) as caught,
    ):
        CALLS[method](lab.compute, running, lab)
    assert caught.value.state_after is StateAfter.UNCHANGED
    seen = lab.compute.instance(running, fresh=True)
    assert (seen.power_state, seen.health) == (PowerState.RUNNING, running.health)


@covers(Capability.GUEST)
def test_acts_of_agents_that_are_not_declared_are_refused(lab: Lab, running: Instance) -> None:
    """What an agent would do by a feature that is unavailable is NotSupported, with the reason; nobody is asked."""
    answers = lab.compute.capabilities()
    missing = [method for method in ACTING if not answers.has(FEATURES[method])]
    if not missing:
        raise NotApplicable("agents do all of it here")
    acts = {
        "Guest.set_password": lambda: lab.compute.set_password(running, Secret("none"), timeout=lab.patience),
        "Guest.quiesce": lambda: lab.compute.quiesce(running, timeout=lab.patience),
        "Guest.unquiesce": lambda: lab.compute.unquiesce(running, timeout=lab.patience),
    }
    for method in missing:
        with pytest.raises(NotSupported) as caught:
            acts[method]()
        assert caught.value.capability is FEATURES[method]
    assert not {call.method for call in lab.observer.calls} & set(missing)


def check_well_formed(told: GuestInfo) -> None:
    """See that a guest's answers are what the contract says."""
    assert type(told) is GuestInfo
    assert told.hostname is None or told.hostname.strip()
    names = [interface.name for interface in told.interfaces or ()]
    assert len(set(names)) == len(names), f"an interface twice: {names}"
    for interface in told.interfaces or ():
        assert interface.name.strip()
        assert interface.mac is None or MAC.fullmatch(interface.mac), f"{interface.name} has the MAC {interface.mac}"
    for filesystem in told.filesystems or ():
        assert filesystem.mountpoint.strip()
        if filesystem.size_bytes is not None and filesystem.used_bytes is not None:
            assert filesystem.used_bytes <= filesystem.size_bytes, f"{filesystem.mountpoint} holds more than it can"
    for user in told.users or ():
        assert user.name.strip()
        assert user.since is None or user.since > 0
