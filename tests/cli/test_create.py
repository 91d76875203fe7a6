"""What ``create`` makes of its options and of a spec file."""

import io
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

import nova_virt_api as virt

Run = Callable[..., Any]
"""Runs the command: see the fixtures ``nova_virt`` and ``command``."""


KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJqjhFQvXcqmB1bBfN0yv8qP5a6gXv0X3m9b6sXo0Jt2 me@example.org"


def test_a_dry_run_prints_a_spec_file_that_makes_the_same_guest(nova_virt: Run, places: Path) -> None:
    (places / "key.pub").write_text(f"# mine\n{KEY}\n")
    (places / "user-data").write_text("#cloud-config\n")
    options = (
        "--image native:debian-13 --disk-size 20G --memory 2G --vcpus 2 --network default --label tier=front"
        " --firmware uefi --no-start --cloud-init user-data --ssh-key key.pub --cloud-init-source config-drive"
        " --pool default"
    )
    printed = nova_virt(f"create web --repeatable --dry-run {options}")
    assert printed.code == 0, printed.err
    assert yaml.safe_load(printed.out) == {
        "name": "web",
        "firmware": "uefi",
        "vcpus": 2,
        "memory_bytes": "2G",
        "power_on": False,
        "disks": [{"source": {"native": "debian-13"}, "size_bytes": "20G"}],
        "nics": [{"network": "default"}],
        "cloud_init": {
            "user_data_file": str(places / "user-data"),
            "ssh_authorized_keys": [KEY],
            "source": "config-drive",
        },
        "placement": {"pool": "default"},
        "labels": {"tier": "front"},
        "uuid": str(virt.stable_uuid("web")),
    }
    assert nova_virt("list -f json").json == []

    made = nova_virt(f"create web --repeatable {options} -f json")
    assert made.json["power_state"] == "shutdown"
    (places / "web.yaml").write_text(printed.out)
    assert nova_virt("create --spec web.yaml -f json").json == made.json


def test_a_spec_file_is_repeatable_and_options_win_over_it(nova_virt: Run, places: Path) -> None:
    (places / "web.yaml").write_text("name: web\nmemory_bytes: 512M\nlabels: {tier: front}\n")
    first = nova_virt("create --spec web.yaml -f json")
    assert first.code == 0, first.err
    assert nova_virt("create --spec web.yaml -f json").json == first.json
    assert first.json["memory_bytes"] == 512 * 1024**2

    other = nova_virt("create db --spec web.yaml --memory 1G --label more=yes -f json").json
    assert (other["name"], other["memory_bytes"]) == ("db", 1024**3)
    assert other["labels"] == {"more": "yes", "tier": "front"}

    changed = nova_virt("--quiet create --spec web.yaml --memory 1G")
    assert changed.code == 6, changed.err


def test_parts_of_the_machine_have_options(nova_virt: Run, places: Path) -> None:
    options = "--secure-boot --tpm 2.0 --cpu-model host-model --dedicated-cpus"
    printed = nova_virt(f"create web --dry-run {options}")
    assert printed.code == 0, printed.err
    found = yaml.safe_load(printed.out)
    assert (found["secure_boot"], found["tpm"]) == (True, {"version": "2.0"})
    assert found["cpu"] == {"mode": "host-model", "dedicated": True}
    (places / "web.yaml").write_text(printed.out)
    again = nova_virt("create --spec web.yaml --cpu-model Nehalem --dry-run")
    assert yaml.safe_load(again.out)["cpu"] == {"model": "Nehalem", "dedicated": True}
    assert nova_virt(f"create web {options}").code == 0


def test_a_machine_that_cannot_be_names_the_option(nova_virt: Run, places: Path) -> None:
    ran = nova_virt("--quiet create web --secure-boot --firmware bios")
    assert (ran.code, ran.error.split(": ")[1]) == (7, "--secure-boot")


def test_a_spec_file_with_a_slip_names_field_and_line(nova_virt: Run, places: Path) -> None:
    (places / "web.yaml").write_text("name: web\nmemory_bytes: 512M\ndisks:\n- source: {blank: true}\n  siez: 2G\n")
    ran = nova_virt("--quiet create --spec web.yaml")
    assert ran.code == 7
    assert ran.error == (
        "nova-virt create web: disks[0].siez: got an unknown field, allowed is one of: source, size_bytes, pool, bus,"
        " limits, cache, discard, serial, tag; did you mean 'size_bytes'?; see web.yaml, line 5"
    )


def test_user_data_in_a_spec_file_is_not_repeated(nova_virt: Run, places: Path) -> None:
    (places / "web.yaml").write_text("name: web\nmemory_bytes: 1G\ncloud_init: {user_data: 'password: hunter2'}\n")
    assert "hunter2" not in nova_virt("create --spec web.yaml --dry-run").out


@pytest.mark.parametrize("text", ["-----BEGIN OPENSSH PRIVATE KEY-----\nabc\n", "root:x:0:0\n", ""])
def test_only_public_keys_are_given_to_a_guest(nova_virt: Run, places: Path, text: str) -> None:
    (places / "key").write_text(text)
    ran = nova_virt("--quiet create web --ssh-key key")
    assert ran.code == 7
    assert "--ssh-key: got 'key', allowed is a file of public keys" in ran.error


