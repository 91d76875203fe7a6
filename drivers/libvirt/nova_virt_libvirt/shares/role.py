"""Directories that guests share with their host by virtiofs; libvirt runs a virtiofsd for each while the guest runs."""

from __future__ import annotations

from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Final

import libvirt
from lxml import etree

from nova_virt_api.driver.operation import CancelMode
from nova_virt_api.driver.shares import Shares
from nova_virt_api.errors import InvalidSpec, InvalidState, PermissionDenied, StateAfter, StorageError, VirtError
from nova_virt_api.model.instance import PowerState
from nova_virt_libvirt.claims.guest_claim import claimed, claimed_at_rest, guest_records
from nova_virt_libvirt.claims.host_claim import alone
from nova_virt_libvirt.definition import PARSER
from nova_virt_libvirt.errors import translated
from nova_virt_libvirt.health import refuse_silent
from nova_virt_libvirt.letting_go import LET_GO_SECONDS, lets_go
from nova_virt_libvirt.names import HOST_SHARES_KEY
from nova_virt_libvirt.native_call import in_time, is_left_behind
from nova_virt_libvirt.redefinition import WHOLE
from nova_virt_libvirt.shares.directories import is_within
from nova_virt_libvirt.shares.filesystems import CONFIG, LIVE, Filesystems, directories_of
from nova_virt_libvirt.shares.memory import is_shared, share_memory
from nova_virt_libvirt.verbs import OnDomains

if TYPE_CHECKING:
    from collections.abc import Sequence
    from contextlib import AbstractContextManager

    from nova_virt_api.driver.operation import Operation
    from nova_virt_api.model.identity import InstanceRef
    from nova_virt_api.model.share import Share
    from nova_virt_libvirt.domain import Domain
    from nova_virt_libvirt.shares.directories import ShareDirectories
    from nova_virt_libvirt.site import Site

CHANGEABLE: Final = (PowerState.RUNNING, PowerState.PAUSED, PowerState.SHUTDOWN)


class LibvirtShares(OnDomains, Shares):
    """The role Shares."""

    site: Site
    share_directories: ShareDirectories

    def shares(self, guest: InstanceRef) -> Sequence[Share]:
        return tuple(Filesystems(self.domains.find(guest)).all())

    def attach_share(self, guest: InstanceRef, share: Share, op: Operation) -> None:
        domain = self._sharing(guest)
        filesystems = Filesystems(domain)
        refuse_other(filesystems, share)
        if not filesystems.lacking(share.tag):
            return
        self.share_directories.require(share.source.path)
        refuse_nested(domain.urgent.connect(), share)
        refuse_private(domain, filesystems)
        refuse_silent(domain.urgent, f"attach share {share.tag}")
        try:
            with self._claimed(domain, filesystems, op):
                self._sharing(guest)
                refuse_private(domain, filesystems)
                op.stage("share the guest's memory")
                self._share_memory(domain, filesystems)
                op.stage("attach the share", CancelMode.IMMEDIATE)
                written = self._reserve(domain, filesystems, share, op)
                try:
                    attach(filesystems, share, filesystems.lacking(share.tag), op)
                except VirtError as error:
                    if written and not is_left_behind(error):
                        with suppress(VirtError):  # the error at hand says more; it can be detached
                            filesystems.detach(share.tag, CONFIG)
                    raise
        finally:
            self.domains.forget(guest.uuid)

    def detach_share(self, guest: InstanceRef, tag: str, op: Operation) -> None:
        domain = self._sharing(guest)
        filesystems = Filesystems(domain)
        op.stage("detach the share")
        try:
            if LIVE in filesystems.parts():
                unplug(domain, filesystems, tag, op)
            with claimed_at_rest(self.site, domain, op):
                self._sharing(guest)
                filesystems.detach(tag, CONFIG)  # last: until then a repeated call finds it
        finally:
            self.domains.forget(guest.uuid)

    def _sharing(self, guest: InstanceRef) -> Domain:
        domain = self.domains.owned(guest)
        domain.require_ready()
        domain.require(*CHANGEABLE)
        return domain

    def _claimed(self, domain: Domain, filesystems: Filesystems, op: Operation) -> AbstractContextManager[object]:
        """The guest's claim, if it is off or is going to be given another definition."""
        if CONFIG in filesystems.parts() and not is_shared(filesystems.definition(CONFIG)):
            return claimed(self.site, domain, op)
        return claimed_at_rest(self.site, domain, op)

    def _reserve(self, domain: Domain, filesystems: Filesystems, share: Share, op: Operation) -> bool:
        """Write the share into the guest's definition, where whoever attaches another one to any guest sees it.

        Of two who attach directories that lie in one another at the same time, the second one looks when the first is
        done. A guest without such a definition gets it at once; a guest's QEMU may take its time, and others wait
        meanwhile.

        Returns:
            Whether it was written now.
        """
        records = guest_records(self.site)
        with alone(records, HOST_SHARES_KEY, self.site.owner, op, "the directories that guests share"):
            refuse_other(filesystems, share)
            refuse_nested(domain.urgent.connect(), share)
            lacking = filesystems.lacking(share.tag)
            written = lacking & CONFIG
            attach(filesystems, share, written if CONFIG in filesystems.parts() else lacking, op)
        return bool(written)

    def _share_memory(self, domain: Domain, filesystems: Filesystems) -> None:
        """Let the guest's memory be shared from its next start. It stays so: that costs nothing that matters."""
        if CONFIG not in filesystems.parts() or is_shared(filesystems.definition(CONFIG)):
            return
        with translated("let the guest's memory be shared"):
            native = domain.native
            definition = etree.fromstring(native.XMLDesc(WHOLE), PARSER)
            share_memory(definition)
            native.isActive()  # else a guest that was removed meanwhile would be made again
            self.site.connection().defineXML(etree.tostring(definition, encoding="unicode"))


