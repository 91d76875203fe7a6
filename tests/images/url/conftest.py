"""A web server of our own that has one image and misbehaves on request."""

import hashlib
import re
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from nova_virt_api.images import http
from nova_virt_api.model.image import Checksum, Url

Good = Mapping[str, bytes]


@dataclass
class Site:
    """What the server has and how it behaves."""

    content: bytes = b""
    etag: str | None = '"one"'
    modified: str | None = None
    answers: list[int] = field(default_factory=list)
    """Status codes for the next requests, before any content."""

    cut_at: list[int] = field(default_factory=list)
    """Offsets in the image at which the next answers break off."""

    hold_at: int | None = None
    """Offset at which answers wait until ``go`` is set."""

    redirect: str | None = None
    ranges: bool = True
    told_length: bool = True
    headers: dict[str, str] = field(default_factory=dict)
    seen: list[Mapping[str, str]] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)
    holding: threading.Event = field(default_factory=threading.Event)
    go: threading.Event = field(default_factory=threading.Event)
    on_cut: Callable[[], None] = lambda: None
    url: str = ""

    def plain(self, query: str = "") -> Url:
        """The image's URL, with the checksum that plain http needs."""
        return Url(self.url + query, checksum=Checksum(digest=self.sha256))

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.content).hexdigest()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    site: Site

    def log_message(self, format: str, *args: Any) -> None:  # the base class's name
        """Stay silent."""

    def do_GET(self) -> None:
        site = self.site
        site.seen.append(dict(self.headers.items()))
        site.paths.append(self.path)
        if site.answers:
            self.answer(site.answers.pop(0))
        elif site.redirect and "moved" not in self.path:
            self.answer(302, {"Location": site.redirect})
        elif self.unchanged():
            self.answer(304)
        else:
            self.send_image()

    def unchanged(self) -> bool:
        asked = (self.headers.get("If-None-Match"), self.headers.get("If-Modified-Since"))
        return any(
            got is not None and got == has for got, has in zip(asked, (self.site.etag, self.site.modified), strict=True)
        )

    def answer(self, code: int, headers: Mapping[str, str] | None = None) -> None:
        self.send_response(code)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def send_image(self) -> None:
        site, start = self.site, 0
        asked = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        if asked and site.ranges and self.headers.get("If-Range") in (site.etag, site.modified):
            start = int(asked[1])
        if start >= len(site.content) > 0:
            self.answer(416, {"Content-Range": f"bytes */{len(site.content)}"})
            return
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(site.content) - 1}/{len(site.content)}")
        for name, value in {"ETag": site.etag, "Last-Modified": site.modified, **site.headers}.items():
            if value is not None:
                self.send_header(name, value)
        if site.told_length:
            self.send_header("Content-Length", str(len(site.content) - start))
        else:
            self.send_header("Connection", "close")
        self.end_headers()
        self.send_body(start)

    def send_body(self, start: int) -> None:
        site = self.site
        end = site.cut_at.pop(0) if site.cut_at else len(site.content)
        if site.hold_at is not None and start < site.hold_at:
            self.wfile.write(site.content[start : site.hold_at])
            site.holding.set()
            site.go.wait(60)
            start = site.hold_at
        self.wfile.write(site.content[start:end])
        if end < len(site.content):
            site.on_cut()
            self.close_connection = True
        elif not site.told_length:
            self.close_connection = True


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is what some tests are about."""


def serve(site: Site, context: ssl.SSLContext | None = None) -> Server:
    server = Server(("127.0.0.1", 0), type("SiteHandler", (Handler,), {"site": site}))
    if context is not None:
        server.socket = context.wrap_socket(server.socket, server_side=True)
    site.url = f"http{'s' if context else ''}://localhost:{server.server_address[1]}/images/disk.qcow2"
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    return server


@pytest.fixture
def site(good: Good, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """A server that has a good image."""
    monkeypatch.setattr(http, "pause", lambda seconds, op: op.checkpoint())
    monkeypatch.setenv("NO_PROXY", "localhost")
    site = Site(content=good["qcow2"])
    server = serve(site)
    yield site
    site.go.set()
    server.shutdown()
    server.server_close()


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """A certificate for localhost that nobody signed, with its key."""
    path = tmp_path / "certificate.pem"
    name = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]
    key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", str(tmp_path / "key.pem")]
    command = ["openssl", "req", "-x509", "-days", "1", *key, *name, "-out", str(path)]
    subprocess.run(command, check=True, capture_output=True)
    path.write_bytes(path.read_bytes() + (tmp_path / "key.pem").read_bytes())
    return path


@pytest.fixture
def tls_site(site: Site, certificate: Path) -> Iterator[Site]:
    """The same server once more, with TLS."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    tls_site = Site(content=site.content)
    server = serve(tls_site, context)
    yield tls_site
    server.shutdown()
    server.server_close()


@pytest.fixture
def trusted(tls_site: Site, certificate: Path, monkeypatch: pytest.MonkeyPatch) -> Site:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))
    return tls_site
