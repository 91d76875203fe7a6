"""Property collectors' answers as plain values, read with lxml: a third of the time that pyvmomi's objects take.

pyvmomi makes some 130 000 objects for 2000 virtual machines, which is nearly all that a listing costs. What is read by
:mod:`nova_virt_vmware.vm_row` needs none of them. A value is here, by the type that the answer names (``xsi:type``):

- text, for strings, enumerations, dates, and managed object references, of which it is the id;
- ``int`` or ``bool``;
- a list, for what the vSphere API reference calls an array;
- a dict by the names of its fields, for any other data object. Inside of it simple values are text, since the answer
  does not say more, and a field that occurs several times is a list.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from lxml import etree
from pyVmomi import vim, vmodl

from nova_virt_vmware.errors import BadAnswer
from nova_virt_vmware.stub import Stub

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from urllib3 import BaseHTTPResponse

XSI_TYPE: Final = "{http://www.w3.org/2001/XMLSchema-instance}type"
WHOLE: Final = frozenset(("int", "long", "short", "byte"))

ENTER: Final = "enter"
MODIFY: Final = "modify"
LEAVE: Final = "leave"


@dataclass(slots=True)
class Told:
    """What an answer tells of one object.

    Args:
        kind: its type, e.g. ``VirtualMachine``.
        moref: its id.
        change: ``ObjectUpdateKind``: ENTER, MODIFY or LEAVE.
        values: by property path; None for what is unset now.
        unclear: paths that changed in a way that does not tell their new value.
        missing: by path, the fault that kept a property from being told, e.g. ``InvalidProperty``.
    """

    kind: str
    moref: str
    change: str = ENTER
    values: dict[str, Any] = field(default_factory=dict)
    unclear: list[str] = field(default_factory=list)
    missing: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Updates:
    """An ``UpdateSet``.

    Args:
        version: what to ask from on.
        truncated: whether there is more to be told already.
        told: the objects, in the order of their changes; one may come several times.
    """

    version: str
    truncated: bool
    told: list[Told]


@dataclass(frozen=True, slots=True)
class Page:
    """A ``RetrieveResult``.

    Args:
        token: to ask for the next one with; None for the last.
        told: the objects.
    """

    token: str | None
    told: list[Told]


class PlainStub(Stub):
    """A stub whose ``WaitForUpdatesEx`` gives :class:`Updates`, and whose ``RetrievePropertiesEx`` gives :class:`Page`.

    So does its continuation. They give None where the server has nothing to tell. All other calls are as ever.
    """

    def _understood(self, response: BaseHTTPResponse, kind: Any) -> Any:
        read = READERS.get(kind)
        if read is None or response.status != 200:
            return super()._understood(response, kind)
        try:
            root = etree.fromstring(response.data, etree.XMLParser(resolve_entities=False, no_network=True))
            found = root.find("{*}Body/{*}*/{*}returnval")
            return None if found is None else read(found)
        except (etree.XMLSyntaxError, ValueError) as error:
            raise BadAnswer(f"the answer is not understood ({error})", response.status) from error


# --- answers ----------------------------------------------------------------------------------------------------------


def updates_in(answer: etree._Element) -> Updates:
    """An ``UpdateSet``."""
    told: list[Told] = []
    version, truncated = "", False
    for element in answer:
        match local(element):
            case "version":
                version = element.text or ""
            case "truncated":
                truncated = element.text in ("true", "1")
            case "filterSet":
                told.extend(changed(part) for part in element if local(part) == "objectSet")
    return Updates(version, truncated, told)


def page_in(answer: etree._Element) -> Page:
    """A ``RetrieveResult``."""
    told: list[Told] = []
    token = None
    for element in answer:
        match local(element):
            case "token":
                token = element.text or None
            case "objects":
                told.append(content(element))
    return Page(token, told)


READERS: Final[Mapping[Any, Callable[[etree._Element], Any]]] = {
    vmodl.query.PropertyCollector.UpdateSet: updates_in,
    vmodl.query.PropertyCollector.RetrieveResult: page_in,
}
"""By the type that the vSphere API reference says a method returns."""


def changed(element: etree._Element) -> Told:
    """An ``ObjectUpdate``."""
    found = Told("", "")
    for part in element:
        match local(part):
            case "kind":
                found.change = part.text or ""
            case "obj":
                found.kind, found.moref = part.get("type", ""), part.text or ""
            case "changeSet":
                note(part, found)
            case "missingSet":
                note_missing(part, found)
    return found


def note(change: etree._Element, found: Told) -> None:
    """Take in a ``PropertyChange``: what became of one property."""
    name = operation = ""
    value = None
    for part in change:
        match local(part):
            case "name":
                name = part.text or ""
            case "op":
                operation = part.text or ""
            case "val":
                value = value_of(part)
    if operation == "assign":
        found.values[name] = value
    elif operation in ("remove", "indirectRemove"):
        found.values[name] = None
    else:
        found.unclear.append(name)


def content(element: etree._Element) -> Told:
    """An ``ObjectContent``."""
    found = Told("", "")
    for part in element:
        match local(part):
            case "obj":
                found.kind, found.moref = part.get("type", ""), part.text or ""
            case "propSet":
                name, value = part
                found.values[name.text or ""] = value_of(value)
            case "missingSet":
                note_missing(part, found)
    return found


def note_missing(element: etree._Element, found: Told) -> None:
    """Take in a ``MissingProperty``. An object that vanished while it was read has left.

    Raises:
        vim.fault.NotAuthenticated: the session has expired, so nothing can be believed that is not told.
    """
    fault = element.find("{*}fault/{*}fault")
    kind = "" if fault is None else kind_of(fault)
    if kind == "NotAuthenticated":
        raise vim.fault.NotAuthenticated(msg="the session is not authenticated")
    if kind == "ManagedObjectNotFound":
        found.change = LEAVE
    found.missing[element.findtext("{*}path") or ""] = kind


# --- values -----------------------------------------------------------------------------------------------------------


def value_of(element: etree._Element) -> Any:
    """A property's value, as this module's first lines say."""
    kind = kind_of(element)
    if kind.startswith("ArrayOf"):
        return [value_of(member) for member in element]
    if len(element):
        return fields_of(element)
    if kind in WHOLE:
        return int(element.text or 0)
    if kind == "boolean":
        return element.text in ("true", "1")
    return element.text or ""


def fields_of(element: etree._Element) -> dict[str, Any]:
    """A data object's fields."""
    found: dict[str, Any] = {}
    for part in element:
        name, value = local(part), value_of(part)
        if name not in found:
            found[name] = value
        elif isinstance(found[name], list):
            found[name].append(value)
        else:
            found[name] = [found[name], value]
    return found


def kind_of(element: etree._Element) -> str:
    """The type that an element says it has, without its namespace's prefix; empty if it says none."""
    return (element.get(XSI_TYPE) or "").rpartition(":")[2]


def local(element: etree._Element) -> str:
    """An element's name without its namespace."""
    return str(element.tag).rpartition("}")[2]
