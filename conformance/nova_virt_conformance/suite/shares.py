"""Directories that guests share with their host: attached, detached, used, and never touched."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

import pytest

from nova_virt_api.capability import Capability, Feature
from nova_virt_api.driver.driver import Driver
from nova_virt_api.driver.shares import Shares
from nova_virt_api.driver.suspend import Suspend
from nova_virt_api.errors import InvalidState, NotSupported, PermissionDenied, StateAfter, StorageError
from nova_virt_api.model.cloud_init import CloudInit
from nova_virt_api.model.instance import Instance, PowerOff, PowerState
from nova_virt_api.model.memory import MemoryBacking
from nova_virt_api.model.share import Share
from nova_virt_conformance.aftermath import leaving_as_is, leaving_nothing
from nova_virt_conformance.booted import Booted
from nova_virt_conformance.calls import NO_SHARE
from nova_virt_conformance.covers import covers, needs
from nova_virt_conformance.lab import Lab
from nova_virt_conformance.suite.spec_fields import check_not_supported
from nova_virt_conformance.verb import RUNNING, SHUTDOWN

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nova_virt_api.errors import VirtError

SHARED: Final = MemoryBacking(shared=True)
LETTER: Final = b"from the host\n"
ANSWER: Final = b"from the host\nfrom the guest\n"

SCRIPT: Final = """#!/bin/sh
(
    mkdir /share
    until mount -t virtiofs TAG /share; do sleep 0.25; done
    { cat /share/letter; echo from the guest; } >/share/answer
    sync
    umount /share
) >/dev/console 2>&1 &
"""
"""User data: waits for a share, answers a letter that is in it, and lets it go."""


def attach(lab: Lab, guest: Instance, share: Share | None = None) -> Share:
    """Let a guest use one more directory."""
    wanted = share or lab.rig.share()
    lab.compute.attach_share(guest, wanted, timeout=lab.patience)
    return wanted


def detach(lab: Lab, guest: Instance, share: Share) -> None:
    """Take a share away."""
    with lab.rig.letting_go(guest.uuid):
        lab.compute.detach_share(guest, share, timeout=lab.patience)


def check(lab: Lab, guest: Instance, *wanted: Share) -> None:
    """See that the driver shows these shares to everybody, and that the backend has them."""
    for compute in (lab.compute, lab.second, lab.other):
        assert list(compute.shares(guest)) == list(wanted)
    there: Sequence[Share] | None = lab.rig.hardware(guest.uuid).shares
    assert there is None or list(there) == list(wanted), f"the backend has {there}"


# --- attached ---------------------------------------------------------------------------------------------------------


@covers(Capability.SHARES, Shares.attach_share, Shares.shares)
def test_attached_share_is_there(lab: Lab, stopped: Instance) -> None:
    """A share that was attached is shown, to others too, and is there on the backend, after those before it."""
    check(lab, stopped)
    shares = [attach(lab, stopped) for _ in range(2)]
    check(lab, stopped, *shares)
    assert lab.compute.instance(stopped, fresh=True).power_state is SHUTDOWN


@covers(Capability.SHARES, Shares.attach_share, Driver.power_on, Driver.power_off)
def test_attached_share_survives_restarts(lab: Lab, stopped: Instance) -> None:
    """A guest has its shares whenever it is started; nobody names them anew."""
    share = attach(lab, stopped)
    for _ in range(2):
        lab.compute.power_on(stopped, timeout=lab.patience)
        check(lab, stopped, share)
        lab.compute.power_off(stopped, mode=PowerOff.HARD, timeout=lab.patience)
        check(lab, stopped, share)


@covers(Capability.SHARES, Shares.attach_share)
def test_share_is_attached_once(lab: Lab, stopped: Instance) -> None:
    """Attaching a share that the guest has already changes nothing, over any connection."""
    share = attach(lab, stopped)
    with leaving_as_is(lab, stopped.uuid, "the same attach again"):
        attach(lab, stopped, share)
        lab.second.attach_share(stopped, share, timeout=lab.patience)
    check(lab, stopped, share)


@covers(Capability.SHARES, Shares.attach_share)
def test_two_guests_share_one_directory(lab: Lab) -> None:
    """Several guests may use the same directory."""
    share = lab.rig.share()
    guests = [lab.spawn(power_on=False) for _ in range(2)]
    for guest in guests:
        attach(lab, guest, share)
        lab.compute.power_on(guest, timeout=lab.patience)
    for guest in guests:
        check(lab, guest, share)


@covers(Capability.SHARES, Shares.attach_share)
def test_directory_that_is_not_allowed_is_refused(lab: Lab, stopped: Instance) -> None:
    """A directory that the endpoint's options do not allow is PermissionDenied, and the guest stays as it is."""
    for share in lab.rig.forbidden_shares():
        with leaving_as_is(lab, stopped.uuid, "a refused share"), pytest.raises(PermissionDenied) as caught:
            attach(lab, stopped, share)
        assert share.source.path in caught.value.message, f"the error does not name {share.source.path}"
        assert caught.value.state_after is StateAfter.UNCHANGED


