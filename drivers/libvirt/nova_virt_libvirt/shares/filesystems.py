"""The file systems that one guest shares with its host, as its definition and its QEMU have them."""

from __future__ import annotations

import posixpath
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import libvirt
from lxml import etree
from lxml.builder import E

from nova_virt_api.errors import BackendError, InvalidSpec, StorageError
from nova_virt_api.model.share import HostDirectory, Share
from nova_virt_libvirt.definition import PARSER
from nova_virt_libvirt.errors import HINTS, translated
from nova_virt_libvirt.letting_go import is_asked

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nova_virt_libvirt.domain import Domain

LIVE: Final[int] = libvirt.VIR_DOMAIN_AFFECT_LIVE
CONFIG: Final[int] = libvirt.VIR_DOMAIN_AFFECT_CONFIG
FINISHING_TEXTS: Final = ("command 'chardev-remove'",)
VIRTIOFS: Final = "devices/filesystem/driver[@type='virtiofs']/.."


@dataclass(frozen=True, slots=True)
class Filesystem:
    """A ``<filesystem>`` and the share that it is."""

    share: Share
    element: Any


class Filesystems:
    """The shares of one guest.

    Args:
        domain: the guest.
    """

    def __init__(self, domain: Domain) -> None:
        self._domain = domain

    def all(self) -> list[Share]:
        """Those that the guest has now, and after them those that it will have when it is started again."""
        found: dict[str, Share] = {}
        for part in self.parts():
            for one in self._read(part):
                found.setdefault(one.share.tag, one.share)
        return list(found.values())

    def find(self, tag: str) -> Share | None:
        """The share of this tag; None if there is none."""
        return next((share for share in self.all() if share.tag == tag), None)

    def lacking(self, tag: str) -> int:
        """The parts of the guest that have no share of this tag, as libvirt's flags."""
        return sum(part for part in self.parts() if not self.has(tag, part))

    def has(self, tag: str, part: int) -> bool:
        """Whether a share of this tag is in that part."""
        return any(one.share.tag == tag for one in self._read(part))

    def attach(self, share: Share, parts: int) -> None:
        """Give these parts of the guest a share.

        Raises:
            NoCapacity: the guest has no free slot.
            StorageError: it could not be shared.
            Busy: libvirt is doing something else with it.
        """
        with failing(f"attach share {share.tag}"):
            self._domain.native.attachDeviceFlags(etree.tostring(element_of(share), encoding="unicode"), parts)

    def detach(self, tag: str, part: int) -> None:
        """Take a share away from the running guest, which is thereby only asked to let go, or from its definition."""
        found = next((one for one in self._read(part) if one.share.tag == tag), None)
        if found is None:
            return
        with failing(f"detach share {tag}"):
            try:
                self._domain.native.detachDeviceFlags(etree.tostring(found.element, encoding="unicode"), part)
            except libvirt.libvirtError as error:
                missing = error.get_error_code() == libvirt.VIR_ERR_DEVICE_MISSING
                if not missing and not is_asked(error) and not is_finishing(error):
                    raise

    def parts(self) -> list[int]:
        """What the guest consists of now: the running machine, its definition, or both."""
        with translated("look at the guest"):
            native = self._domain.urgent
            parts = [LIVE] if native.isActive() else []
            return [*parts, CONFIG] if native.isPersistent() else parts

    def definition(self, part: int) -> Any:
        """The definition of one part."""
        with translated("look at the guest's shares"):
            flags = libvirt.VIR_DOMAIN_XML_INACTIVE if part == CONFIG else 0
            return etree.fromstring(self._domain.urgent.XMLDesc(flags), PARSER)

    def _read(self, part: int) -> list[Filesystem]:
        return list(filesystems_of(self.definition(part))) if part in self.parts() else []


def filesystems_of(definition: Any) -> Iterator[Filesystem]:
    """The shares of a definition; what somebody else defined and no share can be is left out."""
    for element in definition.iterfind(VIRTIOFS):
        source, target = element.find("source"), element.find("target")
        path = None if source is None else source.get("dir")
        if path is None or target is None:  # a daemon that somebody else runs
            continue
        try:
            directory = HostDirectory(path=posixpath.normpath(path))
            read_only = element.find("readonly") is not None
            yield Filesystem(Share(tag=target.get("dir", ""), source=directory, read_only=read_only), element)
        except InvalidSpec:
            continue


def is_finishing(error: libvirt.libvirtError) -> bool:
    """Whether the guest has let go, and QEMU has not yet let go of the server: libvirt has to be asked once more.

    QEMU takes a device out of its tree at once, and gives its parts free only when no thread can be looking at them
    (RCU). Who asks again in between hears from QEMU that there is no such device; libvirt takes that for the end, and
    removes the connection to the server, which is still busy.
    """
    return any(text in str(error) for text in FINISHING_TEXTS)


def directories_of(definition: Any) -> Iterator[str]:
    """All directories of the host that a definition shares, in whatever way."""
    for source in definition.iterfind("devices/filesystem/source[@dir]"):
        yield posixpath.normpath(source.get("dir"))


def element_of(share: Share) -> etree._Element:
    """A share as libvirt takes it."""
    element = E.filesystem(
        E.driver(type="virtiofs"), E.source(dir=share.source.path), E.target(dir=share.tag), type="mount"
    )
    if share.read_only:
        element.append(E.readonly())
    return element


@contextmanager
def failing(what: str) -> Iterator[None]:
    """Raise our errors for libvirt's; one of no other kind is about the share."""
    try:
        with translated(what):
            yield
    except BackendError as error:
        raise StorageError(error.message, hint=HINTS[StorageError]) from error.__cause__
