"""Moving a running guest by libvirt: copying with progress, ending it early, giving it up."""

from __future__ import annotations

import threading
import time
from concurrent.futures import Future, wait
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import libvirt

from nova_virt_api.driver.operation import CancelMode
from nova_virt_api.errors import Cancelled, MigrationError, Timeout, VirtError
from nova_virt_api.model.units import GiB
from nova_virt_libvirt.errors import translate
from nova_virt_libvirt.migration.abort import Abort
from nova_virt_libvirt.migration.xml import live_xml, persistent_xml

if TYPE_CHECKING:
    from nova_virt_api.driver.operation import Operation
    from nova_virt_libvirt.migration.ticket import Offer, Plan, Room

LOOK: Final = 0.2
"""Seconds between two looks at the progress; that it is over is noticed at once."""

LEFT: Final = "paused due to previous migration"
"""QEMU says so of a guest that was paused when an attempt began whose process was killed right before its end."""

ALWAYS: Final[int] = libvirt.VIR_MIGRATE_LIVE | libvirt.VIR_MIGRATE_PERSIST_DEST
LEAST_GIB: Final = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """How guests are moved from here.

    Args:
        bandwidth_mib: most mebibytes a second; 0 for no limit.
        auto_converge: slow a guest down step by step while it changes its memory faster than it can be copied.
        post_copy: allow to start a guest there before all of its memory is.
        seconds_per_gib: time for each gibibyte that is to be copied; 0 for as long as it takes.
        complete: whether a guest that has used up its time is moved at its expense; else it stays here.
    """

    bandwidth_mib: int
    auto_converge: bool
    post_copy: bool
    seconds_per_gib: int
    complete: bool

    @classmethod
    def of(cls, options: Any) -> Policy:
        """As the driver's options say."""
        return cls(
            bandwidth_mib=options.migration_bandwidth_mib,
            auto_converge=options.migration_auto_converge,
            post_copy=options.migration_post_copy,
            seconds_per_gib=options.migration_seconds_per_gib,
            complete=options.migration_when_late == "complete",
        )

    def seconds_for(self, total_bytes: float) -> float | None:
        """The time that a guest has; None for as long as it takes."""
        gibibytes = max(LEAST_GIB, total_bytes / GiB(1))
        return self.seconds_per_gib * gibibytes if self.seconds_per_gib else None


