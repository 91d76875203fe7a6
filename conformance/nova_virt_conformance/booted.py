"""A guest with the kit's image in it, which has booted and tells on its serial console what it finds."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final
from uuid import uuid4

from nova_virt_api.capability import Capability, Feature
from nova_virt_api.compute.operation import Operation
from nova_virt_api.errors import InstanceNotFound, InvalidSpec, NotSupported, Timeout
from nova_virt_api.model.cloud_init import CloudInit
from nova_virt_api.model.disk import Blank, Disk, DiskBus
from nova_virt_api.model.image import ImageSource
from nova_virt_api.model.instance import PowerState
from nova_virt_api.model.nic import Nic, NicModel
from nova_virt_api.model.units import MiB
from nova_virt_conformance.guest_image.markers import GuestReport
from nova_virt_conformance.outcome import NotVerified

if TYPE_CHECKING:
    from collections.abc import Callable

    from nova_virt_api.model.instance import Instance
    from nova_virt_api.model.spec import InstanceSpec
    from nova_virt_conformance.lab import Lab

BOOT_PATIENCE: Final = 90.0
"""Seconds that a boot may take; without hardware virtualisation on a busy machine it is a matter of half a minute."""

GRACE: Final = 60.0
"""Seconds within which a guest that is asked to stop does so; it needs a few of them."""

MEMORY: Final = MiB(256)
WHOLE_LOG: Final = MiB(8)
HOSTNAME: Final = "named-by-the-seed"
MACS: Final = ("52:54:00:c0:4f:01", "52:54:00:c0:4f:02")
KEYS: Final = (
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGNvbmZvcm1hbmNlLWtpdC1vbmUtb25lLW9uZQ== one@conformance",
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGNvbmZvcm1hbmNlLWtpdC10d28tdHdvLXR3bw== two@conformance",
)

DATA_DISKS: Final = ((MiB(24), DiskBus.SATA), (MiB(40), DiskBus.SCSI))
"""Sizes and buses of the disks beside the one to boot from; no two disks have the same size."""

CLOCK: Final = """#!/bin/sh
(
    count=0
    while :; do
        count=$((count + 1))
        printf 'conformance-clock: %d\\n' $count >/dev/console
        sleep 0.25
    done
) &
(
    for disk in /sys/block/*; do
        [ "$(cat "$disk/size")" = SECTORS ] || continue
        device=/dev/${disk##*/}
        mke2fs "$device" >/dev/null 2>&1 && mkdir /rest && mount -t ext4 "$device" /rest || exit
        count=0
        while :; do
            count=$((count + 1))
            echo $count >/rest/count
            printf 'conformance-writes: %d\\n' $count >/dev/console
            sleep 0.25
        done
    done
) &
exit 7
""".replace("SECTORS", str(DATA_DISKS[0][0] // 512))
"""User data that is a script: it leaves a clock running that counts on the console, and ends with a code of its own.

