"""Rescue: a guest is started from another disk for a while, with its own disks at hand."""

from __future__ import annotations

from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from nova_virt_api.capability import Capability
from nova_virt_api.driver.operation import CancelMode, Stage
from nova_virt_api.driver.rescue import Rescue
from nova_virt_api.errors import InvalidSpec, InvalidState, NotSupported, StateAfter, VirtError
from nova_virt_api.model.image import ImageFormat
from nova_virt_api.model.instance import Lifecycle, PowerState
from nova_virt_libvirt.boot_disk import boot_disk_of
from nova_virt_libvirt.claims.guest_claim import claimed
from nova_virt_libvirt.errors import translated
from nova_virt_libvirt.foreign import volume_of
from nova_virt_libvirt.images.overlay import base_in_pool, fetched_image, new_overlay
from nova_virt_libvirt.machine.told_devices import tell_news_now
from nova_virt_libvirt.metadata import Mark, read_mark, write_mark
from nova_virt_libvirt.names import rescue_disk_name, rescue_seed_name, seed_name
from nova_virt_libvirt.places import Places
from nova_virt_libvirt.power import connect_again, connect_to_the_end, kill, plug_again, start, start_to_the_end
from nova_virt_libvirt.redefinition import Redefinition
from nova_virt_libvirt.remains import volumes_of
from nova_virt_libvirt.rescue.definition import disk_of, put_rescue_in, take_rescue_out
from nova_virt_libvirt.rescue.note import ROLE, RescueNote, Step, rescue_note
from nova_virt_libvirt.rescue.seed import check_password, rescue_seed
from nova_virt_libvirt.storage.pools import Pool, Volume
from nova_virt_libvirt.verbs import OnDomains

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nova_virt_api.driver.operation import Operation
    from nova_virt_api.model.identity import InstanceRef
    from nova_virt_api.model.image import ImageSource
    from nova_virt_api.model.secret import Secret
    from nova_virt_libvirt.boot_disk import BootDisk
    from nova_virt_libvirt.domain import Domain
    from nova_virt_libvirt.site import Site

RESCUABLE: Final = (PowerState.RUNNING, PowerState.PAUSED, PowerState.SHUTDOWN, PowerState.CRASHED)
AWAKE: Final = (*RESCUABLE, PowerState.NOSTATE)


class LibvirtRescue(OnDomains, Rescue):
    """The role Rescue."""

    site: Site
    rescue_image: ImageSource | None

    def rescue(
        self, guest: InstanceRef, op: Operation, *, image: ImageSource | None = None, password: Secret | None = None
    ) -> None:
        if password is not None:
            check_password(password)
        domain = self._rescuable(guest)
        if domain is None:
            return
        with claimed(self.site, domain, op), self._forgetting(guest):
            domain = self._rescuable(guest)
            if domain is not None:
                Rescuing(self.site, domain, op).enter(image or self.rescue_image, password)

    def unrescue(self, guest: InstanceRef, op: Operation) -> None:
        domain = self.domains.owned(guest, Lifecycle.RESCUED, Lifecycle.ERROR)
        if domain.lifecycle is not Lifecycle.RESCUED and not Rescuing(self.site, domain, op).has_media():
            return
        with claimed(self.site, domain, op), self._forgetting(guest):
            domain = self.domains.owned(guest, Lifecycle.RESCUED, Lifecycle.ERROR)
            Rescuing(self.site, domain, op).leave()

    def _rescuable(self, guest: InstanceRef) -> Domain | None:
        """The guest; None if it is rescued already."""
        domain = self.domains.owned(guest, Lifecycle.RESCUED)
        note = rescue_note(domain.mark)
        if note is not None and note.step is Step.THERE:
            return None
        state = domain.power_state
        if state not in RESCUABLE:
            raise InvalidState(state, RESCUABLE, hint="resume it first")
        return domain

    @contextmanager
    def _forgetting(self, guest: InstanceRef) -> Iterator[None]:
        try:
            yield
        finally:
            self.domains.forget(guest.uuid)


