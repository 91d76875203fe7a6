"""Answers of property collectors as plain values."""

from types import SimpleNamespace
from typing import Any

import pytest
from pyVmomi import vim, vmodl

from nova_virt_vmware.errors import BadAnswer
from nova_virt_vmware.plain import ENTER, LEAVE, MODIFY, Page, PlainStub, Told, Updates
from nova_virt_vmware.stub import Jar

ENVELOPE = """<?xml version="1.0" encoding="UTF-8"?>
<soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/"
 xmlns:xsd="http://www.w3.org/2001/XMLSchema" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">
<soapenv:Body>{}</soapenv:Body></soapenv:Envelope>"""

UPDATES = vmodl.query.PropertyCollector.UpdateSet
PAGE = vmodl.query.PropertyCollector.RetrieveResult


def understood(body: str, kind: Any, status: int = 200) -> Any:
    """What a stub makes of an answer."""
    text = ENVELOPE.format(body)
    response = SimpleNamespace(status=status, data=text.encode(), headers={"Content-Type": "text/xml"}, reason="")
    return PlainStub(SimpleNamespace(), Jar())._understood(response, kind)  # type: ignore[arg-type]


def told(changes: str) -> Told:
    """What is told of one virtual machine by these changes."""
    found = understood(
        f"""<WaitForUpdatesExResponse xmlns="urn:vim25"><returnval><version>4</version><filterSet>
        <filter type="PropertyFilter">session[1]2</filter><objectSet><kind>modify</kind>
        <obj type="VirtualMachine">vm-7</obj>{"".join(changes.split(chr(10)))}</objectSet></filterSet>
        </returnval></WaitForUpdatesExResponse>""",
        UPDATES,
    )
    assert isinstance(found, Updates)
    assert (found.version, found.truncated, len(found.told)) == ("4", False, 1)
    return found.told[0]


def change(name: str, value: str, operation: str = "assign") -> str:
    return f"<changeSet><name>{name}</name><op>{operation}</op>{value}</changeSet>"


@pytest.mark.parametrize(
    ("value", "plain"),
    [
        ('<val xsi:type="xsd:string">a &amp; b</val>', "a & b"),
        ('<val xsi:type="xsd:string"></val>', ""),
        ('<val xsi:type="xsd:int">12</val>', 12),
        ('<val xsi:type="xsd:long">123456789012</val>', 123456789012),
        ('<val xsi:type="xsd:boolean">true</val>', True),
        ('<val xsi:type="xsd:boolean">0</val>', False),
        ('<val xsi:type="VirtualMachinePowerState">poweredOn</val>', "poweredOn"),
        ('<val type="HostSystem" xsi:type="ManagedObjectReference">host-9</val>', "host-9"),
        ('<val xsi:type="ArrayOfString"></val>', []),
        ('<val xsi:type="ArrayOfString"><string>a</string><string>b</string></val>', ["a", "b"]),
        (
            '<val xsi:type="v:OptionValue" xmlns:v="urn:vim25"><key>k</key><value xsi:type="xsd:int">1</value></val>',
            {"key": "k", "value": 1},
        ),
        (
            '<val xsi:type="ArrayOfGuestNicInfo"><GuestNicInfo><network>net</network><ipAddress>10.0.0.1</ipAddress>'
            "<ipAddress>fe80::1</ipAddress></GuestNicInfo></val>",
            [{"network": "net", "ipAddress": ["10.0.0.1", "fe80::1"]}],
        ),
        ("", None),
    ],
)
def test_values(value: str, plain: Any) -> None:
    assert told(change("path", value)).values == {"path": plain}


def test_what_becomes_of_properties() -> None:
    found = told(
        change("gone", "", "remove")
        + change("gone.with.its.parent", "", "indirectRemove")
        + change("list", '<val xsi:type="xsd:string">x</val>', "add")
    )
    assert (found.kind, found.moref, found.change) == ("VirtualMachine", "vm-7", MODIFY)
    assert found.values == {"gone": None, "gone.with.its.parent": None}
    assert found.unclear == ["list"]


def test_updates_of_several_filters_and_objects() -> None:
    found = understood(
        """<WaitForUpdatesExResponse xmlns="urn:vim25"><returnval><version>9</version>
        <filterSet><filter type="PropertyFilter">f</filter>
        <objectSet><kind>leave</kind><obj type="VirtualMachine">vm-1</obj></objectSet>
        <objectSet><kind>enter</kind><obj type="VirtualMachine">vm-2</obj></objectSet></filterSet>
        <filterSet><filter type="PropertyFilter">g</filter>
        <objectSet><kind>modify</kind><obj type="HostSystem">host-3</obj></objectSet></filterSet>
        <truncated>true</truncated></returnval></WaitForUpdatesExResponse>""",
        UPDATES,
    )
    assert found.truncated
    assert [(one.change, one.moref) for one in found.told] == [(LEAVE, "vm-1"), (ENTER, "vm-2"), (MODIFY, "host-3")]


def test_nothing_to_tell() -> None:
    assert understood('<WaitForUpdatesExResponse xmlns="urn:vim25"/>', UPDATES) is None
    assert understood('<RetrievePropertiesExResponse xmlns="urn:vim25"/>', PAGE) is None


def page(objects: str) -> Page:
    found = understood(
        f'<RetrievePropertiesExResponse xmlns="urn:vim25"><returnval>{objects}</returnval>'
        "</RetrievePropertiesExResponse>",
        PAGE,
    )
    assert isinstance(found, Page)
    return found


def test_page() -> None:
    found = page(
        """<token>more</token><objects><obj type="VirtualMachine">vm-1</obj><propSet><name>name</name>"""
        """<val xsi:type="xsd:string">web</val></propSet></objects>"""
    )
    assert found.token == "more"
    assert [(one.moref, one.values) for one in found.told] == [("vm-1", {"name": "web"})]
    assert page("").token is None


def missing(fault: str) -> str:
    return (
        '<objects><obj type="VirtualMachine">vm-1</obj><missingSet><path>name</path><fault>'
        f'<fault xsi:type="{fault}"/><localizedMessage/></fault></missingSet></objects>'
    )


def test_properties_that_are_not_told() -> None:
    [one] = page(missing("NoPermission")).told
    assert (one.values, one.missing, one.change) == ({}, {"name": "NoPermission"}, ENTER)
    [one] = page(missing("ManagedObjectNotFound")).told
    assert one.change == LEAVE


def test_nothing_is_believed_without_a_session() -> None:
    with pytest.raises(vim.fault.NotAuthenticated):
        page(missing("NotAuthenticated"))


@pytest.mark.parametrize("body", ["<truncated", change("a", '<val xsi:type="xsd:int">many</val>')])
def test_nonsense(body: str) -> None:
    with pytest.raises(BadAnswer):
        told(body)


def test_faults_and_other_answers_are_as_ever() -> None:
    fault = (
        "<soapenv:Fault><faultcode>ServerFaultCode</faultcode><faultstring>no</faultstring><detail>"
        '<NotAuthenticatedFault xmlns="urn:vim25" xsi:type="NotAuthenticated"><object type="Folder">f</object>'
        "<privilegeId>System.View</privilegeId></NotAuthenticatedFault></detail></soapenv:Fault>"
    )
    assert isinstance(understood(fault, UPDATES, status=500), vim.fault.NotAuthenticated)
    answer = '<CurrentTimeResponse xmlns="urn:vim25"><returnval>here</returnval></CurrentTimeResponse>'
    assert understood(answer, str) == "here"
