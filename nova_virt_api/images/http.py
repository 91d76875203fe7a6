"""Images behind ``https://`` and ``http://``: streamed, resumed, repeated, and asked whether they changed."""

import re
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, Final, TypeVar
from urllib.parse import SplitResult, urljoin, urlsplit

import requests
import tenacity

from nova_virt_api.driver.operation import Operation
from nova_virt_api.errors import ImageNotFound, ImageRejected, PermissionDenied, Unavailable, VirtError
from nova_virt_api.images.hidden_query import QUERY, hidden_queries
from nova_virt_api.images.origin import Origin
from nova_virt_api.images.part import Part
from nova_virt_api.model.image import URL_SCHEMES, Url, shown_url
from nova_virt_api.version import __version__

T = TypeVar("T")

CONNECT_SECONDS: Final = 10.0
READ_SECONDS: Final = 30.0
LEAST_SECONDS: Final = 0.1
CHUNK: Final = 64 * 1024
"""Bytes of a chunk that breaks off are lost, so chunks are small."""

MOST_REDIRECTS: Final = 10
MOST_FRUITLESS: Final = 4
"""Attempts in a row that bring no new byte, after which the server counts as unavailable."""

SLOWEST_RETRY_SECONDS: Final = 20.0
HEADERS: Final = {"User-Agent": f"nova-virt-api/{__version__}", "Accept": "*/*", "Accept-Encoding": "identity"}
VALIDATORS: Final = ("ETag", "Last-Modified")
MISSING: Final = (404, 410)
REFUSED: Final = (401, 403, 407)
WORTH_REPEATING: Final = (408, 425, 429, 500, 502, 503, 504)
CONTENT_RANGE: Final = re.compile(r"bytes (\d+)-\d+/(?:\d+|\*)")
UNSATISFIED_RANGE: Final = re.compile(r"bytes \*/(\d+)")


class Interrupted(Exception):
    """An attempt failed in a way that another one may mend; its text has no secrets."""


class UrlOrigin(Origin):
    """An image on a web server. No credentials are sent; the URL's query may hold a token and is shown to nobody."""

    def __init__(self, source: Url) -> None:
        self._url = source.url
        super().__init__(shown_url(source.url), source.format, source.checksum)

    def key(self) -> tuple[str, ...]:
        """The URL; nothing where a checksum already says which image it is."""
        return () if self.checksum else ("url", self._url)

    def unchanged(self, identity: Mapping[str, str], op: Operation) -> bool:
        """Whether a checksum says so, or else the server does."""
        if self.checksum:
            return True
        conditions = {"ETag": "If-None-Match", "Last-Modified": "If-Modified-Since"}
        headers = {conditions[name]: value for name, value in identity.items() if name in conditions}
        if not headers:
            return False

        def ask() -> bool:
            return self._exchange(headers, op, lambda response: response.status_code == 304)

        return self._repeated(ask, lambda: 0, op)

    def fetch(self, part: Part, op: Operation) -> Mapping[str, str]:
        """Stream it to the part. What the part holds is kept if the server says that the image is still the same."""
        notes = part.resume(op)

        def take(response: requests.Response) -> Mapping[str, str]:
            nonlocal notes
            if response.status_code == 206 and starts_at(response) == part.size and agrees(response, notes):
                total = part.size + length(response)
            elif response.status_code == 200:
                notes, total = validators(response), length(response)
                part.restart(notes)
            elif response.status_code == 416 and part.size and whole(response) == part.size:
                return notes  # it had all arrived; had it changed, the condition would have brought the new one
            else:
                notes = {}
                part.restart(notes)
                raise Interrupted(f"the server answers a request for the missing part with {response.status_code}")
            part.expect(total)
            part.append_all(response.iter_content(CHUNK), total, op)
            return notes

        return self._repeated(lambda: self._exchange(continuing(part, notes), op, take), lambda: part.size, op)

    def _repeated(self, attempt: Callable[[], T], gain: Callable[[], int], op: Operation) -> T:
        """The attempt's result, after trying again as long as attempts bring something or not too many failed."""
        fruitless, before = 0, gain()

        def tired(state: tenacity.RetryCallState) -> bool:
            nonlocal fruitless, before
            fruitless, before = (0 if gain() > before else fruitless + 1), gain()
            return fruitless >= MOST_FRUITLESS

        retrying = tenacity.Retrying(
            retry=tenacity.retry_if_exception_type(Interrupted),
            stop=tired,
            wait=tenacity.wait_random_exponential(multiplier=0.5, max=SLOWEST_RETRY_SECONDS),
            sleep=lambda seconds: pause(seconds, op),
            reraise=True,
        )
        try:
            return retrying(attempt)
        except Interrupted as error:
            hint = "try again later; what has arrived is kept"
            raise Unavailable(f"image {self.name} cannot be fetched: {error}", hint=hint) from error

    def _exchange(self, headers: Mapping[str, str], op: Operation, use: Callable[[requests.Response], T]) -> T:
        """What ``use`` makes of the server's answer after redirects."""
        try:
            with hidden_queries(), requests.Session() as session:
                session.auth = without_credentials
                session.headers.update(HEADERS)
                with self._follow(session, headers, op) as response:
                    self._check_answer(response)
                    op.on_cancel(lambda: stop_reading(response))
                    return use(response)
        except requests.RequestException as error:
            failure = failed(error, self.name)
        op.checkpoint()
        raise failure  # here and not above, since the native error's text, and so any traceback with it, has the query

    def _follow(self, session: requests.Session, headers: Mapping[str, str], op: Operation) -> requests.Response:
        url = self._url
        for _ in range(MOST_REDIRECTS):
            op.checkpoint()
            left = max(op.remaining(), LEAST_SECONDS)
            limits = (min(CONNECT_SECONDS, left), min(READ_SECONDS, left))
            try:
                response = session.get(url, headers=dict(headers), stream=True, allow_redirects=False, timeout=limits)
                if not response.is_redirect:
                    return response
                response.close()
                target = urlsplit(urljoin(url, response.headers["Location"]))
            except requests.RequestException:  # some of them are a ValueError too
                raise
            except ValueError as error:
                raise ImageRejected(self.name, "its server redirects to a malformed URL") from error
            self._check_redirect(url, target)
            url = target.geturl()
        raise ImageRejected(self.name, f"its server redirects more than {MOST_REDIRECTS} times")

    def _check_redirect(self, url: str, target: SplitResult) -> None:
        """A redirect leads never to a file, never to a place with credentials, never quietly out of encryption."""
        if target.scheme not in URL_SCHEMES or not target.hostname:
            raise ImageRejected(self.name, f"its server redirects to a {target.scheme} URL")
        if target.username is not None or target.password is not None:
            raise ImageRejected(self.name, "its server redirects to a URL with credentials")
        if target.scheme == "http" and url.startswith("https:") and not self.checksum:
            hint = "give a checksum"
            raise ImageRejected(self.name, "its server redirects from https to http", hint=hint)

    def _check_answer(self, response: requests.Response) -> None:
        code = response.status_code
        if code in MISSING:
            raise ImageNotFound(f"no image {self.name}: the server answers {code}", hint="check the URL")
        if code in REFUSED:
            hint = "a signed URL may have expired"
            raise PermissionDenied(f"cannot read image {self.name}: the server answers {code}", hint=hint)
        if code in WORTH_REPEATING:
            raise Interrupted(f"the server answers {code}")
        if code not in (200, 206, 304, 416):
            raise Unavailable(f"image {self.name} cannot be fetched: the server answers {code}")
        encoding = response.headers.get("Content-Encoding", "identity")
        if encoding != "identity":
            raise ImageRejected(self.name, "its server sends it only in an encoded form")


