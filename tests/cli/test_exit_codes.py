"""Every kind of failure has its number and one line that says what happened and what to do."""

from collections.abc import Callable
from typing import Any

import pytest

import nova_virt_api as virt
from nova_virt_api import errors
from nova_virt_api.cli.exit_codes import BY_ERROR, ExitCode

Run = Callable[..., Any]
"""Runs the command: see the fixtures ``nova_virt`` and ``command``."""


@pytest.mark.parametrize(
    ("line", "code", "said"),
    [
        ("show nobody", 3, "nova-virt show nobody: no guest called 'nobody' here"),
        ("create db --image native:nope", 3, "no image 'nope' here"),
        ("wait web stopped --timeout 0", 4, "last seen: running"),
        ("resume web --bogus", 2, "unrecognized arguments: --bogus; see 'nova-virt resume --help'"),
        ("create web", 6, "there is a guest of this name already"),
        ("unpause db", 3, "no guest called 'db' here"),
        ("create db --memory 5MB", 7, "--memory: got '5MB', allowed is a size"),
        ("create db --memory 513K", 7, "--memory: got '513K', allowed is a whole number"),
        ("create db --vcpus 0", 7, "--vcpus: got 0, allowed is"),
        ("create db --uuid 5", 7, "--uuid: got '5', allowed is a uuid"),
        ("create db --label x", 7, "--label: got 'x', allowed is KEY=VALUE"),
        ("create db --network nope", 7, "--network: got 'nope', allowed is one of: default"),
        ("create db --image native:cirros --pool nope", 7, "--pool: got 'nope', allowed is one of: default"),
        ("create db --node nope", 7, "nope"),
        ("create db --image http://example.org/x", 7, "--image-checksum: got None, allowed is a checksum"),
        ("create db --image x --image-checksum 5", 7, "--image-checksum: got '5', allowed is"),
        ("create db --image-format raw", 7, "--image-format: got no --image"),
        ("create '../db'", 7, "NAME: got '../db', allowed is"),
        ("create", 7, "NAME: got nothing"),
        ("create db --image backend:https://example.org/x", 7, "--image-checksum: got nothing, allowed is"),
        ("rebuild web --image native:nope", 3, "no image 'nope' here"),
        ("rebuild web --image http://example.org/x", 7, "--image-checksum: got None, allowed is a checksum"),
        ("rebuild web --image-format raw", 7, "--image-format: got no --image"),
        ("rebuild web --cloud-init nope", 7, "--cloud-init: got"),
        ("rescue web --password hunter2", 7, "--password: a secret does not belong on a command line"),
        ("rescue web --password env:NOT_SET_AT_ALL", 7, "--password: its environment variable"),
        ("interface attach web --mac zz", 7, "mac: got 'zz', allowed is a unicast MAC address"),
        ("interface attach web --model ne2000", 2, "argument --model"),
        ("interface", 2, "did you mean 'interface attach' or 'interface detach' or 'interface list'?"),
        ("maintenance enter fake-host", 2, "--reason"),
        ("maintenance enter nope --reason x", 7, "nova-virt maintenance enter nope: node: got 'nope'"),
        ("adopt", 7, "GUEST: got neither, allowed is names of guests, or --match"),
        ("adopt web --match '*'", 7, "GUEST: got both"),
        ("adopt nobody", 3, "no guest called 'nobody' here"),
        ("device list nope", 7, "node: got 'nope'"),
        ("wait web sunshine", 7, "CONDITION: got 'sunshine', allowed is one of: running"),
        ("wait web port=0", 7, "port="),
        ("wait web address=5", 7, "address="),
        ("list -c nope", 7, "--column: got 'nope', allowed is one of: name"),
        ("list --sort-column nope", 7, "--sort-column: got 'nope'"),
        ("-o nope=1 list", 7, "driver 'fake' has no such option"),
        ("-o nope list", 7, "--option: must be of the form KEY=VALUE"),
        ("-o vcpus=1 -o vcpus=2 list", 7, "is given twice"),
        ("--profile nope list", 7, "there is no profile 'nope'"),
        ("--driver libvrt list", 8, "did you mean 'libvirt'?"),
        ("driver show nope", 8, "no driver 'nope' is installed"),
        ("lst", 2, "there is no command 'lst'; did you mean 'list'?"),
        ("pool", 2, "did you mean 'pool list'?"),
        ("creat new", 2, "there is no command 'creat new'; did you mean 'create'?"),
        ("destroy web", 2, "did you mean 'delete'?"),
        ("--nope", 2, "there is no option '--nope'"),
        ("stop web --grace soon", 2, "argument --grace"),
        ("stop web --graze 3", 2, "unrecognized arguments: --graze 3; did you mean '--grace'?"),
        ("volume", 2, "there is no command 'volume'; 'nova-virt help volume' lists those that begin so"),
        ("create db --memory 900T", 7, "--memory: got '900T', allowed is"),
        ("snapshot web /nonexistent/web.qcow2", 7, "TARGET: got '/nonexistent/web.qcow2'"),
        ("backup list nowhere", 7, "DIRECTORY: got"),
        ("stop web --force --grace 3", 2, "not allowed with argument"),
    ],
)
def test_an_error_is_one_line_and_a_number(nova_virt: Run, web: str, line: str, code: int, said: str) -> None:
    ran = nova_virt(f"--quiet {line}")
    assert said in ran.error
    assert ran.error.startswith("nova-virt")
    assert (ran.code, ran.out) == (code, "")


