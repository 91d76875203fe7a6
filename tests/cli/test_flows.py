"""The main flows, with the real command in processes of its own: what one leaves, the next one finds."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from nova_virt_api.version import __version__

Run = Callable[..., Any]
"""Runs the command: see the fixtures ``nova_virt`` and ``command``."""


def test_a_guest_lives_through_many_processes(command: Run) -> None:
    made = command("--driver fake create web --image native:debian-13 --memory 512M --label tier=front -f json")
    assert made.code == 0, made.err
    uuid = made.json["uuid"]

    (listed,) = command("--driver fake list -f json").json
    assert listed == {
        "name": "web",
        "uuid": uuid,
        "power_state": "running",
        "owner": "nova-virt",
        "addresses": ["192.0.2.1"],
        "vcpus": 1,
        "memory_bytes": 512 * 1024**2,
        "labels": {"tier": "front"},
    }
    assert command("--driver fake stop web").out == "web is stopped\n"
    assert command("--driver fake show web -f value -c power_state").out == "shutdown\n"
    assert command("--driver fake start", uuid).out == "web is running\n"
    assert "login:" in command("--driver fake console log web").out
    assert command("--driver fake delete web").out == "web is deleted\n"
    assert command("--driver fake list -f json").json == []
    assert command("--driver fake show web").code == 3


def test_without_a_driver_it_is_fake_and_says_so(command: Run) -> None:
    ran = command("create web")
    assert ran.code == 0
    first = ran.err.splitlines()[0]
    assert first.startswith("nova-virt: this is 'fake'")
    assert "--driver NAME" in first
    quiet = command("--quiet list -f value -c name")
    assert (quiet.out, quiet.err) == ("web\n", "")


def test_the_version_is_told(command: Run) -> None:
    ran = command("--version")
    assert ran.code == 0
    assert ran.out == f"nova-virt {__version__} (driver API 1.0)\n"
    assert command("--driver fake --version").out == ran.out


def test_a_local_image_needs_no_tools(command: Run, places: Path) -> None:
    (places / "disk.raw").write_bytes(b"\0" * 1024**2)
    made = command("--driver fake create web --image disk.raw --image-format raw --disk-size 2G --wait address -f json")
    assert made.code == 0, made.err
    assert made.json["addresses"]


def test_nobody_reads_the_output_to_its_end(command: Run) -> None:
    import os
    import subprocess
    import sys

    read, write = os.pipe()
    os.close(read)
    main = "import sys; from nova_virt_api.cli.main import main; sys.exit(main())"
    words = [sys.executable, "-c", main, "--driver", "fake", "pool", "list"]
    ended = subprocess.run(words, stdout=write, stderr=subprocess.PIPE, text=True, timeout=60, check=False)
    os.close(write)
    assert (ended.returncode, ended.stderr) == (141, "")


def test_watch_prints_one_json_object_per_line(command: Run) -> None:
    command("--driver fake create web")
    ran = command("--driver fake watch --timeout 0 -f json")
    assert ran.code == 0
    (line,) = ran.out.splitlines()
    event = json.loads(line)
    assert (event["event"], event["guest"]["name"], event["synthetic"]) == ("present", "web", False)
