"""Answers that are not what they should be, and whose cookies count."""

from typing import Any

import pytest
from pyVmomi import vim, vmodl
from urllib3 import HTTPHeaderDict, HTTPResponse

from nova_virt_vmware.errors import BadAnswer
from nova_virt_vmware.stub import Jar, Stub, Way

START = (
    '<?xml version="1.0" encoding="UTF-8"?><soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/"'
    ' xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xmlns:xsd="http://www.w3.org/2001/XMLSchema"><soapenv:Body>'
)
END = "</soapenv:Body></soapenv:Envelope>"
TIME = (
    f'{START}<CurrentTimeResponse xmlns="urn:vim25"><returnval>2026-01-02T03:04:05Z</returnval>'
    f"</CurrentTimeResponse>{END}"
)
FAULT = (
    f"{START}<soapenv:Fault><faultcode>x</faultcode><faultstring>no</faultstring><detail><RuntimeFaultFault"
    f' xmlns="urn:vim25" xsi:type="InvalidRequest"/></detail></soapenv:Fault>{END}'
)
XML = "text/xml; charset=utf-8"


class Wire:
    """Gives one answer and keeps what was asked."""

    def __init__(self, text: str = TIME, status: int = 200, kind: str = XML, cookies: tuple[str, ...] = ()) -> None:
        given = HTTPHeaderDict({"Content-Type": kind})
        for cookie in cookies:
            given.add("Set-Cookie", cookie)
        self._answer = (text, status, given)
        self.asked: list[tuple[str, bytes, dict[str, str]]] = []

    def _answered(self, how: str, body: bytes, headers: dict[str, str]) -> HTTPResponse:
        self.asked.append((how, body, headers))
        text, status, given = self._answer
        return HTTPResponse(text.encode(), headers=given, status=status, reason="Because")

    def post(self, body: bytes, headers: dict[str, str], *, late: bool = False) -> HTTPResponse:
        return self._answered("late" if late else "usual", body, headers)

    def post_last(self, body: bytes, headers: dict[str, str]) -> HTTPResponse:
        return self._answered("last", body, headers)


def ask(wire: Any, jar: Jar | None = None, way: Way = Way.USUAL) -> Any:
    return vim.ServiceInstance("ServiceInstance", Stub(wire, Jar() if jar is None else jar, way)).CurrentTime()


def test_an_answer_is_understood() -> None:
    assert ask(Wire()).year == 2026


def test_a_fault_is_raised_with_its_text() -> None:
    with pytest.raises(vmodl.fault.InvalidRequest) as caught:
        ask(Wire(FAULT, 500))
    assert caught.value.msg == "no"


@pytest.mark.parametrize(
    ("text", "status", "kind"),
    [
        (TIME[:-40], 200, XML),  # cut short
        ("<html>", 200, XML),
        ("", 200, XML),
        ("<html></html>", 200, "text/html"),
        ("<html></html>", 500, "text/html"),
        (START + END, 500, XML),
        (TIME, 401, XML),
        (TIME, 302, XML),
        (TIME.replace("2026-01-02T03:04:05Z", "yesterday"), 200, XML),
    ],
)
def test_what_is_no_answer_of_vsphere_s_is_said(text: str, status: int, kind: str) -> None:
    with pytest.raises(BadAnswer) as caught:
        ask(Wire(text, status, kind))
    assert caught.value.status == status


def test_only_a_login_takes_cookies() -> None:
    cookies = ('vmware_soap_session="abc"; Path=/; HttpOnly; Secure', "lb=7; Path=/", "€=;;")
    jar = Jar()
    ask(Wire(cookies=cookies), jar)
    assert not jar
    ask(Wire(cookies=cookies), jar, Way.LOGIN)
    wire = Wire()
    ask(wire, jar)
    assert wire.asked[0][2]["Cookie"] == 'vmware_soap_session="abc"; lb=7'
    assert "abc" not in f"{jar!r} {jar}"


@pytest.mark.parametrize(("way", "how"), [(Way.USUAL, "usual"), (Way.WAITING, "late"), (Way.LOGOUT, "last")])
def test_requests_go_their_way(way: Way, how: str) -> None:
    wire = Wire()
    ask(wire, way=way)
    assert wire.asked[0][0] == how
