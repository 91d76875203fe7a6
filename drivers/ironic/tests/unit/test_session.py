"""Logging in, whom to trust, and what stays out of logs."""

import http.server
import itertools
import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import requests
from oslo_config import cfg

from nova_virt_api.errors import BackendError, ConfigError, Unavailable
from nova_virt_ironic.connection import Connection
from nova_virt_ironic.microversions import Call
from nova_virt_ironic.options import GROUP, OPTIONS
from nova_virt_ironic.session import open_session

PASSWORD = "correct horse battery"


class Stub(http.server.BaseHTTPRequestHandler):
    """A bare metal endpoint; remembers what it was asked."""

    asked: list[tuple[str, str, dict[str, str]]]
    base: str
    highest = "1.115"

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.asked.append(("POST", self.path, dict(self.headers)))
        self._answer(201, {}, {})

    def do_GET(self) -> None:
        self.asked.append(("GET", self.path, dict(self.headers)))
        if self.path.startswith("/elsewhere"):
            self._answer(302, {}, {"Location": f"{self.base}/baremetal/v1/nodes"})
        else:
            versions = {
                "X-OpenStack-Ironic-API-Minimum-Version": "1.1",
                "X-OpenStack-Ironic-API-Maximum-Version": self.highest,
            }
            self._answer(200, {"nodes": []}, versions)

    def log_message(self, *_: object) -> None:
        """Be silent."""

    def _answer(self, status: int, body: Any, headers: dict[str, str]) -> None:
        content = json.dumps(body).encode()
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", "Content-Length": str(len(content)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)


@pytest.fixture
def stub() -> Iterator[type[Stub]]:
    """The stub, while it serves."""
    kind = type("OneStub", (Stub,), {"asked": []})
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), kind)
    kind.base = f"http://127.0.0.1:{server.server_port}"  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield kind
    server.shutdown()
    thread.join()
    server.server_close()


def options(**said: Any) -> Any:
    """The driver's options with these values."""
    conf = cfg.ConfigOpts()
    conf.register_opts(OPTIONS, group=GROUP)
    conf([], default_config_files=[], default_config_dirs=[])
    for name, value in said.items():
        conf.set_override(name, value, group=GROUP)
    return conf[GROUP]


def test_user_name_and_password_are_ours_even_where_a_netrc_has_others(
    stub: type[Stub], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login other password other\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    connection = Connection(
        options(auth_type="http_basic", endpoint=f"{stub.base}/v1/", username="me", password="pass")
    )
    connection.open()
    assert stub.asked[0][2]["Authorization"] == "Basic bWU6cGFzcw=="
    connection.close()


def test_credentials_follow_no_redirection(stub: type[Stub]) -> None:
    connection = Connection(
        options(auth_type="http_basic", endpoint=f"{stub.base}/elsewhere", username="me", password="x")
    )
    with pytest.raises(Unavailable, match="final URL"):
        connection.open()
    assert [path.partition("?")[0] for _, path, _ in stub.asked] == ["/elsewhere/v1/nodes/"]


def test_what_the_endpoint_speaks_is_learned_from_every_answer(stub: type[Stub]) -> None:
    connection = Connection(options(endpoint=stub.base))
    connection.open()
    assert stub.asked[0][2]["X-OpenStack-Ironic-API-Version"] == "1.8"
    assert connection.serves(Call.VIRTUAL_MEDIA)
    stub.highest = "1.80"
    connection.read("look", lambda client: client.node.list())
    assert "up to 1.80" in connection.too_old(Call.VIRTUAL_MEDIA)
    sent = connection.request_count
    with pytest.raises(BackendError, match=r"needs Ironic API 1\.89"):
        connection.read("look", lambda client: client.node.list(), at=Call.VIRTUAL_MEDIA)
    assert connection.request_count == sent
    connection.close()


def test_an_endpoint_that_is_too_old_is_refused(stub: type[Stub]) -> None:
    stub.highest = "1.38"
    with pytest.raises(Unavailable, match=r"up to 1\.38, the driver needs"):
        Connection(options(endpoint=stub.base)).open()


@pytest.mark.parametrize(
    ("said", "missing"),
    [
        ({"auth_type": "none"}, "endpoint"),
        ({"auth_type": "http_basic", "endpoint": "http://x", "username": "me"}, "password"),
        ({"auth_type": "password", "username": "me", "password": "x"}, "auth_url"),
        ({"auth_type": "application_credential", "auth_url": "http://x"}, "application_credential_id"),
    ],
)
def test_a_missing_option_is_named(said: dict[str, str], missing: str) -> None:
    with pytest.raises(ConfigError) as caught:
        open_session(options(**said), lambda _: None)
    assert caught.value.field == missing


def test_bodies_stay_out_of_the_log(stub: type[Stub], caplog: Any) -> None:
    caplog.set_level("DEBUG")
    heard: list[requests.Response] = []
    session = open_session(options(endpoint=stub.base), heard.append)
    session.request(f"{stub.base}/v1/nodes?query=hidden", "POST", json={"configdrive": PASSWORD}, raise_exc=False)
    assert [response.status_code for response in heard] == [201]
    ours = [record.getMessage() for record in caplog.records if record.name.startswith("nova_virt_ironic")]
    assert len(ours) == 1
    assert PASSWORD not in caplog.text
    assert "hidden" not in ours[0]
    assert session.count == 1


def test_no_more_requests_are_under_way_than_is_said(stub: type[Stub]) -> None:
    full = threading.Barrier(3)  # passed only if three are under way at once
    numbers = itertools.count(1)
    waiting, most = [0], [0]

    def answer(self: Stub) -> None:
        waiting[0] += 1
        most[0] = max(most[0], waiting[0])
        full.wait(30)
        waiting[0] -= 1
        self._answer(200, {"number": next(numbers)}, {})

    stub.do_GET = answer  # type: ignore[method-assign]
    session = open_session(options(endpoint=stub.base, max_requests=3), lambda _: None)
    with ThreadPoolExecutor(12) as pool:
        answers = list(pool.map(lambda _: session.request(f"{stub.base}/v1", "GET").status_code, range(12)))
    assert answers == [200] * 12
    assert most == [3]
    session.session.close()
