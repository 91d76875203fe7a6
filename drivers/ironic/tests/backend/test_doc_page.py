"""The page about Ironic: its programs are run as they stand there, its profiles are read."""

import http.server
import os
import re
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

import nova_virt_api as virt
from nova_virt_ironic.options import OPTIONS
from tools.ironic import Auth, EnrolledNode, Ironic, NodeSpec, Script, Settings

ROOT = Path(__file__).parents[4]
PAGE = (ROOT / "doc" / "howto" / "ironic.md").read_text()
PROGRAM = re.compile(r"^```python\n# (?P<name>\w+\.py)\n(?P<code>.*?)^```$", re.MULTILINE | re.DOTALL)
PROFILES = re.compile(r"^```yaml\n# profiles\.yaml\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
PROGRAMS = {found["name"]: found["code"] for found in PROGRAM.finditer(PAGE)}

Run = Callable[..., list[str]]


def environment(directory: Path, ironic: Ironic) -> dict[str, str]:
    """One in which the page's default profile leads to an Ironic of the tests."""
    known = ironic.credentials
    profile = {"driver": "ironic", "endpoint": ironic.endpoint, "owner": "fleet"}
    if known.username is not None:
        profile |= {"auth_type": "http_basic", "username": known.username, "cafile": str(known.ca_file)}
        profile["password"] = {"env": "IRONIC_PASSWORD"}  # type: ignore[assignment]
    (directory / "nova-virt").mkdir()
    (directory / "nova-virt" / "profiles.yaml").write_text(
        yaml.safe_dump({"default": "metal", "profiles": {"metal": profile}})
    )
    return {**os.environ, "XDG_CONFIG_HOME": str(directory), "IRONIC_PASSWORD": known.password or ""}


def runner(directory: Path, ironic: Ironic) -> Run:
    """Runs one of the page's programs and gives the lines that it printed."""
    env = environment(directory, ironic)

    def run(name: str, *arguments: str) -> list[str]:
        (directory / name).write_text(PROGRAMS[name])
        command = [sys.executable, str(directory / name), *arguments]
        done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=240, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout.splitlines()

    return run


@pytest.fixture(scope="module")
def secured(start_shared: Callable[[Settings], Ironic]) -> Ironic:
    """An Ironic with a password and TLS, whose nodes are seen by this page's programs alone."""
    return start_shared(Settings(auth=Auth.HTTP_BASIC, tls=True))


@pytest.fixture
def node(secured: Ironic) -> Iterator[EnrolledNode]:
    """A machine as the page wants it."""
    fields = {"console_interface": "fake-graphical"}
    spec = NodeSpec(resource_class="gold", traits=["CUSTOM_NVME"], script=Script(), fields=fields)
    nodes = secured.enroll(1, spec)
    yield nodes[0]
    secured.forget(nodes)


@pytest.fixture
def run(tmp_path: Path, secured: Ironic) -> Run:
    return runner(tmp_path, secured)


@pytest.fixture
def iso(tmp_path: Path) -> Iterator[str]:
    """URL of an image that Ironic can fetch."""
    (tmp_path / "tools.iso").write_bytes(bytes(2048))

    class Handler(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *arguments: Any) -> None:
            super().__init__(*arguments, directory=str(tmp_path))

        def log_message(self, *_: object) -> None:
            """Be silent."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/tools.iso"
        server.shutdown()
        thread.join()


def test_every_program_has_a_name() -> None:
    assert PAGE.count("```python") == len(PROGRAMS)


def test_the_profiles_name_options_that_there_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = PROFILES.search(PAGE)
    assert found is not None
    profiles = yaml.safe_load(found["text"])["profiles"]
    names = {option.dest for option in OPTIONS} | {"driver", "owner"}
    kinds = {profile["auth_type"] for profile in profiles.values()}
    assert kinds == {"none", "http_basic", "password", "application_credential"}
    for profile in profiles.values():
        assert set(profile) <= names


def test_a_machine_is_deployed_and_looked_after(run: Run, secured: Ironic, node: EnrolledNode, iso: str) -> None:
    assert run("nodes.py") == [f"{node.name} None CUSTOM_GOLD CUSTOM_NVME"]
    assert run("deploy.py") == [f"database {node.name} running"]
    assert run("deploy.py") == [f"database {node.name} running"], "the same guest is found"
    assert run("nodes.py") == [f"{node.name} None CUSTOM_NVME"]

    told = run("care.py")
    assert "happened: deployment_end" in told
    assert [line for line in told if line.startswith("has:")] == [f"has: nic {address}" for address in node.addresses]
    assert told[-3:] == ["rescued", "ready", "['its second disk is dying']"]
    shown = secured.api.get(f"/v1/nodes/{node.uuid}")
    assert shown["maintenance"] is False
    assert shown["driver_internal_info"]["scripted"]["nmi"] == 1

    assert run("console.py") == ["WebConsole ***"]

    told = run("vendor.py", "deploy", "service", iso)
    assert told == ["BMC: []", "BIOS: {}", "runbooks: []", "media: [('cdrom',)]"]


def test_machines_are_taken_over(run: Run, secured: Ironic, node: EnrolledNode) -> None:
    path = f"/v1/nodes/{node.uuid}"
    source = {"op": "add", "path": "/instance_info/image_source", "value": "http://127.0.0.1:9/theirs.raw"}
    secured.api.patch(path, source)
    secured.api.put(f"{path}/states/provision", {"target": "active"})
    secured.api.wait(path, lambda shown: shown["provision_state"] == "active" and shown["reservation"] is None)
    assert run("take_over.py") == [f"{node.uuid} adopted"]
    assert secured.api.get(path)["instance_info"]["nova_virt"]["owner"] == "fleet"


def test_a_port_of_neutron_is_connected(tmp_path: Path, ironic_neutron: Ironic) -> None:
    nodes = ironic_neutron.enroll(1, NodeSpec(resource_class="gold"))
    run = runner(tmp_path, ironic_neutron)
    try:
        with virt.connect("ironic", endpoint=ironic_neutron.endpoint, owner="fleet") as compute:
            guest = virt.InstanceSpec(
                uuid=virt.stable_uuid("database"),
                name="database",
                memory_bytes=virt.GiB(1),
                disks=[virt.Disk(source=virt.Native("http://127.0.0.1:9/image.raw"))],
                placement=virt.Placement(node=nodes[0].name),
            )
            compute.spawn(guest, timeout=60)
        network = ironic_neutron.neutron.create_network("page", "198.51.100.0/24")
        on, left = run("network.py", ironic_neutron.neutron.create_port(network).id)
    finally:
        ironic_neutron.forget(nodes)
    assert on.removeprefix("on ") in nodes[0].addresses
    assert left == "0 interfaces"