On the first of the data disks, if it is there, it makes a file system, writes to it all the time and counts that too.
"""

CHOICE: Final = re.compile(r"(disks|nics)\[(?P<index>\d+)\]\.(?P<choice>bus|model)")
"""Fields for which an endpoint need not take every value."""

WRITE: Final = re.compile(rb"conformance-writes: (\d+)\r?\n")
TICK: Final = re.compile(rb"conformance-clock: (\d+)\r?\n")


class Booted:
    """One booted guest.

    Args:
        lab: where it is.
        guest: the guest.
        spec: what it was made from.
    """

    def __init__(self, lab: Lab, guest: Instance, spec: InstanceSpec) -> None:
        self._lab = lab
        self.guest: Final = guest
        self.spec: Final = spec

    def log(self) -> bytes:
        """All that it has written so far."""
        if not self._lab.compute.capabilities().has(Capability.CONSOLE_LOG):
            return self._lab.rig.guest_log(self.guest.uuid)
        return self._lab.compute.console_log(self.guest, max_bytes=WHOLE_LOG)

    def report(self) -> GuestReport:
        """What it has told since it last started."""
        return GuestReport.read(self.log())

    def wait(self, told: Callable[[GuestReport], bool], what: str) -> GuestReport:
        """What it has told, once this holds.

        Raises:
            AssertionError: it does not, within the time of a boot.
        """
        self.await_until(lambda: told(self.report()), what)
        return self.report()

    def await_until(self, condition: Callable[[], bool], what: str) -> None:
        """Return once a condition of the guest holds.

        Raises:
            AssertionError: it does not, within the time of a boot.
        """
        waiting = Operation[Any]("wait", self.guest.uuid, timeout=BOOT_PATIENCE)
        try:
            waiting.wait_until(condition)
        except Timeout:
            log = self.log().decode(errors="replace")
            raise AssertionError(
                f"not within {BOOT_PATIENCE:g} s: {what}; its console ends with\n{log[-2000:]}"
            ) from None

    def boots(self) -> int:
        """How often it has started, as its console tells."""
        return self.report().boots

    def ticks(self) -> int:
        """What its clock has counted to; the clock begins anew at each boot.

        Raises:
            NotVerified: it has none, as it got no user data.
        """
        if self.spec.cloud_init is None:
            raise NotVerified("the guest's clock comes with its first-boot data, which the endpoint does not give it")
        counted = TICK.findall(self.log())
        return int(counted[-1]) if counted else 0

    def writes(self) -> int:
        """How often it has written to its file system since it made that, which it does at each boot.

        Raises:
            NotVerified: it has none.
        """
        if not self.has_filesystem():
            raise NotVerified("the guest has no disk of its own to write to")
        self.await_until(lambda: WRITE.search(self.log()) is not None, "the guest has a file system")
        return int(WRITE.findall(self.log())[-1])

    def has_filesystem(self) -> bool:
        """Whether it makes a file system on one of its disks."""
        sizes = [disk.size_bytes for disk in self.spec.disks]
        return self.spec.cloud_init is not None and DATA_DISKS[0][0] in sizes

    def state(self) -> PowerState:
        """Its power state."""
        return self._lab.compute.instance(self.guest, fresh=True).power_state


class BootedGuests:
    """Makes them, and keeps one that tests share because a boot costs seconds.

    Args:
        lab: where they are made.
    """

    def __init__(self, lab: Lab) -> None:
        self._lab = lab
        self._shared: Booted | None = None

    def running(self) -> Booted:
        """The shared guest, running and its boot over; it has as many kinds of devices as the endpoint has."""
        booted = self._there()
        if booted is not None and booted.state() is PowerState.SHUTDOWN:
            before = booted.boots()
            self._lab.compute.power_on(booted.guest, timeout=BOOT_PATIENCE)
            booted.wait(lambda told: told.boots > before and told.ready, "the guest has started again")
        if booted is not None and booted.state() is PowerState.RUNNING:
            return booted
        return self._made_anew()

    def stopped(self) -> Booted:
        """The shared guest, stopped after it has booted."""
        booted = self._there() or self._made_anew()
        self._lab.compute.power_off(booted.guest, grace_seconds=GRACE, timeout=BOOT_PATIENCE)
        return booted

    def boot(self, spec: InstanceSpec) -> Booted:
        """A new guest from the image, once its boot is over."""
        guest = self._lab.compute.spawn(spec, timeout=BOOT_PATIENCE)
        booted = Booted(self._lab, guest, spec)
        booted.wait(lambda told: told.ready, "the guest's boot is over")
        return booted

    def spec(self, source: ImageSource | None = None, **fields: Any) -> InstanceSpec:
        """A guest with one disk from an image, by default the target's, and one NIC.

        Raises:
            NotVerified: the target names no image, or what a guest writes cannot be read.
            NotApplicable: no guest writes anything here.
        """
        image = source or self._lab.target.image
        if image is None:
            raise NotVerified("the target names no image of a guest that tells what it finds")
        if not self._lab.compute.capabilities().has(Capability.CONSOLE_LOG):
            self._lab.rig.guest_log(uuid4())  # says now if what a guest tells cannot be read
        return self._lab.spec(**({"disks": (Disk(source=image),), "memory_bytes": MEMORY} | fields))

    def _boot_what_is_taken(self, spec: InstanceSpec) -> Booted:
        """A guest without those buses and models that the endpoint refuses: which it has, it does not say."""
        while True:
            try:
                return self.boot(spec)
            except (InvalidSpec, NotSupported) as error:
                spec = without(spec, error)

    def _there(self) -> Booted | None:
        """The shared guest; None if there is none, or none any more."""
        if self._shared is None:
            return None
        try:
            self._shared.state()
        except InstanceNotFound:
            self._shared = None
        return self._shared

    def _made_anew(self) -> Booted:
        """The shared guest, made now; whatever a test has left of the one before goes with the next clean-up."""
        if self._shared is not None:
            self._lab.release(self._shared.guest)
            self._shared = None
        booted = self._boot_what_is_taken(self._rich_spec())
        self._lab.keep(booted.guest)
        self._shared = booted
        return booted

    def _rich_spec(self) -> InstanceSpec:
        """As many kinds of devices as the endpoint declares and takes."""
        has = self._lab.compute.capabilities().has
        spec = self.spec()
        disks, networks = list(spec.disks), [self._lab.target.network]
        if has(Feature.MULTIPLE_DISKS) and has(Feature.BLANK_DISK):
            disks += [Disk(source=Blank(), size_bytes=size, bus=self._bus(bus)) for size, bus in DATA_DISKS]
        if has(Feature.MULTIPLE_NICS):
            networks.append(self._lab.target.networks[-1])
        models = (NicModel.VIRTIO, NicModel.E1000) if has(Feature.NIC_MODEL) else (None, None)
        macs = MACS if has(Feature.NIC_MAC) else (None, None)
        cards = zip(networks, macs, models, strict=False)
        nics = tuple(Nic(network=network, mac=mac, model=model) for network, mac, model in cards)
        seed = CloudInit(user_data=CLOCK, hostname=HOSTNAME, ssh_authorized_keys=KEYS)
        first_boot = seed if has(Feature.CLOUD_INIT) else None
        return self.spec(vcpus=2, disks=tuple(disks), nics=nics, cloud_init=first_boot)

    def _bus(self, bus: DiskBus) -> DiskBus | None:
        return bus if self._lab.compute.capabilities().has(Feature.DISK_BUS) else None


def without(spec: InstanceSpec, refused: InvalidSpec | NotSupported) -> InstanceSpec:
    """The spec without the bus or the model that was refused.

    Raises:
        VirtError: something else was refused.
    """
    match = CHOICE.fullmatch(refused.field)
    if match is None:
        raise refused
    index = int(match["index"])
    if match["choice"] == "bus":
        disks = [replace(disk, bus=None) if number == index else disk for number, disk in enumerate(spec.disks)]
        return replace(spec, disks=disks)
    nics = [replace(nic, model=None) if number == index else nic for number, nic in enumerate(spec.nics)]
    return replace(spec, nics=nics)
