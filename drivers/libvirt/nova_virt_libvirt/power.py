"""Starting, stopping and restarting guests."""

import time
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from threading import Thread
from typing import Final

import libvirt

from nova_virt_api.capability import Feature
from nova_virt_api.driver.driver import Driver
from nova_virt_api.driver.operation import CancelMode, Operation, Stage
from nova_virt_api.errors import Cancelled, NotSupported, StateAfter, Timeout
from nova_virt_api.model.identity import InstanceRef
from nova_virt_api.model.instance import Lifecycle, PowerOff, PowerState
from nova_virt_libvirt.claims.guest_claim import claimed
from nova_virt_libvirt.domain import Domain
from nova_virt_libvirt.errors import translated
from nova_virt_libvirt.host_connections.connected import ConnectedVolumes
from nova_virt_libvirt.host_connections.note import HostConnectionNote
from nova_virt_libvirt.machine.told_devices import tell_news
from nova_virt_libvirt.metadata import read_mark
from nova_virt_libvirt.native_call import in_seconds, in_time
from nova_virt_libvirt.network.vif import Owner, Vifs
from nova_virt_libvirt.network.vif_note import VifNote
from nova_virt_libvirt.resize.note import refuse_start_of_prepared
from nova_virt_libvirt.site import Site
from nova_virt_libvirt.verbs import OnDomains
from nova_virt_libvirt.volumes.errors import volume_errors

ASK_AGAIN_SECONDS: Final = 10.0
"""A guest that is still booting, or has its screen locked, may miss the first press of its power button."""

SWITCHABLE: Final = (Lifecycle.RESCUED, Lifecycle.RESIZE_PENDING)
"""Where in its life, beside READY, the power of a guest can be switched."""

START_SECONDS: Final = 60.0
"""What a guest may take to be started again after a verb that has failed; most take less than one."""

STARTING: Final = "start the guest"
OFF: Final = frozenset({PowerState.SHUTDOWN})
STOPPABLE: Final = (
    PowerState.RUNNING,
    PowerState.PAUSED,
    PowerState.CRASHED,
    PowerState.NOSTATE,
    PowerState.SHUTDOWN,
)


class LibvirtPower(OnDomains, Driver):
    """The power verbs."""

    site: Site

    def power_on(self, guest: InstanceRef, op: Operation) -> None:
        domain = self.domains.owned(guest, *SWITCHABLE)
        state = domain.require(PowerState.SHUTDOWN, PowerState.CRASHED, PowerState.RUNNING)
        if state is PowerState.RUNNING:
            return
        refuse_start_of_prepared(domain.mark)
        tell_news(self.site, domain, op)
        op.stage(Stage.BEFORE_START)
        op.stage(Stage.START, CancelMode.NONE)
        if state is PowerState.CRASHED:
            kill(domain)  # a crashed guest's QEMU is kept until somebody removes it
        plug_again(self.site.vifs, domain)
        connect_claimed(self.site, domain, op)
        start(domain, op)
        self.domains.forget(guest.uuid)

    def power_off(self, guest: InstanceRef, op: Operation, *, mode: PowerOff, grace_seconds: float) -> None:
        domain = self.domains.owned(guest, *SWITCHABLE)
        state = domain.require(*STOPPABLE)
        if state in OFF:
            return
        if mode is PowerOff.GRACEFUL and state is PowerState.RUNNING:
            op.stage(Stage.STOP, CancelMode.AT_NEXT_STEP)
            shut_down(domain, op, grace_seconds)
        else:
            op.stage(Stage.STOP, CancelMode.NONE)
        kill(domain)
        self.domains.forget(guest.uuid)

    def reboot(self, guest: InstanceRef, op: Operation, *, mode: PowerOff, grace_seconds: float) -> None:
        """Stop and start: it works from every state and takes a changed definition into use, a reset does not."""
        domain = self.domains.owned(guest, *SWITCHABLE)
        domain.require(*STOPPABLE)
        refuse_start_of_prepared(domain.mark)
        with translated("look at the guest"):
            persistent = bool(domain.urgent.isPersistent())
        if persistent:
            super().reboot(guest, op, mode=mode, grace_seconds=grace_seconds)
        elif mode is PowerOff.GRACEFUL:
            reason = "a transient guest would be gone when it stops; mode=HARD resets it"
            raise NotSupported(Feature.GRACEFUL_POWER_OFF, "mode", reason)
        else:
            op.stage(Stage.START, CancelMode.NONE)
            with translated("reset the guest"):
                domain.native.reset(0)


