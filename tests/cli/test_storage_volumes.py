"""Volumes of pools at the command line."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Run = Callable[..., Any]


@pytest.fixture
def image(places: Path) -> Path:
    path = places / "image.raw"
    path.write_bytes(b"something".ljust(2 * 1024**2, b"\0"))
    return path


def test_a_volume_through_its_life(nova_virt: Run, web: str, image: Path, places: Path) -> None:
    upload = f"volume upload data --volume-format raw --image {image} --image-format raw"
    made = nova_virt(f"{upload} -f json").json
    assert (made["name"], made["size_bytes"], made["format"], made["guests"]) == ("data", 2 * 1024**2, "raw", [])
    assert nova_virt(f"{upload} -f json").json == made
    assert nova_virt("volume list -f value -c name -c pool").out == "data default\n"
    assert nova_virt("volume attach web stored:data -f value -c id").out == f"{made['id']}\n"
    assert (
        nova_virt("volume show data -f json").json["guests"]
        == nova_virt("list -f json -c uuid").json[0]["uuid"].split()
    )
    refused = nova_virt("volume delete data")
    assert (refused.code, "is used by guest" in refused.error) == (6, True)
    assert nova_virt("volume detach web data").out == "web has no volume data, and had none\n"
    assert nova_virt("volume list web -f value -c id").out == f"{made['id']}\n"
    assert nova_virt("volume detach web stored:data").out == "web has no volume stored:data\n"
    assert nova_virt("volume list web -f json").json == []
    assert nova_virt("volume resize data 4M -f value -c size_bytes").out == f"{4 * 1024**2}\n"
    target = places / "back.raw"
    assert nova_virt(f"volume download data {target} -f json").json["virtual_size_bytes"] == 4 * 1024**2
    assert target.read_bytes() == image.read_bytes().ljust(4 * 1024**2, b"\0")
    assert "nothing yet" in nova_virt(f"volume download data {target}").error
    assert nova_virt("volume delete data").out == "data is deleted\n"
    assert nova_virt("volume list -f json").json == []


def test_volumes_that_are_not_there(nova_virt: Run) -> None:
    uuid = "8f2f3f5e-5c3b-5e0f-9d51-4f0f6f3a7c12"
    assert nova_virt("volume create empty 1M --id " + uuid).code == 0
    assert nova_virt("volume create empty 2M --id " + uuid).code == 6
    assert nova_virt("volume create empty 2M --id seven").code == 7
    assert nova_virt(f"volume delete {uuid} nobody").code == 3
    assert nova_virt(f"volume delete nobody {uuid} --missing-ok").out == f"nobody was not there\n{uuid} was not there\n"
    assert nova_virt(f"volume delete {uuid}").code == nova_virt("volume show nobody").code == 3
    assert nova_virt("volume upload new").code == 7


def test_others_volumes_are_shown_if_one_asks(nova_virt: Run) -> None:
    for owner in ("alice", "bob"):
        assert nova_virt(f"--owner {owner} volume create data 1M").code == 0
    assert nova_virt("--owner alice volume list -f value -c owner").out == "alice\n"
    assert sorted(nova_virt("--owner alice volume list --all -f value -c owner").out.split()) == ["alice", "bob"]
    ambiguous = nova_virt("--owner alice volume show data")
    assert (ambiguous.code, "several volumes" in ambiguous.error) == (6, True)