def test_a_feature_that_is_missing_is_told_by_its_option(nova_virt: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    capabilities = virt.Capabilities(
        driver="fake", driver_version="1", backend="x", backend_version="1", event_latency_seconds=0
    )
    monkeypatch.setattr("nova_virt_api.compute.compute.Compute.capabilities", lambda self, node=None: capabilities)
    ran = nova_virt("--quiet create web --firmware uefi")
    assert ran.code == 5
    assert ran.error.startswith("nova-virt create web: --firmware needs uefi: not supported")


def test_a_guest_gets_the_only_network_unless_told_otherwise(nova_virt: Run) -> None:
    assert nova_virt("create one -f json").json["addresses"] == ["192.0.2.1"]
    assert nova_virt("create none --no-network -f json").json["addresses"] == []
    several = nova_virt("--quiet -o networks=a,b -o world=two create one")
    assert several.code == 7
    assert "one of: a, b" in several.error


def test_waiting_is_part_of_creating(nova_virt: Run) -> None:
    made = nova_virt("-o boot_seconds=0.3 create web --wait ipv4 -f json")
    assert made.json["addresses"] == ["192.0.2.1"]
    late = nova_virt("--quiet -o boot_seconds=60 create db --wait ipv4 --timeout 0.2")
    assert late.code == 4
    assert "an IPv4 address" in late.error
    assert {guest["name"] for guest in nova_virt("list -f json").json} == {"web", "db"}


def test_a_timeout_waits_until_what_was_made_is_taken_back(nova_virt: Run, slow_fake: Run) -> None:
    slow_fake(SPAWN_START=60, SPAWN_UNDO=0.3)
    ran = nova_virt("create web --image native:cirros --timeout 0.3")
    assert ran.code == 4
    assert "create web: time is up; taking back what was done\n" in ran.err
    assert "time ran out while: start" in ran.err
    slow_fake()
    assert nova_virt("list -f json").json == []
    assert nova_virt("leftover list -f json").json == []


def test_a_spec_may_come_from_standard_input(nova_virt: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("name: web\nmemory_bytes: 512M\n"))
    assert nova_virt("create --spec - -f json").json["uuid"] == str(virt.stable_uuid("web"))


@pytest.mark.parametrize(
    ("text", "options", "field"),
    [
        ("disks: x", "--image native:cirros", "disks: got 'x', allowed is a list"),
        ("disks: [x]", "--disk-size 2G", "disks[0]: got 'x', allowed is a mapping"),
        ("labels: x", "--label a=b", "labels: got 'x', allowed is a mapping"),
    ],
)
def test_an_option_cannot_mend_a_wrong_spec_file(
    nova_virt: Run, places: Path, text: str, options: str, field: str
) -> None:
    (places / "web.yaml").write_text(f"name: web\nmemory_bytes: 1G\n{text}\n")
    ran = nova_virt(f"--quiet create --spec web.yaml {options}")
    assert ran.code == 7
    assert field in ran.error
    assert ran.error.endswith("see web.yaml, line 3")


def test_an_option_replaces_the_boot_disk_of_a_spec_file_and_keeps_the_rest(nova_virt: Run, places: Path) -> None:
    (places / "web.yaml").write_text(
        "{name: web, memory_bytes: 1G, disks: [{source: {native: cirros}, pool: default}, {source: {native: cirros}}]}"
    )
    printed = nova_virt("create --spec web.yaml --image native:debian-13 --disk-size 3G --dry-run").out
    assert yaml.safe_load(printed)["disks"] == [
        {"source": {"native": "debian-13"}, "pool": "default", "size_bytes": "3G"},
        {"source": {"native": "cirros"}},
    ]


def test_a_second_ctrl_c_leaves_at_any_moment(nova_virt: Run, slow_fake: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    from nova_virt_api.cli import progress
    from nova_virt_api.cli.connection import Connection
    from nova_virt_api.compute.operation import Operation

    def interrupted(self: Operation[Any], timeout: float | None = None) -> bool:
        signal.raise_signal(signal.SIGINT)
        return wait(self, timeout)

    def forget(self: Connection) -> None:
        forgotten.append(self)

    def interrupted_while_it_says_so(self: progress.Lines, text: str) -> None:
        said.append(text)
        if "cancelling" in text:
            signal.raise_signal(signal.SIGINT)

    said: list[str] = []
    forgotten: list[Connection] = []
    wait = Operation.wait
    slow_fake(SPAWN_DISK=60)
    monkeypatch.setattr(Operation, "wait", interrupted)
    monkeypatch.setattr(progress.Lines, "note", interrupted_while_it_says_so)
    monkeypatch.setattr(Connection, "forget", forget)
    before = signal.getsignal(signal.SIGINT)
    assert nova_virt("create web --image native:cirros").code == 130
    assert "left while" in said[-1]
    assert len(forgotten) == 1
    assert signal.getsignal(signal.SIGINT) is before