def connect_again(site: Site, domain: Domain, op: Operation) -> None:
    """Connect the volumes that the host had connected for a guest: a restart of the host took them.

    From another machine nobody can; then libvirt says which one is missing.

    Raises:
        VolumeError: one cannot be connected.
        Timeout: the deadline came first; the host may still connect it.
    """
    if HostConnectionNote.of(domain.mark).volumes and not site.initiator.refusal:
        in_time(lambda: connect_to_the_end(site, domain), op)


def connect_claimed(site: Site, domain: Domain, op: Operation) -> None:
    """As :func:`connect_again`, for verbs that do not hold the guest's claim: others may be changing its volumes.

    Raises:
        VolumeError: one cannot be connected.
        Busy: somebody else works on the guest, and went on until the deadline.
        Timeout: the deadline came first; the host may still connect it.
    """
    if HostConnectionNote.of(domain.mark).volumes and not site.initiator.refusal:
        with claimed(site, domain, op):
            connect_again(site, domain, op)


def connect_to_the_end(site: Site, domain: Domain) -> None:
    """As :func:`connect_again`, for verbs that neither a cancel nor the deadline stops any more.

    Raises:
        VolumeError: one cannot be connected.
    """
    if HostConnectionNote.of(domain.mark).volumes and not site.initiator.refusal:
        ConnectedVolumes(site.connection(), site.initiator, domain.native).connect_all()
        with translated("look at the guest's mark"):
            domain.mark = read_mark(domain.native) or domain.mark  # it tells of the devices that they are now


def plug_again(vifs: Vifs, domain: Domain) -> None:
    """Make the ports that os-vif had made for a guest, see :meth:`Vifs.plug_again`.

    Raises:
        NetworkError: os-vif could not make one.
    """
    vifs.plug_again(Owner(domain.uuid, domain.name), VifNote.of(domain.mark))


def start(domain: Domain, op: Operation) -> None:
    """Start a guest that is off; nothing happens to one that somebody else started meanwhile."""
    with starting(domain):
        in_time(domain.native.create, op)


def start_to_the_end(domain: Domain) -> None:
    """As :func:`start`, for verbs that neither a cancel nor the deadline stops any more.

    Raises:
        Timeout: it takes too long all the same; the guest may still start.
    """
    with starting(domain):
        in_seconds(domain.native.create, START_SECONDS, STARTING)


@contextmanager
def starting(domain: Domain) -> Iterator[None]:
    """Raise our errors for what libvirt raises while it starts a guest, unless that runs then."""
    try:
        with volume_errors(STARTING, only_known=True):
            yield
    except Exception:
        if domain.power_state is not PowerState.RUNNING:
            raise


def kill(domain: Domain) -> None:
    """Take a guest's power away; nothing happens to one that is off. A hung QEMU is killed like any other."""
    try:
        domain.urgent.destroy()
    except libvirt.libvirtError as error:
        if error.get_error_code() == libvirt.VIR_ERR_NO_DOMAIN:  # it was transient
            return
        if error.get_error_code() == libvirt.VIR_ERR_OPERATION_INVALID and domain.power_state in OFF:
            return
        with translated("stop the guest"):
            raise


def shut_down(domain: Domain, op: Operation, grace_seconds: float) -> None:
    """Ask a guest to stop, and wait until it has, or the grace time is over.

    Asking is left to a thread: a hung QEMU never answers, and its power is to be cut in time all the same.

    Raises:
        Cancelled: somebody asked to; the guest may still obey.
        Timeout: the deadline came first; the guest may still obey.
    """
    begun = time.monotonic()
    asked = begun
    request = in_background(domain)

    def is_over() -> bool:
        nonlocal asked, request
        now = time.monotonic()
        if domain.power_state in OFF or now - begun >= grace_seconds:
            return True
        if now - asked >= ASK_AGAIN_SECONDS and request.done():
            asked, request = now, in_background(domain)
        return False

    try:
        op.wait_until(is_over)
    except (Cancelled, Timeout) as error:
        error.state_after = StateAfter.UNKNOWN
        raise


def in_background(domain: Domain) -> "Future[None]":
    """Press the guest's power button, or ask its agent, on a thread of its own; errors show by the guest running on."""
    done: Future[None] = Future()

    def ask() -> None:
        with suppress(Exception):
            domain.native.shutdown()
        done.set_result(None)

    Thread(target=ask, name="nova-virt-libvirt-shutdown", daemon=True).start()
    return done