def test_a_state_that_does_not_allow_the_verb_is_a_conflict(nova_virt: Run, web: str) -> None:
    nova_virt("stop web")
    ran = nova_virt("--quiet pause web")
    happened = "the guest is shutdown, the verb needs running or paused"
    assert ran.error == f"nova-virt pause web: {happened}; 'nova-virt start' brings it there"
    assert ran.code == 6


def test_advice_is_in_the_words_of_the_command(nova_virt: Run) -> None:
    with virt.connect("fake", persist=True) as compute, compute.native() as switches:
        switches.outside.add_guest("legacy")  # type: ignore[attr-defined]
    assert "; say --manage all to" in nova_virt("--quiet stop legacy").error
    assert "did you mean 'legacy'? 'nova-virt list' shows the guests there are" in nova_virt("--quiet show legcy").error


def test_every_error_has_a_number_on_purpose() -> None:
    known = {
        kind.code for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, errors.VirtError)
    }
    assert set(BY_ERROR) <= known
    plain_failures = {
        "error",
        "storage",
        "volume",
        "backup-chain-broken",
        "network",
        "guest-agent-unavailable",
        "migration",
        "hook-failed",
        "backend",
        "driver-bug",
        "driver-load",
    }
    assert known - set(BY_ERROR) == plain_failures


def test_a_bug_is_one_line_too_and_debug_shows_where(nova_virt: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nova_virt_api.compute.compute.Compute.networks", lambda self: 1 / 0)
    ran = nova_virt("network list")
    assert ran.code == ExitCode.FAILED
    assert ran.error.startswith("nova-virt network list: internal error, please report it: ZeroDivisionError")


def test_debug_shows_the_cause(command: Run) -> None:
    ran = command("--debug --driver fake create web --image /there/is/none")
    assert ran.code == 3
    assert "FileNotFoundError" in ran.err
    assert "DEBUG" in ran.err


def test_a_hostile_name_cannot_command_a_terminal(nova_virt: Run) -> None:
    ran = nova_virt("--quiet show", "\x1b]0;evil\x07\nnova-virt: fine")
    assert "\x1b" not in ran.err
    assert "\x07" not in ran.err
    assert "evil" in ran.error


@pytest.mark.parametrize("name", ["a\nb", "<x/>", 'a"b', "x" * 10_000, "-", "ä"])
def test_a_bad_name_leaves_nothing(nova_virt: Run, name: str) -> None:
    ran = nova_virt("--quiet create --image native:cirros --", name)
    assert ran.code == 7
    assert len(ran.error) < 400
    assert nova_virt("list -f json").json == []
    assert nova_virt("leftover list -f json").json == []
