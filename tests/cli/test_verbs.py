"""The verbs that change a guest."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import nova_virt_api as virt

Run = Callable[..., Any]
"""Runs the command: see the fixtures ``nova_virt`` and ``command``."""


@pytest.mark.parametrize(
    ("lines", "state"),
    [
        (["stop web"], "shutdown"),
        (["stop web --force"], "shutdown"),
        (["stop web --grace 1"], "shutdown"),
        (["stop web", "start web"], "running"),
        (["reboot web"], "running"),
        (["pause web"], "paused"),
        (["pause web", "unpause web"], "running"),
        (["suspend web"], "suspended"),
        (["suspend web", "resume web"], "running"),
        (["rescue web"], "running"),
        (["rescue web --image native:cirros", "unrescue web"], "running"),
        (["crash-dump web"], "running"),
        (["release web"], "running"),
    ],
)
def test_a_verb_changes_the_state(nova_virt: Run, web: str, lines: list[str], state: str) -> None:
    for line in lines:
        ran = nova_virt(line)
        assert ran.code == 0, ran.err
        assert ran.out.startswith("web ")
    assert nova_virt("show web -f value -c power_state").out == f"{state}\n"


def test_quiet_is_quiet(nova_virt: Run, web: str) -> None:
    ran = nova_virt("--quiet stop web")
    assert (ran.code, ran.out, ran.err) == (0, "", "")


def test_a_snapshot_is_a_file_or_a_native_image(nova_virt: Run, web: str, places: Path) -> None:
    image = nova_virt("snapshot web snap.qcow2 -f json").json
    assert image["format"] == "qcow2"
    assert (places / "snap.qcow2").stat().st_size > 0
    assert nova_virt("snapshot web native:golden -f json").json["ref"] == "golden"
    assert nova_virt("create copy --image native:golden").code == 0


def test_delete_goes_on_after_a_failure_and_tells_it(nova_virt: Run, web: str) -> None:
    nova_virt("create db")
    ran = nova_virt("--quiet delete web nobody db")
    assert ran.code == 3
    assert ran.error.startswith("nova-virt delete nobody: no guest called")
    assert nova_virt("list -f json").json == []


def test_delete_of_what_is_gone(nova_virt: Run, web: str) -> None:
    assert nova_virt("delete web").out == "web is deleted\n"
    assert nova_virt("--quiet delete web").code == 3
    assert nova_virt("--quiet delete", web).code == 3
    assert nova_virt("delete --missing-ok web").out == "web was not there\n"
    assert nova_virt("delete --missing-ok", web).code == 0


def test_delete_by_uuid_removes_what_an_interrupted_create_left(nova_virt: Run) -> None:
    from nova_virt_api.fake.steps import Step

    uuid = virt.stable_uuid("half")
    with virt.connect("fake", persist=True) as compute, compute.native() as switches:
        switches.crash_at(Step.SPAWN_DEFINE)  # type: ignore[attr-defined]
        with pytest.raises(virt.ConnectionLost):
            compute.spawn(virt.InstanceSpec(uuid=uuid, name="half", memory_bytes=virt.GiB(1), nics=[virt.Nic()]))
    left = nova_virt("leftover list -f json").json
    assert {leftover["uuid"] for leftover in left} == {str(uuid)}
    assert nova_virt("delete", str(uuid)).code == 0
    assert nova_virt("leftover list -f json").json == []


def test_a_foreign_guest_is_deleted_only_when_both_are_said(nova_virt: Run) -> None:
    with virt.connect("fake", persist=True) as compute, compute.native() as switches:
        switches.outside.add_guest("legacy")  # type: ignore[attr-defined]
    assert nova_virt("--quiet delete legacy").code == 9
    assert nova_virt("--quiet --manage all delete legacy").code == 9
    assert nova_virt("--quiet --manage all delete --foreign legacy").code == 0


@pytest.mark.parametrize("condition", ["running", "address", "address=192.0.2.0/24", "ipv4", "agent"])
def test_what_holds_already_is_not_waited_for(nova_virt: Run, web: str, condition: str) -> None:
    ran = nova_virt(f"wait web {condition} --timeout 0")
    assert ran.code == 0
    assert ran.out.startswith("web: running")


def test_a_guest_that_is_not_there_is_gone(nova_virt: Run, web: str) -> None:
    assert nova_virt("wait web gone --timeout 0").code == 4
    nova_virt("delete web")
    assert nova_virt("wait web gone").code == 0
    assert nova_virt("--quiet wait web running").code == 3


def test_watch_tells_what_is_there(nova_virt: Run, web: str) -> None:
    text = nova_virt("watch --timeout 0").out
    assert f"present web ({web}): running, 192.0.2.1" in text
    event = json.loads(nova_virt("watch --timeout 0 -f json").out)
    assert event["guest"]["uuid"] == web


def test_a_watch_line_tells_what_changed() -> None:
    from nova_virt_api.cli.watch import text_line

    fields: dict[str, Any] = {"uuid": virt.stable_uuid("web"), "native_id": "1", "vcpus": 1, "memory_bytes": 1}
    off = virt.Instance(name="web", power_state=virt.PowerState.SHUTDOWN, **fields)
    on = virt.Instance(name="web", power_state=virt.PowerState.RUNNING, agent=True, **fields)
    line = text_line(virt.InstanceEvent(change=virt.Change.CHANGED, instance=on, previous=off))
    assert line.endswith(f"changed web ({on.uuid}): shutdown -> running, agent: yes")


def test_a_gap_has_its_line() -> None:
    from nova_virt_api.cli.watch import json_line, text_line

    gap = virt.Gap("the daemon restarted")
    assert text_line(gap).endswith("gap: the daemon restarted; differences follow")
    assert json.loads(json_line(gap))["event"] == "gap"


def test_secrets_do_not_belong_on_the_command_line(nova_virt: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    from oslo_config import cfg

    from nova_virt_api.fake.driver import FakeDriver

    options = (*FakeDriver.options(), cfg.StrOpt("password", secret=True))
    monkeypatch.setattr(FakeDriver, "options", classmethod(lambda cls: options))
    ran = nova_virt("--quiet -o password=hunter2 list")
    assert ran.code == 7
    assert "hunter2" not in ran.err
    assert "password=env:NAME" in ran.error
    monkeypatch.setenv("THE_PASSWORD", "hunter2")
    assert nova_virt("-o password=env:THE_PASSWORD list -f json").code == 0
    assert "hunter2" not in nova_virt("-o password=env:THE_PASSWORD driver show fake -f json").out


def test_a_profile_is_used(nova_virt: Run, places: Path) -> None:
    directory = places / "xdg_config_home" / "nova-virt"
    directory.mkdir(parents=True)
    (directory / "profiles.yaml").write_text("profiles: {lab: {driver: fake, pools: [fast]}}\n")
    ran = nova_virt("--profile lab pool list -f value -c name", driver=None)
    assert (ran.out, ran.err) == ("fast\n", "")