@covers(Capability.SHARES, Shares.attach_share)
def test_directory_that_is_not_there_is_refused(lab: Lab, stopped: Instance) -> None:
    """A directory that the host does not have is a StorageError that names it, and the guest stays as it is."""
    share = lab.rig.missing_share()
    with leaving_as_is(lab, stopped.uuid, "a refused share"), pytest.raises(StorageError) as caught:
        attach(lab, stopped, share)
    assert share.source.path in caught.value.message


@covers(Feature.SHARE_READ_ONLY, Shares.attach_share)
@needs(Capability.SHARES)
def test_share_is_read_only(lab: Lab, stopped: Instance) -> None:
    """A share that was asked for as read-only is one, on the backend too, also while the guest runs."""
    share = replace(lab.rig.share(), read_only=True)
    attach(lab, stopped, share)
    lab.compute.power_on(stopped, timeout=lab.patience)
    check(lab, stopped, share)


@covers(Capability.SHARES, Shares.attach_share)
def test_read_only_is_refused_where_it_is_unavailable(lab: Lab, stopped: Instance) -> None:
    """Where shares cannot be read-only, one that asks for it is NotSupported, with the reason, or attached as such."""
    answer = lab.compute.capabilities().answer(Feature.SHARE_READ_ONLY)
    share = replace(lab.rig.share(), read_only=True)
    if answer.available:
        attach(lab, stopped, share)
        check(lab, stopped, share)
        return
    with leaving_as_is(lab, stopped.uuid, "a refused share"):
        check_not_supported(
            lambda: attach(lab, stopped, share), Feature.SHARE_READ_ONLY, "share.read_only", answer.reason
        )
    attach(lab, stopped, replace(share, read_only=False))


# --- detached ---------------------------------------------------------------------------------------------------------


@covers(Capability.SHARES, Shares.detach_share, Shares.shares)
def test_detached_share_is_gone(lab: Lab, stopped: Instance) -> None:
    """A share that was detached is gone when the verb returns, also on the backend; the others stay."""
    gone, stays = attach(lab, stopped), attach(lab, stopped)
    detach(lab, stopped, gone)
    check(lab, stopped, stays)


@covers(Capability.SHARES, Shares.detach_share)
def test_detaching_a_share_is_idempotent(lab: Lab, stopped: Instance) -> None:
    """Detaching what is detached, or never was there, succeeds and changes nothing."""
    stays, gone = attach(lab, stopped), attach(lab, stopped)
    detach(lab, stopped, gone)
    with leaving_as_is(lab, stopped.uuid, "a detach of what is not there"):
        lab.second.detach_share(stopped, gone, timeout=lab.patience)
        lab.compute.detach_share(stopped, NO_SHARE, timeout=lab.patience)
    check(lab, stopped, stays)


@covers(Capability.SHARES, Shares.attach_share, Shares.detach_share, Driver.destroy)
def test_files_of_a_share_stay(lab: Lab) -> None:
    """What is in a shared directory stays as it is when the share is detached, and when its guest is destroyed."""
    first, second = lab.rig.share(), lab.rig.share()
    for share in (first, second):
        lab.rig.write_share(share, "letter", LETTER)
    with leaving_nothing(lab, "a guest with shares"):
        guest = lab.spawn(power_on=False)
        attach(lab, guest, first)
        attach(lab, guest, second)
        lab.compute.power_on(guest, timeout=lab.patience)
        lab.compute.power_off(guest, mode=PowerOff.HARD, timeout=lab.patience)
        detach(lab, guest, first)
        lab.compute.power_on(guest, timeout=lab.patience)
        lab.compute.destroy(guest, timeout=lab.patience)
    for share in (first, second):
        assert lab.rig.read_share(share, "letter") == LETTER


