"""Our mark in a domain's ``<metadata>``: the guest's record and labels, in a namespace of ours."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any, Final
from uuid import UUID

import libvirt
from lxml import etree

from nova_virt_api.errors import VirtError
from nova_virt_api.model.instance import Lifecycle
from nova_virt_api.model.labels import NO_LABELS, Labels
from nova_virt_api.model.record import Phase, Record

NAMESPACE: Final = "https://nova-virt.org/libvirt/1"
PREFIX: Final = "nv"
INSTANCE: Final = f"{{{NAMESPACE}}}instance"
LABEL: Final = f"{{{NAMESPACE}}}label"
BARE_LABEL: Final = "label"
"""``virDomainGetMetadata`` takes the namespace off all that it gives."""

NOTE: Final = f"{{{NAMESPACE}}}note"
BARE_NOTE: Final = "note"
NO_NOTES: Final[Mapping[str, str]] = MappingProxyType({})

LIFECYCLES: Final = {
    Phase.BUILDING: Lifecycle.BUILDING,
    Phase.READY: Lifecycle.READY,
    Phase.DELETING: Lifecycle.DELETING,
}


@dataclass(frozen=True, slots=True)
class Mark:
    """What a domain says about the guest that it is.

    Args:
        record: the guest's record; its native id is the domain's uuid.
        labels: the caller's pairs.
        standing: what a complete guest is in the middle of, e.g. RESCUED; None for nothing.
        notes: what roles have to remember of the guest, by the role's name, each in a form of the role's own.
    """

    record: Record
    labels: Mapping[str, str] = NO_LABELS
    standing: Lifecycle | None = None
    notes: Mapping[str, str] = field(default_factory=lambda: NO_NOTES, hash=False)

    @property
    def lifecycle(self) -> Lifecycle:
        """Where the guest stands."""
        if self.record.phase is Phase.READY and self.standing is not None:
            return self.standing
        return LIFECYCLES[self.record.phase]

    def noting(self, role: str, text: str | None) -> "Mark":
        """The mark with this note of a role; with None, without one."""
        others = {known: said for known, said in self.notes.items() if known != role}
        return replace(self, notes=MappingProxyType(others if text is None else others | {role: text}))

    def element(self) -> etree._Element:
        """The mark as it stands in ``<metadata>``."""
        record = self.record
        element = etree.Element(INSTANCE, nsmap={PREFIX: NAMESPACE})
        element.set("uuid", str(record.uuid))
        element.set("native-id", record.native_id or "")
        element.set("owner", record.owner)
        element.set("fingerprint", record.fingerprint)
        element.set("phase", record.phase.value)
        for key, value in self.labels.items():
            etree.SubElement(element, LABEL, key=key, value=value)
        if self.standing is not None:
            element.set("standing", self.standing.value)
        for role, text in self.notes.items():
            etree.SubElement(element, NOTE, role=role).text = text
        return element


def parse_mark(element: etree._Element | None, domain_uuid: UUID) -> Mark | None:
    """The mark of a domain; None without one, and for one that names another domain: then this is somebody's copy.

    Args:
        element: ``nv:instance``, if the domain has one.
        domain_uuid: the domain that it was found on.
    """
    name = str(domain_uuid)
    if element is None or not element.get("uuid") == element.get("native-id") == name:
        return None
    try:
        record = Record(
            uuid=domain_uuid,
            native_id=name,
            owner=element.attrib["owner"],
            fingerprint=element.attrib["fingerprint"],
            phase=Phase(element.get("phase", "")),
        )
        pairs = {label.attrib["key"]: label.get("value", "") for label in element.iterchildren(LABEL, BARE_LABEL)}
        labels = Labels(pairs) if pairs else NO_LABELS
        standing = Lifecycle(element.attrib["standing"]) if "standing" in element.attrib else None
        notes = {note.attrib["role"]: note.text or "" for note in element.iterchildren(NOTE, BARE_NOTE)}
    except (ValueError, KeyError, VirtError):  # nobody but somebody's editor writes such a mark
        return None
    return Mark(record, labels, standing, MappingProxyType(notes) if notes else NO_NOTES)


def parse_mark_text(text: str | None, domain_uuid: UUID) -> Mark | None:
    """As :func:`parse_mark`, for what libvirt gave as text."""
    return None if text is None else parse_mark(etree.fromstring(text), domain_uuid)


def mark_text(domain: Any) -> str | None:
    """The mark of a ``virDomain`` as text, asked for now; None if it has none.

    Raises:
        libvirt.libvirtError: the domain is gone, or the connection.
    """
    try:
        text: str = domain.metadata(libvirt.VIR_DOMAIN_METADATA_ELEMENT, NAMESPACE, libvirt.VIR_DOMAIN_AFFECT_CURRENT)
    except libvirt.libvirtError as error:
        if error.get_error_code() == libvirt.VIR_ERR_NO_DOMAIN_METADATA:
            return None
        raise
    return text


def read_mark(domain: Any) -> Mark | None:
    """The mark of a ``virDomain``, asked for now; None if it has none, or a copy's.

    Raises:
        libvirt.libvirtError: the domain is gone, or the connection.
    """
    return parse_mark_text(mark_text(domain), UUID(bytes=domain.UUID()))


def write_mark(domain: Any, mark: Mark) -> None:
    """Replace the mark of a ``virDomain``, of the running one and of its definition.

    Raises:
        libvirt.libvirtError: the domain is gone, or the connection, or it is busy.
    """
    set_text(domain, bare_text(mark))


def change_mark(domain: Any, changed: Callable[[Mark], Mark]) -> None:
    """Replace the mark of a ``virDomain`` if it has one and the new one says something else.

    Raises:
        libvirt.libvirtError: the domain is gone, or the connection, or it is busy.
    """
    mark = read_mark(domain)
    if mark is None:
        return
    after = changed(mark)
    if after != mark:
        write_mark(domain, after)


def write_mark_of_started(domain: Any, mark: Mark) -> None:
    """As :func:`write_mark`, for a ``virDomain`` with a definition that was started just now: one request, not three.

    Raises:
        libvirt.libvirtError: the domain is gone, or the connection, or it is busy.
    """
    text = bare_text(mark)
    both = libvirt.VIR_DOMAIN_AFFECT_CONFIG | libvirt.VIR_DOMAIN_AFFECT_LIVE
    try:
        domain.setMetadata(libvirt.VIR_DOMAIN_METADATA_ELEMENT, text, PREFIX, NAMESPACE, both)
    except libvirt.libvirtError as error:
        if error.get_error_code() != libvirt.VIR_ERR_OPERATION_INVALID:
            raise
        set_text(domain, text)  # it has stopped already


def bare_text(mark: Mark) -> str:
    """A mark as libvirt takes it."""
    element = mark.element()
    bare = etree.Element(etree.QName(element).localname, dict(element.attrib))  # the call adds the namespace, once
    bare.extend(element)
    return etree.tostring(bare, encoding="unicode")


def erase_mark(domain: Any) -> None:
    """Remove the mark of a ``virDomain``, of the running one and of its definition.

    Raises:
        libvirt.libvirtError: the domain is gone, or the connection, or it is busy.
    """
    set_text(domain, None)


def set_text(domain: Any, text: str | None) -> None:
    """Put this where marks are; None for nothing."""
    flags = libvirt.VIR_DOMAIN_AFFECT_CONFIG if domain.isPersistent() else 0
    flags |= libvirt.VIR_DOMAIN_AFFECT_LIVE if domain.isActive() else 0
    domain.setMetadata(libvirt.VIR_DOMAIN_METADATA_ELEMENT, text, PREFIX, NAMESPACE, flags)
