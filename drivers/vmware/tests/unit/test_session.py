"""The session's beginning and end, where a real server cannot be made to fail."""

from types import SimpleNamespace
from typing import Any

import pytest
from urllib3 import HTTPHeaderDict, HTTPResponse
from urllib3.exceptions import ProtocolError

from nova_virt_api.errors import AuthenticationFailed, ConnectionLost, Unavailable
from nova_virt_api.model.secret import Secret
from nova_virt_vmware import session
from nova_virt_vmware.session import Session

CONTENT = """<?xml version="1.0" encoding="UTF-8"?>
<soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/"><soapenv:Body>
<RetrieveServiceContentResponse xmlns="urn:vim25"><returnval>
<rootFolder type="Folder">group-d1</rootFolder><propertyCollector type="PropertyCollector">pc</propertyCollector>
{manager}</returnval></RetrieveServiceContentResponse></soapenv:Body></soapenv:Envelope>"""
REFUSED = b"""<?xml version="1.0" encoding="UTF-8"?>
<soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/"
 xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"><soapenv:Body><soapenv:Fault>
<faultcode>ServerFaultCode</faultcode><faultstring>Cannot complete login</faultstring><detail>
<InvalidLoginFault xmlns="urn:vim25" xsi:type="InvalidLogin"/></detail></soapenv:Fault></soapenv:Body>
</soapenv:Envelope>"""
MANAGER = '<sessionManager type="SessionManager">ha-sessionmgr</sessionManager>'


class Wire:
    """A server that begins a session before it looks at the password, as vCenter does, and then breaks off."""

    manager = MANAGER
    refusing = False

    def __init__(self, options: Any) -> None:
        self.parting: list[tuple[bytes, str]] = []
        self.closed = False
        self.logins = 0

    def post(self, body: bytes, headers: dict[str, str], *, late: bool = False) -> HTTPResponse:
        self.logins += b"<Login " in body
        if b"<Login " in body and self.refusing:
            return HTTPResponse(REFUSED, headers={"Content-Type": "text/xml"}, status=500)
        if b"<Login " in body:
            raise ProtocolError("aborted")
        given = HTTPHeaderDict({"Content-Type": "text/xml", "Set-Cookie": 'vmware_soap_session="abc"; Path=/'})
        return HTTPResponse(CONTENT.format(manager=self.manager).encode(), headers=given, status=200)

    def post_last(self, body: bytes, headers: dict[str, str]) -> HTTPResponse:
        self.parting.append((body, headers["Cookie"]))
        raise ProtocolError("aborted")

    def close(self) -> None:
        self.closed = True


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> Session:
    monkeypatch.setattr(session, "Wire", Wire)
    return Session(SimpleNamespace(host="vc", username="me", password=Secret("p"), insecure=False))


def test_a_login_whose_answer_is_lost_is_ended(made: Session) -> None:
    wire: Any = made.wire
    with pytest.raises(ConnectionLost, match="log in at vc"):
        made.renew(0)
    ((body, cookie),) = wire.parting
    assert b"<Logout " in body
    assert b">ha-sessionmgr<" in body
    assert cookie == 'vmware_soap_session="abc"'
    made.close()
    assert wire.closed
    assert len(wire.parting) == 1


def test_refused_credentials_are_not_sent_again_for_a_while(made: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    wire: Any = made.wire
    now = [1000.0]
    monkeypatch.setattr(session, "time", SimpleNamespace(monotonic=lambda: now[0]))
    monkeypatch.setattr(Wire, "refusing", True)
    for tried in (1, 1, 1):
        with pytest.raises(AuthenticationFailed, match="log in at vc"):
            made.renew(0)
        assert wire.logins == tried
    now[0] += session.REFUSED_SECONDS
    with pytest.raises(AuthenticationFailed):
        made.renew(0)
    assert wire.logins == 2


def test_a_server_without_sessions_is_not_vsphere(made: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Wire, "manager", "")
    with pytest.raises(Unavailable, match="not vSphere"):
        made.renew(0)