class Rescuing:
    """One rescue, or its end. The guest's claim is held.

    Args:
        site: the endpoint.
        domain: the guest.
        op: the operation worked for.
    """

    def __init__(self, site: Site, domain: Domain, op: Operation) -> None:
        self._site = site
        self._connection = site.connection()
        self._places = Places(self._connection, site.pool)
        self._domain = domain
        self._op = op

    def enter(self, image: ImageSource | None, password: Secret | None) -> None:
        """Start the rescue system. What fails before the guest is stopped leaves it as it was."""
        if rescue_note(self._domain.mark) is not None:
            self._op.stage(Stage.CLEAN_UP, CancelMode.NONE)
            self._restore()  # somebody began to rescue it, or to end that, and is gone
        definition = Redefinition(self._connection, self._domain.uuid)
        self._refuse_transient(definition)
        boot = boot_disk_of(self._connection, definition.root)
        try:
            disk = self._make_disk(boot, image)
            seed = None if password is None else self._make_seed(definition, disk.pool, password)
            bus = "" if boot is None else boot.bus
            note = put_rescue_in(definition.root, self._domain.uuid, bus, disk.path(), seed)
            ran = self._domain.power_state in (PowerState.RUNNING, PowerState.PAUSED)
            self._op.stage(Stage.STOP, CancelMode.NONE)
            kill(self._domain)
        except BaseException:
            with suppress(VirtError):  # the error at hand says more; the next rescue, or destroy, removes them
                self._remove_media()
            raise
        self._swap(definition, note, ran=ran)

    def leave(self) -> None:
        """Start the guest from its own disk, and remove the rescue system."""
        note = rescue_note(self._domain.mark)
        if note is None:
            self._remove_media()
            return
        self._domain.require(*AWAKE)
        self._op.stage(Stage.STOP, CancelMode.NONE)
        if note.step is not Step.LEAVING:
            kill(self._domain)
        try:
            if note.step is not Step.LEAVING:
                definition = Redefinition(self._connection, self._domain.uuid)
                take_rescue_out(definition.root, self._domain.uuid, note)
                definition.define(self._marked(replace(note, step=Step.LEAVING)))
                kill(self._domain)  # it may have been started once more before that
            self._start()
            self._remove_media()
            self._write(None)
        except VirtError as error:
            error.state_after = StateAfter.CHANGED
            raise

    def has_media(self) -> bool:
        """Whether there are media of a rescue system, in use or left by somebody who is gone."""
        return bool(self._media())

    # --- the steps ------------------------------------------------------------------------------------------------

    def _swap(self, definition: Redefinition, note: RescueNote, *, ran: bool) -> None:
        """Start the rescue system in place of a guest that was stopped; if that fails, the guest again if it ran."""
        try:
            definition.define(self._marked(note))
            kill(self._domain)  # it may have been started once more before that
            self._start()
            self._write(replace(note, step=Step.THERE))
        except VirtError as error:
            error.state_after = StateAfter.CHANGED
            with suppress(VirtError):  # the error at hand says more; rescued once more, or unrescued, it is mended
                self._put_back(note, start_again=ran)
                error.state_after = StateAfter.CHANGED if ran else StateAfter.UNCHANGED
            raise

    def _put_back(self, note: RescueNote, *, start_again: bool) -> None:
        now = Redefinition(self._connection, self._domain.uuid)
        if disk_of(now.devices, rescue_disk_name(self._domain.uuid)) is not None:
            kill(self._domain)
            take_rescue_out(now.root, self._domain.uuid, note)
            now.define(self._marked(None))
        self._remove_media()
        if start_again:
            self._start_again()

    def _restore(self) -> None:
        """Put the definition back that an interrupted verb has changed; the guest is off then."""
        note = rescue_note(self._domain.mark)
        if note is not None:
            self._put_back(note, start_again=False)
            self._write(None)

    def _start(self) -> None:
        self._op.stage(Stage.START, CancelMode.NONE)
        plug_again(self._site.vifs, self._domain)
        connect_again(self._site, self._domain, self._op)
        self._tell_news()
        start(self._domain, self._op)

    def _start_again(self) -> None:
        """Start a guest that was stopped for nothing. What ended the rescue, e.g. its deadline, does not end that."""
        self._op.stage(Stage.START, CancelMode.NONE)
        plug_again(self._site.vifs, self._domain)
        connect_to_the_end(self._site, self._domain)
        self._tell_news()
        start_to_the_end(self._domain)

    def _tell_news(self) -> None:
        tell_news_now(self._connection, self._domain.native, self._domain.uuid)
        with translated("look at the guest's mark"):
            self._domain.mark = read_mark(self._domain.native) or self._domain.mark

    def _marked(self, note: RescueNote | None) -> Mark:
        """The guest's mark with this note; None for a guest that is not rescued."""
        mark = self._domain.mark
        assert mark is not None, "guests are rescued only where marks are written"  # noqa: S101 - see capabilities
        if note is None:
            return replace(mark.noting(ROLE, None), standing=None)
        return replace(mark.noting(ROLE, note.encode()), standing=Lifecycle.RESCUED)

    def _write(self, note: RescueNote | None) -> None:
        with translated("write the guest's mark"):
            write_mark(self._domain.native, self._marked(note))

    # --- what it is made of ---------------------------------------------------------------------------------------

    def _refuse_transient(self, definition: Redefinition) -> None:
        with translated("look at the guest"):
            persistent = definition.native.isPersistent()
        if not persistent:
            reason = "a transient guest is gone when it stops; give it a definition first (virsh define)"
            raise NotSupported(Capability.RESCUE, reason=reason)

    def _make_disk(self, boot: BootDisk | None, image: ImageSource | None) -> Volume:
        """The rescue disk, beside the guest's own if that is a volume of files, as an overlay of the image."""
        self._remove_media()
        pool = self._places.records_pool() if boot is None or not boot.is_in_files else boot.volume.pool
        name = rescue_disk_name(self._domain.uuid)
        if image is not None:
            with fetched_image(self._site, self._places, image, "image", self._op) as found:
                base = base_in_pool(self._site, pool, found, self._op)
                return new_overlay(pool, name, found.virtual_size_bytes, base, self._op)
        own = None if boot is None else boot.image()
        if boot is None or own is None:
            allowed = "an image: the guest's own disk was made from none, and the option rescue_image names none"
            raise InvalidSpec("image", None, allowed)
        return new_overlay(pool, name, boot.volume.capacity_bytes(), own, self._op)

    def _make_seed(self, definition: Redefinition, pool: Pool, password: Secret) -> str:
        """First-boot data with the password, beside the rescue disk."""
        own = self._own_seed(definition)
        before = None if own is None else own.read(own.capacity_bytes())
        content = rescue_seed(password, self._domain.uuid, self._domain.name, before)
        volume = pool.create(rescue_seed_name(self._domain.uuid), len(content), ImageFormat.RAW)
        volume.write(content)
        return volume.path()

    def _own_seed(self, definition: Redefinition) -> Volume | None:
        """The guest's own first-boot data."""
        medium = disk_of(definition.devices, seed_name(self._domain.uuid))
        if medium is None:
            return None
        with translated("look at the guest's first-boot data"):
            native = volume_of(self._connection, medium)
            return (
                None if native is None else Volume(Pool(self._connection, native.storagePoolLookupByVolume()), native)
            )

    def _remove_media(self) -> None:
        for pool, name in self._media():
            pool.remove(name)

    def _media(self) -> list[tuple[Pool, str]]:
        names = (rescue_disk_name(self._domain.uuid), rescue_seed_name(self._domain.uuid))
        found = volumes_of(self._domain.uuid, self._places.active_pools())
        return [(pool, name) for pool, name in found if name in names]
