"""Scripted nodes fail, wait and dawdle as they are told, and show what was done to them."""

import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any, Final

import pytest

from tools.ironic import ApiError, EnrolledNode, Ironic, NodeSpec, Script

IMAGE: Final = bytes(4096)

Enroll = Callable[..., list[EnrolledNode]]
Provision = Callable[..., dict[str, Any]]


@pytest.fixture
def provision(ironic: Ironic) -> Provision:
    """Asks for a provision state, and gives the node once it has arrived in another."""

    def ask(node: EnrolledNode, target: str, arrives: str, **body: Any) -> dict[str, Any]:
        path = f"/v1/nodes/{node.uuid}"
        ironic.api.put(f"{path}/states/provision", {"target": target, **body})
        done: dict[str, Any] = ironic.api.wait(
            path, lambda shown: shown["provision_state"] == arrives and shown["reservation"] is None
        )
        return done

    return ask


def scripted(enroll: Enroll, script: Script, **fields: Any) -> EnrolledNode:
    return enroll(1, NodeSpec(script=script, fields=fields))[0]


def test_without_a_line_it_succeeds(enroll: Enroll, provision: Provision) -> None:
    node = scripted(enroll, Script())
    assert provision(node, "active", arrives="active")["power_state"] == "power on"
    assert provision(node, "deleted", arrives="available")["power_state"] == "power off"


@pytest.mark.parametrize("operation", ["prepare", "deploy"])
def test_a_deployment_fails(enroll: Enroll, provision: Provision, operation: str) -> None:
    node = scripted(enroll, Script(fail=[operation]))
    assert f"{operation} fails as scripted" in provision(node, "active", arrives="deploy failed")["last_error"]


def test_validation_fails(ironic: Ironic, enroll: Enroll) -> None:
    node = scripted(enroll, Script(fail=["validate"]))
    assert ironic.api.get(f"/v1/nodes/{node.uuid}/validate")["deploy"]["result"] is False


def test_tearing_down_fails(ironic: Ironic, enroll: Enroll, provision: Provision) -> None:
    node = scripted(enroll, Script())
    provision(node, "active", arrives="active")
    ironic.script(node, Script(fail=["tear_down"]))
    assert "tear_down fails" in provision(node, "deleted", arrives="error")["last_error"]


def test_cleaning_fails(enroll: Enroll, ironic: Ironic, provision: Provision) -> None:
    node = scripted(enroll, Script(fail=["clean"]), automated_clean=True)
    provision(node, "active", arrives="active")
    assert provision(node, "deleted", arrives="clean failed")["maintenance"] is True


def test_a_deployment_waits_until_it_may_proceed(ironic: Ironic, enroll: Enroll, provision: Provision) -> None:
    node = scripted(enroll, Script(wait=["deploy"]))
    provision(node, "active", arrives="wait call-back")
    ironic.proceed(node)
    ironic.api.wait(f"/v1/nodes/{node.uuid}", lambda shown: shown["provision_state"] == "active")


def test_what_waits_can_be_aborted(enroll: Enroll, provision: Provision) -> None:
    node = scripted(enroll, Script(wait=["deploy"]))
    provision(node, "active", arrives="wait call-back")
    provision(node, "abort", arrives="deploy failed")


def test_cleaning_and_servicing_wait(ironic: Ironic, enroll: Enroll, provision: Provision) -> None:
    node = scripted(enroll, Script(wait=["clean", "service"]), automated_clean=True)
    path = f"/v1/nodes/{node.uuid}"
    provision(node, "active", arrives="active")
    step = {"interface": "deploy", "step": "service", "args": {}}
    provision(node, "service", arrives="service wait", service_steps=[step])
    ironic.proceed(node)
    ironic.api.wait(path, lambda shown: shown["provision_state"] == "active" and shown["reservation"] is None)
    provision(node, "deleted", arrives="clean wait")
    ironic.proceed(node)
    ironic.api.wait(path, lambda shown: shown["provision_state"] == "available")


def test_a_rescue_waits(enroll: Enroll, provision: Provision) -> None:
    node = scripted(enroll, Script(wait=["rescue"]))
    provision(node, "active", arrives="active")
    provision(node, "rescue", arrives="rescue wait", rescue_password="secret")
    provision(node, "abort", arrives="rescue failed")


def test_an_unreachable_machine_refuses_power(ironic: Ironic, enroll: Enroll) -> None:
    node = scripted(enroll, Script(fail=["power"]))
    path = f"/v1/nodes/{node.uuid}"
    ironic.api.put(f"{path}/states/power", {"target": "power on"})
    shown = ironic.api.wait(path, lambda shown: shown["last_error"] is not None)
    assert "power fails as scripted" in shown["last_error"]


def test_a_slow_machine_stays_locked(ironic: Ironic, enroll: Enroll) -> None:
    node = scripted(enroll, Script(delay_s={"power": 0.5}))
    path = f"/v1/nodes/{node.uuid}"
    begun = time.monotonic()
    ironic.api.put(f"{path}/states/power", {"target": "power on"})
    ironic.api.wait(path, lambda shown: shown["reservation"] == "localhost")
    ironic.api.wait(path, lambda shown: shown["power_state"] == "power on")
    assert time.monotonic() - begun > 0.5


def test_the_nmi_button_was_pressed(ironic: Ironic, enroll: Enroll) -> None:
    node = scripted(enroll, Script())
    path = f"/v1/nodes/{node.uuid}"
    ironic.api.put(f"{path}/management/inject_nmi", {})
    assert ironic.api.get(path)["driver_internal_info"]["scripted"] == {"nmi": 1}
    ironic.script(node, Script(fail=["nmi"]))
    with pytest.raises(ApiError, match="nmi fails as scripted"):
        ironic.api.put(f"{path}/management/inject_nmi", {})


def test_a_serial_console_is_where_a_test_listens(ironic: Ironic, enroll: Enroll) -> None:
    node = scripted(enroll, Script(), driver_info={"terminal_port": 4711})
    console = f"/v1/nodes/{node.uuid}/states/console"
    ironic.api.put(console, {"enabled": True})
    shown = ironic.api.wait(console, lambda shown: shown["console_enabled"])
    assert shown["console_info"] == {"type": "socat", "url": "tcp://127.0.0.1:4711"}


def test_virtual_media_are_attached_and_detached(ironic: Ironic, enroll: Enroll, image_url: str) -> None:
    node = scripted(enroll, Script())
    path = f"/v1/nodes/{node.uuid}/vmedia"
    ironic.api.post(path, {"device_type": "cdrom", "image_url": image_url})
    (medium,) = ironic.api.wait(path, bool)
    assert (medium["media_types"], medium["inserted"]) == (["cdrom"], True)
    ironic.api.delete(path)
    ironic.api.wait(path, lambda media: media == [])


@pytest.fixture
def image_url() -> Iterator[str]:
    """Where Ironic finds an image."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), OneImage)
    Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}/cd.iso"
    server.shutdown()
    server.server_close()


class OneImage(BaseHTTPRequestHandler):
    """An empty image, whatever is asked for."""

    def do_HEAD(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(IMAGE)))
        self.end_headers()

    def do_GET(self) -> None:
        self.do_HEAD()
        self.wfile.write(IMAGE)

    def log_message(self, *_: Any) -> None:
        return