def attach(filesystems: Filesystems, share: Share, parts: int, op: Operation) -> None:
    """Let these parts of the guest have a share, if there are any.

    Raises:
        InvalidSpec: somebody else has attached another one of this tag meanwhile.
        Timeout: the guest stands still; it may still get the share.
    """
    try:
        if parts:
            in_time(lambda: filesystems.attach(share, parts), op)
    except StorageError:
        if filesystems.lacking(share.tag) & parts:
            raise
        refuse_other(filesystems, share)


def refuse_other(filesystems: Filesystems, share: Share) -> None:
    """Refuse a tag that stands for something else.

    Raises:
        InvalidSpec: it does.
    """
    there = filesystems.find(share.tag)
    if there is not None and there != share:
        how = "read-only" if there.read_only else "to read and write"
        raise InvalidSpec("share.tag", share.tag, f"another tag: this one stands for {there.source.path}, {how}")


def refuse_private(domain: Domain, filesystems: Filesystems) -> None:
    """Refuse a running guest whose memory cannot be shared.

    Raises:
        InvalidState: it is such a one.
    """
    if LIVE in filesystems.parts() and not is_shared(filesystems.definition(LIVE)):
        hint = "its memory is its own: stop it first, or make guests with MemoryBacking(shared=True)"
        raise InvalidState(domain.power_state, (PowerState.SHUTDOWN,), hint=hint)


def refuse_nested(connection: libvirt.virConnect, share: Share) -> None:
    """Refuse a directory inside another share, or around one.

    The guest that has the outer one could put a symbolic link in the inner one's place, and whoever shares that would
    be given what it points to.

    Raises:
        PermissionDenied: it is one.
    """
    path = share.source.path
    with translated("look at the shares of all guests"):
        texts = [text for domain in connection.listAllDomains(0) for text in texts_of(domain)]
    for text in texts:
        for other in directories_of(etree.fromstring(text, PARSER)):
            if path != other and (is_within(path, other) or is_within(other, path)):
                raise PermissionDenied(
                    f"directory {path} and {other}, which is a share of guests, lie in one another",
                    hint="share the same directory, or one beside it",
                )


def texts_of(domain: libvirt.virDomain) -> list[str]:
    """The definition that a domain has now, and the one that it is started from next; none of one that is gone."""
    try:
        texts = [domain.XMLDesc(0)]
        return [*texts, domain.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE)] if domain.isActive() else texts
    except libvirt.libvirtError as error:
        if error.get_error_code() == libvirt.VIR_ERR_NO_DOMAIN:
            return []
        raise


def unplug(domain: Domain, filesystems: Filesystems, tag: str, op: Operation) -> None:
    """Let the running guest give a share back.

    Raises:
        StorageError: the guest does not let go.
        Cancelled: somebody asked to; the guest may still obey.
        Timeout: the deadline came first; the guest may still obey.
    """
    paused = domain.power_state is PowerState.PAUSED
    asking = partial(in_time, partial(filesystems.detach, tag, LIVE), op)
    if not lets_go(lambda: filesystems.has(tag, LIVE), asking, op, paused=paused):
        reason = "it is paused" if paused else f"its operating system did not answer within {LET_GO_SECONDS:g} s"
        how = "unpause it" if paused else "stop it, or let its system start"
        raise StorageError(
            f"the guest does not let go of share {tag}: {reason}",
            hint=f"{how} and detach again",
            state_after=StateAfter.UNKNOWN,
        )