def continuing(part: Part, notes: Mapping[str, str]) -> dict[str, str]:
    """Headers that ask for what is missing, if the image is still the one that the notes are about."""
    etag = notes.get("ETag", "")
    condition = etag if etag and not etag.startswith("W/") else notes.get("Last-Modified")
    if not part.size or not condition:
        return {}
    return {"Range": f"bytes={part.size}-", "If-Range": condition}


def validators(response: requests.Response) -> dict[str, str]:
    """The headers that tell versions of an image apart."""
    return {name: response.headers[name] for name in VALIDATORS if name in response.headers}


def starts_at(response: requests.Response) -> int | None:
    """The offset of the first byte of a partial answer."""
    found = CONTENT_RANGE.fullmatch(response.headers.get("Content-Range", ""))
    return int(found[1]) if found else None


def whole(response: requests.Response) -> int | None:
    """The size of the image in an answer to a range that lies behind its end."""
    found = UNSATISFIED_RANGE.fullmatch(response.headers.get("Content-Range", ""))
    return int(found[1]) if found else None


def agrees(response: requests.Response, notes: Mapping[str, str]) -> bool:
    """Whether a partial answer is of the version that the notes are about; it may leave validators out."""
    return all(notes.get(name) == value for name, value in validators(response).items())


def length(response: requests.Response) -> int:
    """Bytes in the answer; 0 when the server does not say."""
    text = response.headers.get("Content-Length", "")
    return int(text) if text.isdecimal() else 0


def failed(error: requests.RequestException, name: str) -> Interrupted | VirtError:
    """What a failure of the connection means, without the query of any URL in its text."""
    text = QUERY.sub("?***", str(error))
    if isinstance(error, requests.exceptions.SSLError) and "CERTIFICATE_VERIFY_FAILED" in text:
        hint = "for a private authority set REQUESTS_CA_BUNDLE to its certificate"
        return Unavailable(
            f"image {name} cannot be fetched: the server's certificate is not trusted ({text})", hint=hint
        )
    return Interrupted(text)


def stop_reading(response: requests.Response) -> None:
    """Wake a thread that waits for the server; called when somebody cancels."""
    with suppress(AttributeError, ValueError, RuntimeError, OSError):
        response.raw.shutdown()


def pause(seconds: float, op: Operation) -> None:
    """Wait, unless the operation ends before."""
    end = time.monotonic() + seconds
    op.wait_until(lambda: time.monotonic() >= end)


def without_credentials(request: Any) -> Any:
    """An ``auth`` that adds nothing; without one, ``requests`` would look for the host in ``~/.netrc``."""
    return request
