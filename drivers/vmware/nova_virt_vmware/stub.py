"""How managed objects reach the server: pyvmomi's requests and answers over the driver's own connections."""

from __future__ import annotations

import enum
from http.cookies import CookieError, SimpleCookie
from io import BytesIO
from typing import TYPE_CHECKING, Any, Final

from pyVmomi.SoapAdapter import ExpatError, SoapResponseDeserializer, SoapStubAdapterBase

from nova_virt_vmware.errors import BadAnswer
from nova_virt_vmware.version import __version__

if TYPE_CHECKING:
    from urllib3 import BaseHTTPResponse

    from nova_virt_vmware.wire import Wire

VERSION: Final = "vim.version.version11"
"""Of the API that the driver speaks: 6.5. Servers serve all older versions beside their own (vSphere Web Services SDK
Programming Guide, "API versions"), and tell a client nothing that its version does not know."""

USER_AGENT: Final = f"nova-virt-vmware/{__version__}"
ANSWERED: Final = (200, 500)
"""HTTP statuses of SOAP: a result, or a fault."""


class Jar:
    """The cookies that stand for one session. Never printed: who has them has the session."""

    def __init__(self) -> None:
        self._cookies: dict[str, str] = {}
        self.manager = ""
        """Id of the object that ends the session."""

    def __bool__(self) -> bool:
        return bool(self._cookies)

    @property
    def header(self) -> str:
        """Value of the request header ``Cookie``."""
        return "; ".join(f"{name}={value}" for name, value in self._cookies.items())

    def keep(self, response: BaseHTTPResponse) -> None:
        """Take what an answer sets."""
        for text in response.headers.getlist("Set-Cookie"):
            try:
                found = SimpleCookie(text)
            except CookieError:
                continue
            self._cookies = self._cookies | {name: morsel.coded_value for name, morsel in found.items()}

    def become(self, other: Jar) -> None:
        """Stand for another session from now on."""
        self._cookies, self.manager = other._cookies, other.manager


class Way(enum.Enum):
    """What kind of requests a stub sends."""

    USUAL = "usual"
    WAITING = "waiting"
    """The server may answer late."""

    LOGIN = "login"
    """The cookies that come with the answers are kept."""

    LOGOUT = "logout"
    """Nobody wants to wait for the answer."""


class Stub(SoapStubAdapterBase):  # type: ignore[misc]  # pyvmomi is not typed
    """What managed objects send their calls through. Thread-safe.

    pyvmomi's own stub has a pool without a bound, one time-out for everything, mixes the cookies of old and new
    sessions when answers overtake each other, and does not notice an answer that was cut short.

    Args:
        wire: the connections.
        jar: the session.
        way: what kind of requests it sends.
    """

    requestContext = None  # noqa: N815 - a name of pyvmomi's

    def __init__(self, wire: Wire, jar: Jar, way: Way = Way.USUAL) -> None:
        super().__init__(version=VERSION)
        self._wire = wire
        self._jar = jar
        self._way = way

    def InvokeMethod(self, mo: Any, info: Any, args: Any) -> Any:  # noqa: N802 - a name of pyvmomi's
        """Send one request; raises the server's fault or what happened on the way."""
        body = self.SerializeRequest(mo, info, args)
        headers = {
            "Content-Type": "text/xml; charset=UTF-8",
            "SOAPAction": self.versionId,
            "User-Agent": USER_AGENT,
            "Accept-Encoding": "gzip",
        }
        if self._jar:
            headers["Cookie"] = self._jar.header
        response = self._send(body, headers)
        if self._way is Way.LOGIN:
            self._jar.keep(response)
        found = self._understood(response, info.result)
        if response.status == 200:
            return found
        if not isinstance(found, Exception):
            raise BadAnswer("the server failed without saying why", response.status)
        raise found

    def _send(self, body: bytes, headers: dict[str, str]) -> BaseHTTPResponse:
        if self._way is Way.LOGOUT:
            return self._wire.post_last(body, headers)
        return self._wire.post(body, headers, late=self._way is Way.WAITING)

    def _understood(self, response: BaseHTTPResponse, kind: Any) -> Any:
        if response.status not in ANSWERED:
            raise BadAnswer(f"{response.status} {response.reason or ''}".strip(), response.status)
        if "xml" not in response.headers.get("Content-Type", ""):
            raise BadAnswer("the answer is not XML", response.status)
        try:
            return SoapResponseDeserializer(self).Deserialize(BytesIO(response.data), kind)
        except (ExpatError, TypeError, ValueError, LookupError, AttributeError) as error:
            raise BadAnswer(f"the answer is not understood ({error})", response.status) from error

    def __deepcopy__(self, memo: Any) -> Stub:
        return self  # managed objects in a copied data object stay on the same wire
