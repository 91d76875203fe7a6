"""The rig's relay: what passes, what is counted, what is answered in the endpoint's stead, what is cut."""

import json
import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import requests

from nova_virt_ironic.rig.refusal import Refusal
from nova_virt_ironic.rig.relay import Relay


class Echo(BaseHTTPRequestHandler):
    """Answers with what it was asked."""

    def do_GET(self) -> None:
        body = json.dumps([self.command, self.path, self.headers.get("X-Version"), self.headers.get("Host")]).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("X-Newest", "1.115")
        self.end_headers()
        self.wfile.write(body)

    def do_PUT(self) -> None:
        self.send_response(202)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Nobody reads it."""


@pytest.fixture
def endpoint() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Echo)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def relay(endpoint: str) -> Iterator[Relay]:
    relay = Relay(endpoint, verify=True)
    relay.open()
    yield relay
    relay.close()


def test_requests_pass_with_their_headers_and_are_counted(relay: Relay, endpoint: str) -> None:
    with requests.Session() as client:
        for number in range(1, 4):
            answer = client.get(f"{relay.url}/v1/nodes?limit=1", headers={"X-Version": "1.46"})
            assert answer.json() == ["GET", "/v1/nodes?limit=1", "1.46", endpoint.removeprefix("http://")]
            assert answer.headers["X-Newest"] == "1.115"
            assert relay.requests == number
        assert client.put(f"{relay.url}/v1/nodes/x/states/power", json={"target": "power on"}).status_code == 202


def test_a_refusal_meets_only_what_is_meant_and_for_a_while(relay: Relay) -> None:
    refusal = Refusal(method="PUT", path=re.compile(r"/power$"), status=409, text="locked", about=b"off")
    with relay.answering(refusal):
        refused = requests.put(f"{relay.url}/power", json={"target": "off"}, timeout=10)
        assert refused.status_code == 409
        assert json.loads(refused.json()["error_message"])["faultstring"] == "locked"
        assert requests.put(f"{relay.url}/power", json={"target": "on"}, timeout=10).status_code == 202
        assert requests.get(f"{relay.url}/power", timeout=10).status_code == 200
    assert requests.put(f"{relay.url}/power", json={"target": "off"}, timeout=10).status_code == 202


def test_a_cut_breaks_what_is_open_and_lets_nobody_in_until_it_is_mended(relay: Relay) -> None:
    url = relay.url
    with requests.Session() as client:
        client.get(url)
        relay.close()
        for _ in range(2):
            with pytest.raises(requests.ConnectionError):
                client.get(url)
        relay.open()
        assert relay.url == url
        assert client.get(url).status_code == 200


def test_an_endpoint_that_is_away_breaks_the_connection() -> None:
    relay = Relay("http://127.0.0.1:9", verify=True)
    relay.open()
    with pytest.raises(requests.ConnectionError):
        requests.get(relay.url, timeout=10)
    relay.close()
