"""The commands for the roles: interfaces, rebuilding, maintenance, whose guests are whose, a closer look."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import nova_virt_api as virt

Run = Callable[..., Any]
"""Runs the command: see the fixtures ``nova_virt`` and ``command``."""


def test_interfaces_on_bridges_come_and_go(nova_virt: Run, web: str) -> None:
    assert nova_virt("interface attach web --bridge br0 -f value -c network").out == "br0\n"
    added = nova_virt("interface attach web --ovs-bridge br-int --vlan 7 -f json").json
    assert added["network"] == "br-int"
    assert added in nova_virt("interface list web -f json").json
    for wrong, said in (("--bridge br0 --ovs-bridge br-int", "one bridge"), ("--bridge br0 --vlan 7", "--ovs-bridge")):
        refused = nova_virt(f"interface attach web {wrong}")
        assert refused.code != 0
        assert said in refused.err


@pytest.fixture
def legacy() -> None:
    """Two guests of nobody and one of somebody else's."""
    with virt.connect("fake", persist=True) as compute, compute.native() as switches:
        outside = switches.outside  # type: ignore[attr-defined]
        outside.add_guest("ci-1")
        outside.add_guest("ci-2")
        outside.add_guest("ci-theirs", owner="them")


def test_interfaces_come_and_go(nova_virt: Run, web: str) -> None:
    (first,) = nova_virt("interface list web -f json").json
    assert first["network"] == "default"
    added = nova_virt("interface attach web --mac 52-54-00-00-AA-01 --model e1000 --vif port-1 --tag back -f json").json
    assert (added["mac"], added["model"], added["vif_id"]) == ("52:54:00:00:aa:01", "e1000", "port-1")
    assert (first["tag"], added["tag"], added["address"]) == (None, "back", "0000:00:01.0")
    assert nova_virt("interface list web -f json").json == [first, added]
    ran = nova_virt("interface detach web", added["id"])
    assert ran.out == f"web has no interface {added['id']}\n"
    assert nova_virt("interface list web -f json").json == [first]


def test_a_guest_is_rebuilt(nova_virt: Run, web: str, places: Path) -> None:
    (places / "user-data").write_text("#cloud-config\n")
    rebuilt = nova_virt("rebuild web --image native:cirros --cloud-init user-data -f json").json
    assert (rebuilt["uuid"], rebuilt["power_state"], rebuilt["lifecycle"]) == (web, "running", "ready")
    (places / "disk.raw").write_bytes(b"\0" * 1024**2)
    assert nova_virt("--quiet rebuild web --image disk.raw --image-format raw").code == 0
    assert nova_virt("rebuild web -f value -c name").out == "web\n"