# --- of guests that run -----------------------------------------------------------------------------------------------


@covers(Feature.ATTACH_SHARES, Shares.attach_share, Shares.detach_share)
@needs(Capability.SHARES, Feature.SHARED_MEMORY)
def test_running_guest_gets_and_loses_shares(lab: Lab) -> None:
    """A running guest whose memory can be shared gets a share at once, keeps it, and gives another one back."""
    guest = lab.spawn(backing=SHARED)
    gone, stays = attach(lab, guest), attach(lab, guest)
    check(lab, guest, gone, stays)
    detach(lab, guest, gone)
    check(lab, guest, stays)
    assert lab.compute.instance(guest, fresh=True).power_state is RUNNING
    lab.compute.power_off(guest, mode=PowerOff.HARD, timeout=lab.patience)
    check(lab, guest, stays)


@covers(Feature.ATTACH_SHARES, Shares.attach_share)
@needs(Capability.SHARES)
def test_guest_that_was_started_with_a_share_gets_more(lab: Lab, stopped: Instance) -> None:
    """A guest that was given a share before it was started can be given another one while it runs."""
    first = attach(lab, stopped)
    lab.compute.power_on(stopped, timeout=lab.patience)
    check(lab, stopped, first, attach(lab, stopped))


@covers(Capability.SHARES, Suspend.suspend)
@needs(Capability.SUSPEND)
def test_suspend_takes_shares_along_or_names_them(lab: Lab, stopped: Instance) -> None:
    """A running guest with a share is suspended with it, or refused by an error that names the share."""
    share = attach(lab, stopped)
    lab.compute.power_on(stopped, timeout=lab.patience)
    refused = refusal(lab, stopped)
    if refused is None:
        lab.compute.resume(stopped, timeout=lab.patience)
    else:
        assert share.tag in refused.message, f"the error does not name the share: {refused.message}"
    assert lab.compute.instance(stopped, fresh=True).power_state is RUNNING
    check(lab, stopped, share)


def refusal(lab: Lab, guest: Instance) -> VirtError | None:
    """Suspend a guest; the error if that is refused."""
    try:
        lab.compute.suspend(guest, timeout=lab.patience)
    except (NotSupported, InvalidState) as error:
        return error
    return None


# --- as the guest sees them -------------------------------------------------------------------------------------------


def waiting_for(lab: Lab, share: Share, **fields: Any) -> Booted:
    """A stopped guest whose system, once started, waits for a share and answers the letter in it."""
    lab.rig.write_share(share, "letter", LETTER)
    seed = CloudInit(user_data=SCRIPT.replace("TAG", share.tag))
    spec = lab.booted.spec(cloud_init=seed, power_on=False, **fields)
    return Booted(lab, lab.compute.spawn(spec, timeout=lab.patience), spec)


def await_answer(lab: Lab, booted: Booted, share: Share) -> None:
    """Return once the guest has read the letter and answered it."""
    booted.await_until(lambda: lab.rig.read_share(share, "answer") == ANSWER, "the guest has answered in its share")


@covers(Capability.SHARES, Shares.attach_share)
@needs(Feature.CLOUD_INIT)
def test_guest_reads_and_writes_a_share(lab: Lab) -> None:
    """The guest's system mounts a share by its tag, reads what the host wrote, and writes what the host reads."""
    share = lab.rig.share()
    booted = waiting_for(lab, share)
    attach(lab, booted.guest, share)
    lab.compute.power_on(booted.guest, timeout=lab.patience)
    await_answer(lab, booted, share)


@covers(Feature.ATTACH_SHARES, Shares.attach_share, Shares.detach_share)
@needs(Capability.SHARES, Feature.CLOUD_INIT, Feature.SHARED_MEMORY)
def test_booted_guest_uses_a_share_that_comes_later(lab: Lab) -> None:
    """A guest's system mounts a share that comes while it runs, and gives it back without anybody's help."""
    share = lab.rig.share()
    booted = waiting_for(lab, share, backing=SHARED)
    lab.compute.power_on(booted.guest, timeout=lab.patience)
    booted.wait(lambda told: told.ready, "the guest's boot is over")
    attach(lab, booted.guest, share)
    await_answer(lab, booted, share)
    lab.compute.detach_share(booted.guest, share, timeout=lab.patience)
    check(lab, booted.guest)
    assert booted.state() is PowerState.RUNNING
