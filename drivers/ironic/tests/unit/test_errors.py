"""Errors of Ironic's client, keystoneauth and requests as ours."""

import json
import socket
from typing import Any

import pytest
import requests
from ironicclient import exc
from keystoneauth1 import exceptions as keystone

from nova_virt_api import errors
from nova_virt_api.errors import StateAfter
from nova_virt_ironic.errors import Conflict, NotThere, Refused, cleaned, translate, translated
from nova_virt_ironic.session import Session, open_session

LOCKED = "Node 1be2 is locked by host conductor-7.example, please retry after the current operation is completed."
TRANSITION = "Node 1be2 can not be updated while a state transition is in progress."
UNREACHED = "Unable to establish connection to http://conductor:8089"
TAKEN = "Instance 5e is already associated with a node, it cannot be associated with this other node 1be2"


def answer(status: int, text: str) -> Exception:
    """What Ironic's client raises for an answer."""
    response = requests.Response()
    response.status_code = status
    response.headers["Content-Type"] = "application/json"
    response._content = json.dumps({"error_message": {"faultstring": text}}).encode()
    return exc.from_response(response, text, None, "GET", "/v1/nodes")  # type: ignore[call-arg, arg-type]


ANSWERS: list[tuple[int, str, type[errors.VirtError], StateAfter]] = [
    (400, "Can not change to active", Refused, StateAfter.UNCHANGED),
    (400, "No valid host was found. Reason: No conductor service", errors.Unavailable, StateAfter.UNCHANGED),
    (401, "who are you", errors.AuthenticationFailed, StateAfter.UNCHANGED),
    (403, "not you", errors.PermissionDenied, StateAfter.UNCHANGED),
    (404, "Node x could not be found", NotThere, StateAfter.UNCHANGED),
    (406, "version", Refused, StateAfter.UNCHANGED),
    (409, LOCKED, errors.Busy, StateAfter.UNCHANGED),
    (409, TRANSITION, errors.Busy, StateAfter.UNCHANGED),
    (409, TAKEN, Conflict, StateAfter.UNCHANGED),
    (409, "A node with name a already exists", Conflict, StateAfter.UNCHANGED),
    (500, "sqlite3.OperationalError: database is locked", errors.ConnectionLost, StateAfter.UNKNOWN),
    (500, f"{UNREACHED}: Max retries (Caused by NewConnectionError())", errors.Unavailable, StateAfter.UNCHANGED),
    (500, f"{UNREACHED}: ('Connection aborted.')", errors.ConnectionLost, StateAfter.UNKNOWN),
    (500, "Timed out waiting for a reply to message ID 5e", errors.ConnectionLost, StateAfter.UNKNOWN),
    (500, "KeyError", errors.BackendError, StateAfter.UNKNOWN),
    (502, "bad gateway", errors.ConnectionLost, StateAfter.UNKNOWN),
    (503, "Service Unavailable", errors.Unavailable, StateAfter.UNCHANGED),
    (503, "cannot be performed due to lack of free conductor workers.", errors.Busy, StateAfter.UNCHANGED),
    (503, "The concurrent action limit for cleaning has been reached. Please", errors.Busy, StateAfter.UNCHANGED),
]


@pytest.mark.parametrize(("status", "text", "kind", "after"), ANSWERS, ids=[f"{s}-{t[:60]}" for s, t, *_ in ANSWERS])
def test_each_answer_has_its_class(status: int, text: str, kind: type[Any], after: StateAfter) -> None:
    found = translate(answer(status, text), "start node rack1")
    assert type(found) is kind
    assert found.state_after is after
    assert found.message.startswith("start node rack1")


def test_a_lock_names_its_holder() -> None:
    found = translate(answer(409, LOCKED), "start node rack1")
    assert isinstance(found, errors.Busy)
    assert found.holder == "conductor-7.example"


def test_the_native_error_is_kept_as_the_cause() -> None:
    native = answer(404, "gone")
    with pytest.raises(NotThere) as caught, translated("look"):
        raise native
    assert caught.value.__cause__ is native


@pytest.mark.parametrize(
    ("native", "kind"),
    [
        (keystone.SSLError("certificate verify failed"), errors.Unavailable),
        (keystone.EndpointNotFound(), errors.Unavailable),
        (keystone.MissingAuthPlugin(), errors.AuthenticationFailed),
        (keystone.AuthorizationFailure("no"), errors.AuthenticationFailed),
        (keystone.Unauthorized("no", http_status=401), errors.AuthenticationFailed),
        (exc.UnsupportedVersion("1.999"), errors.BackendError),
        (requests.TooManyRedirects("elsewhere"), errors.BackendError),
    ],
    ids=lambda value: getattr(value, "__name__", type(value).__name__),
)
def test_each_failure_on_the_way_has_its_class(native: Exception, kind: type[Any]) -> None:
    assert type(translate(native, "look")) is kind


def session_to(port: int, **more: float) -> Session:
    """A session for what listens on a port."""

    class Options:
        endpoint = f"http://127.0.0.1:{port}"
        auth_type = "none"
        cafile = None
        insecure = False
        connect_timeout = more.get("connect", 2.0)
        read_timeout = more.get("read", 2.0)
        max_requests = 4

    return open_session(Options, lambda _: None)


def failure(session: Session, port: int) -> errors.VirtError:
    """What a request to a port ends with."""
    with pytest.raises(errors.VirtError) as caught, translated("look"):
        session.request(f"http://127.0.0.1:{port}/v1", "GET", raise_exc=False)
    return caught.value


def test_nobody_listens_so_nothing_was_done() -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
    found = failure(session_to(port), port)
    assert type(found) is errors.Unavailable
    assert found.state_after is StateAfter.UNCHANGED


def test_no_answer_leaves_it_open_what_was_done() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        found = failure(session_to(port, read=0.2), port)
    assert type(found) is errors.ConnectionLost
    assert found.state_after is StateAfter.UNKNOWN


def test_texts_are_short_and_hold_no_credentials() -> None:
    text = cleaned("GET https://me:secret@host/image?signature=secret\nfailed " + "x" * 900)
    assert "secret" not in text
    assert "\n" not in text
    assert len(text) == 500


def test_refused_connection_is_told_in_the_systems_words() -> None:
    """What a person can use is the URL and the reason, not an account of the HTTP library's attempts."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}/v1"
        with pytest.raises(requests.ConnectionError) as caught:  # bound and not listening: nobody else can take it
            requests.get(url, timeout=5)
    found = translate(keystone.ConnectFailure(f"Unable to establish connection to {url}: {caught.value}"), "look")
    assert found.message == f"look: Unable to establish connection to {url}: Connection refused"
