"""``nova-virt backup``."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

Run = Callable[..., Any]


def test_a_full_one_then_what_changed_then_back(nova_virt: Run, web: str, places: Path) -> None:
    first = nova_virt("backup create web backups -f json").json
    assert (first["number"], first["kind"]) == (1, "full")
    second = nova_virt("backup create web backups -f json").json
    assert (second["number"], second["kind"], second["read_bytes"]) == (2, "incremental", 0)
    listed = nova_virt("backup list backups -f json").json
    assert [(row["number"], row["kind"], row["guest"]) for row in listed] == [
        (1, "full", "web"),
        (2, "incremental", "web"),
    ]
    restored = nova_virt("backup restore backups restored -f json").json
    assert (places / "restored" / "disk0.qcow2").is_file()
    assert [Path(row["file"]).name for row in restored] == ["disk0.qcow2"]
    assert nova_virt("create copy --image restored/disk0.qcow2").code == 0


def test_a_broken_chain_begins_anew_and_says_so(nova_virt: Run, web: str) -> None:
    nova_virt("backup create web backups")
    assert nova_virt("backup forget web").out == "web: 1 backup points forgotten\n"
    ran = nova_virt("backup create web backups -f json")
    assert (ran.json["number"], ran.json["kind"]) == (2, "full")
    assert "a full backup is written" in ran.err
    assert nova_virt("backup create web backups --full -f value -c kind").out == "full\n"


def test_what_cannot_be_is_one_line(nova_virt: Run, web: str, places: Path) -> None:
    nova_virt("create db")
    nova_virt("backup create web backups")
    assert "directory of its own" in nova_virt("backup create db backups").error
    assert "a directory with backups" in nova_virt("backup restore nothing restored").error
    assert "one of: 1" in nova_virt("backup restore backups restored --number 7").error
    assert "a directory that exists" in nova_virt("backup list nothing").error
    (places / "backups" / "0001.disk0.qcow2").unlink()
    assert nova_virt("backup list backups -f json").json[0]["number"] == 1
    assert "0001.disk0.qcow2" in nova_virt("--quiet backup restore backups restored").error