class Copying:
    """The move of one guest, from the first byte until it runs there, or here again.

    Args:
        here: the guest's domain at the source.
        there: a connection to the destination.
        plan: what the source decided.
        room: what the destination prepared.
        offer: what the destination said of itself.
        policy: how guests are moved from here.
        op: the operation worked for.
    """

    def __init__(
        self, here: Any, there: Any, plan: Plan, room: Room, offer: Offer, policy: Policy, op: Operation
    ) -> None:
        self._here = here
        self._there = there
        self._plan = plan
        self._room = room
        self._offer = offer
        self._policy = policy
        self._op = op
        self._done: Future[Any] = Future()
        self._begun = time.monotonic()
        self._progress = (0.0, 0.0)
        self._hastened = threading.Event()

    def run(self) -> None:
        """Return when the guest runs there.

        Raises:
            Cancelled: somebody asked to in time; the guest runs here.
            Timeout: the deadline came first; the guest runs here.
            MigrationError: it failed or took longer than it may; the guest runs here.
            libvirt.libvirtError: libvirt gave up; where the guest is must be looked for.
        """
        self._op.stage("copy memory and disks", CancelMode.IMMEDIATE)
        self._op.on_cancel(self._abort)
        self._op.on_complete_now(self.hasten)
        threading.Thread(target=self._migrate, name="nova-virt-libvirt-migrate", daemon=True).start()
        try:
            self._follow()
        except (Cancelled, Timeout, MigrationError):
            if self._give_up():
                return  # too late: it runs there
            raise

    def hasten(self) -> None:
        """End the copying at the guest's expense."""
        self._hastened.set()
        if self._policy.post_copy:
            with suppress(libvirt.libvirtError):  # disks are still being copied
                self._here.migrateStartPostCopy(0)
                return
        with suppress(libvirt.libvirtError):  # it has just ended
            self._here.suspend()

    # --- libvirt's part -------------------------------------------------------------------------------------------

    def _migrate(self) -> None:
        try:
            self._here.migrate3(self._there, self._parameters(), self._flags())
        except (libvirt.libvirtError, VirtError) as error:
            self._done.set_exception(error)
        else:
            self._done.set_result(None)

    def _flags(self) -> int:
        flags = ALWAYS
        if self._plan.shared or self._plan.volumes:
            flags |= libvirt.VIR_MIGRATE_UNSAFE  # that it is shared we know, libvirt only knows some file systems
        if self._plan.copied:
            overlays = self._room.overlays
            flags |= libvirt.VIR_MIGRATE_NON_SHARED_INC if overlays else libvirt.VIR_MIGRATE_NON_SHARED_DISK
        for wanted, flag in (
            (self._offer.tls, libvirt.VIR_MIGRATE_TLS),
            (self._policy.auto_converge, libvirt.VIR_MIGRATE_AUTO_CONVERGE),
            (self._policy.post_copy, libvirt.VIR_MIGRATE_POSTCOPY),
        ):
            if wanted:
                flags |= flag
        return flags

    def _parameters(self) -> dict[str, Any]:
        parameters: dict[str, Any] = {
            libvirt.VIR_MIGRATE_PARAM_DEST_XML: live_xml(self._here, self._room, self._offer),
            libvirt.VIR_MIGRATE_PARAM_PERSIST_XML: persistent_xml(self._here, self._room, self._offer),
        }
        if self._offer.address is not None:
            host = f"[{self._offer.address}]" if ":" in self._offer.address else self._offer.address
            parameters[libvirt.VIR_MIGRATE_PARAM_URI] = f"tcp://{host}"
            parameters[libvirt.VIR_MIGRATE_PARAM_LISTEN_ADDRESS] = self._offer.address
        if self._policy.bandwidth_mib:
            parameters[libvirt.VIR_MIGRATE_PARAM_BANDWIDTH] = self._policy.bandwidth_mib
        if self._plan.copied:
            parameters[libvirt.VIR_MIGRATE_PARAM_MIGRATE_DISKS] = list(self._plan.copied)
        return parameters

    # --- following it ---------------------------------------------------------------------------------------------

    def _follow(self) -> None:
        while not wait([self._done], LOOK).done:
            self._op.checkpoint()
            self._look()
        try:
            self._done.result()
        except libvirt.libvirtError:
            self._op.checkpoint()  # a cancel has ended it: libvirt may tell what went wrong because of that
            raise

    def _look(self) -> None:
        try:
            stats = self._here.jobStats(0)
        except libvirt.libvirtError:  # it has not begun, or is over
            return
        done, total = float(stats.get("data_processed", 0)), float(stats.get("data_total", 0))
        total = max(self._progress[1], total, done)
        self._progress = (max(self._progress[0], min(done, total)), total)
        self._op.progress(*self._progress)
        self._judge(total)

    def _judge(self, total: float) -> None:
        """Do something about a guest that has used up its time."""
        limit = self._policy.seconds_for(total)
        if limit is None or time.monotonic() - self._begun < limit or self._hastened.is_set():
            return
        if self._policy.complete:
            self.hasten()
            return
        message = f"the guest changes its memory faster than it can be copied; given up after {limit:.0f} seconds"
        hint = "complete_now() ends it at the guest's expense; see the options migration_when_late and _seconds_per_gib"
        raise MigrationError("migrate", message, hint=hint)

    # --- giving up ------------------------------------------------------------------------------------------------

    def _give_up(self) -> bool:
        """End it and wait until it has ended; whether the guest runs there all the same."""
        abort = Abort(self._here)
        while not abort.until(self._done.done):
            wait([self._done], LOOK)
        try:
            self._done.result()
        except (libvirt.libvirtError, VirtError):
            if abort.stopped or self._hastened.is_set():
                self._let_run()
            return False
        return True

    def _abort(self) -> None:
        with suppress(libvirt.libvirtError):  # it has not begun, or is over
            self._here.abortJob()

    def _let_run(self) -> None:
        """Let go on here what was stopped only to end the copying."""
        if not self._plan.paused:
            with suppress(libvirt.libvirtError):
                if self._here.state()[0] == libvirt.VIR_DOMAIN_PAUSED:
                    self._here.resume()


def failure(error: libvirt.libvirtError) -> MigrationError:
    """Why libvirt could not move the guest, which runs here as before."""
    found = translate(error, "move the guest")
    hint = found.hint or "look at the log of libvirt's daemon at the destination"
    if LEFT in found.message:
        hint = "unpause the guest, then move it: QEMU takes a paused one for one that has gone"
    return MigrationError("migrate", found.message, hint=hint)