def test_a_rescued_guest_shows_it(nova_virt: Run, web: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("THE_PASSWORD", "hunter2")
    assert nova_virt("rescue web --password env:THE_PASSWORD").out == "web is rescued\n"
    assert nova_virt("show web -f value -c lifecycle").out == "rescued\n"
    refused = nova_virt("--quiet pause web")
    assert (refused.code, "unrescue it first" in refused.error) == (6, True)
    assert nova_virt("unrescue web").out == "web is running\n"


def test_a_node_goes_out_of_use_and_back(nova_virt: Run) -> None:
    assert nova_virt("maintenance enter fake-host --reason 'a fan'").out == "fake-host takes no new guests\n"
    assert nova_virt("host list -f value -c maintenance").out == "a fan\n"
    assert nova_virt("host show -f json").json["maintenance"] == "a fan"
    assert "a fan" in nova_virt("host show").out
    refused = nova_virt("--quiet create web")
    assert (refused.code, "a fan" in refused.error) == (8, True)
    assert nova_virt("maintenance leave fake-host").out == "fake-host takes guests\n"
    assert nova_virt("create web").code == 0


def test_guests_are_adopted_and_given_back(nova_virt: Run, legacy: None) -> None:
    dry = nova_virt("adopt --match 'ci-*' --dry-run -f json").json
    assert [(entry["name"], entry["outcome"]) for entry in dry] == [("ci-1", "adoptable"), ("ci-2", "adoptable")]
    assert nova_virt("list --owned -f json").json == []
    adopted = nova_virt("adopt ci-1 -f json").json
    assert [(entry["name"], entry["outcome"], entry["reason"]) for entry in adopted] == [("ci-1", "adopted", None)]
    mixed = nova_virt("--quiet adopt ci-1 ci-2 ci-theirs -f json")
    assert [entry["outcome"] for entry in mixed.json] == ["owned", "adopted", "refused"]
    assert "them" in mixed.json[2]["reason"]
    assert mixed.code == 9
    assert nova_virt("list --owned -f value -c name").out == "ci-1\nci-2\n"
    assert nova_virt("release ci-1").out == "ci-1 is nobody's\n"
    assert nova_virt("list --owned -f value -c name").out == "ci-2\n"
    assert nova_virt("adopt --match 'nothing*'").code == 0


def test_a_closer_look(nova_virt: Run, web: str) -> None:
    assert nova_virt("crash-dump web").out == "web was interrupted\n"
    found = nova_virt("diagnostics web -f json").json
    assert [incident["kind"] for incident in found["incidents"]] == ["interrupt", "start"]
    assert found["incidents"][0]["at"].endswith("+00:00")
    assert found["sensors"][0]["unit"] == "Celsius"
    table = nova_virt("diagnostics web").out
    assert "kind=interrupt, message=NMI for a crash dump" in table


def test_what_guests_use(nova_virt: Run, web: str) -> None:
    assert nova_virt("create db --vcpus 1 --memory 1G --no-start").code == 0
    (sample,) = nova_virt("metrics -f json").json
    assert (sample["name"], sample["read_bytes"], sample["sent_bytes"]) == ("web", 16 * 1024**2, 0)
    assert nova_virt("stop web").code == 0
    assert nova_virt("metrics -f json").json == []


def test_copies_of_images(nova_virt: Run, web: str, tmp_path: Path) -> None:
    image = tmp_path / "debian.raw"
    image.write_bytes(bytes(65536))
    copy = nova_virt(f"image prefetch --image {image} --image-format raw -f json").json
    assert (copy["pool"], copy["size_bytes"], copy["used"]) == ("default", 65536, False)
    assert nova_virt("image list -f json").json == [copy]
    assert nova_virt("image prune --days 1 -f json").json == []
    assert nova_virt("image prune -f json").json == [copy]
    assert nova_virt("image list -f json").json == []
    missing = nova_virt("image prefetch")
    assert missing.code == 7, missing.err
    assert "image: got" in missing.err


def test_what_a_node_has_and_is_called(nova_virt: Run) -> None:
    kinds = {device["kind"] for device in nova_virt("device list -f json").json}
    assert kinds == {"processor", "memory", "disk", "nic"}
    assert nova_virt("device list fake-host -f csv").code == 0
    connector = nova_virt("volume connector -f json").json
    assert connector["node"] == "fake-host"
    assert connector["iscsi_initiator"].startswith("iqn.")


def test_volumes_come_go_grow_and_are_swapped(nova_virt: Run, web: str, places: Path) -> None:
    (places / "passphrase").write_text("hunter2")
    (places / "data.yaml").write_text(
        "id: data\nconnection: {file: {path: /srv/data}}\nencryption: {passphrase: {file: passphrase}}\nserial: db\n"
    )
    (places / "new.yaml").write_text("id: new\nconnection: {nbd: {host: 192.0.2.7}}\n")
    data, new = places / "data.yaml", places / "new.yaml"
    attached = nova_virt(f"volume attach web {data} --tag database -f json").json
    assert (attached["id"], attached["encrypted"], attached["serial"]) == ("data", True, "db")
    assert nova_virt("volume list web -f value -c tag -c address").out == "database 0002:00:00.0\n"
    assert nova_virt("volume extend web data 2G").out == "web sees volume data with 2G\n"
    assert nova_virt("volume extend web data 1G").code != 0
    assert nova_virt(f"volume swap web data {new} -f value -c id").out == "new\n"
    assert nova_virt("volume list web -f value -c id -c read_only").out == "new false\n"
    assert nova_virt("volume detach web new").out == "web has no volume new\n"
    assert nova_virt("volume list web -f json").json == []
    data.write_text("id: data\nconnection: {nfs: {server: a}}\n")
    refused = nova_virt(f"volume attach web {data}")
    assert "connection.nfs.export" in refused.err
    assert "hunter2" not in refused.err


def test_interfaces_that_a_network_service_made(nova_virt: Run) -> None:
    assert nova_virt("create one --vif port-1 --vif port-2").code == 0
    assert nova_virt("interface list one -f value -c vif_id").out == "port-1\nport-2\n"
    assert nova_virt("create two --network default --vif port-3").code == 0
    assert nova_virt("interface list two -f value -c vif_id").out == "\nport-3\n"


def test_an_image_that_the_backend_fetches(nova_virt: Run) -> None:
    checksum = "sha256:" + "ab" * 32
    shown = nova_virt(f"create web --image backend:https://example.org/x --image-checksum {checksum} --dry-run").out
    assert "backend_url: https://example.org/x" in shown


def test_a_secret_of_a_spec_file_is_not_repeated(nova_virt: Run, places: Path) -> None:
    (places / "password").write_text("hunter3")
    (places / "web.yaml").write_text(
        """
name: web
memory_bytes: 1G
volumes:
- id: a
  connection: {opaque: {kind: iscsi, properties: '{"password": "hunter2"}'}}
- id: b
  connection:
    iscsi:
      portal: 192.0.2.7:3260
      iqn: iqn.2001-04.com.example:b
      chap_username: me
      chap_password: {file: password}
"""
    )
    ran = nova_virt("create --spec web.yaml --dry-run")
    assert ran.code == 0, ran.err
    assert "hunter" not in ran.out
    assert "file: password" in ran.out
    made = nova_virt("--debug create --spec web.yaml -f json")
    assert made.code == 0, made.err
    assert "hunter" not in made.out + made.err
