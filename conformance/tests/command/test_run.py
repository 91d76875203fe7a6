"""A run of the command: what it says, what it writes, what it ends with."""

import json
from typing import Any

import pytest
from lxml import etree

from nova_virt_conformance.outcome import Outcome
from nova_virt_conformance.report.file import read

MIXED = '''
    def test_good(compute):
        """Something is so."""

    def test_bad(compute):
        """Something else is so."""
        assert 1 + 1 == 3, "it is not"

    def test_elsewhere(compute):
        """Some endpoints do this."""
        raise NotApplicable("not on this machine")

    def test_unknown(lab):
        """Nobody can look."""
        raise NotVerified("the rig has no eyes()")
'''


def test_the_kit_itself_on_fake(shell: Any) -> None:
    done = shell.run("-k", "pause_and_unpause or pause_keeps", "--report", "r.json")
    assert done.returncode == 0, done.stderr
    assert "2 passed" in done.stdout
    assert "only a part of the kit was run (-k pause_and_unpause or pause_keeps)" in done.stdout
    report = read(shell.folder / "r.json")
    assert {test.module for test in report.tests} == {"suite.pause"}
    assert (report.driver, report.distribution) == ("fake", "nova-virt-api")


def test_all_is_well(shell: Any, passing: str) -> None:
    done = shell.run(tests=passing)
    assert done.returncode == 0, done.stderr
    assert done.stderr.splitlines()[0].startswith("[1/2] passed: test_first (")
    assert done.stdout.startswith("2 passed\nprofiles reached: none\nnot reached: Core, because of\n")
    assert "\x1b" not in done.stdout + done.stderr, "colours and bars are for terminals"


def test_failures_and_reasons_are_told(shell: Any) -> None:
    done = shell.run(tests=MIXED)
    assert done.returncode == 1
    assert "FAILED  test_bad\n  Something else is so.\n  it is not" in done.stdout
    assert "1 passed, 1 failed, 1 not applicable, 1 not verified" in done.stdout
    assert "not applicable: not on this machine (1 test)" in done.stdout
    assert "not verified: the rig has no eyes() (1 test)" in done.stdout
    assert "Traceback" not in done.stdout
    assert "made_up.py" not in done.stdout


def test_verbose_shows_where(shell: Any) -> None:
    done = shell.run("--verbose", tests=MIXED)
    assert "made_up.py:" in done.stdout
    assert "assert 1 + 1 == 3" in done.stdout


def test_verbose_shows_what_was_logged(shell: Any) -> None:
    done = shell.run("--verbose", tests=MIXED.replace("assert 1 + 1", "sys.stderr.write('from afar'); assert 1 + 1"))
    assert "Captured stderr call:\nfrom afar" in done.stdout


def test_verbose_shows_where_a_driver_hangs(shell: Any) -> None:
    shell.change("pools:", "seconds_per_test: 1\npools:")
    tests = '''
        def test_first(compute):
            """It opens the endpoint."""

        def wait_in_the_native_library():
            threading.Event().wait()

        def test_hanging(compute):
            """It comes back."""
            threading.Thread(target=wait_in_the_native_library, daemon=True).start()
            time.sleep(20)
    '''
    done = shell.run(tests=tests)
    assert done.returncode == 1
    assert "FAILED  test_hanging\n  It comes back.\n  Failed: Timeout (>1.0s) from pytest-timeout." in done.stdout
    verbose = shell.run("--verbose", tests=tests)
    assert "in wait_in_the_native_library" in verbose.stdout


def test_all_files_at_once(shell: Any) -> None:
    done = shell.run("--report", "r.json", "--html", "r.html", "--junit", "r.xml", tests=MIXED)
    assert done.returncode == 1, done.stderr
    outcomes = {test.name: test.outcome for test in read(shell.folder / "r.json").tests}
    assert outcomes == {
        "test_good": Outcome.PASSED,
        "test_bad": Outcome.FAILED,
        "test_elsewhere": Outcome.NOT_APPLICABLE,
        "test_unknown": Outcome.NOT_VERIFIED,
    }
    assert json.loads((shell.folder / "r.json").read_text())["evidence"] == "own simulation"
    assert "Conformance of fake" in (shell.folder / "r.html").read_text()
    suite = etree.parse(str(shell.folder / "r.xml")).getroot()[0]
    assert {name: suite.get(name) for name in ("tests", "failures", "errors", "skipped")} == {
        "tests": "4",
        "failures": "1",
        "errors": "0",
        "skipped": "2",
    }


PROFILES = '''
    from nova_virt_conformance.profile import CORE, NETWORK

    @covers(*CORE.requires)
    def test_core(compute):
        """All of Core."""

    @covers(*NETWORK.requires)
    def test_network(compute):
        """A part of Network."""
        raise NotVerified("no switch")
'''


def test_a_profile_that_is_reached(shell: Any) -> None:
    done = shell.run("--profile", "core", tests=PROFILES)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 passed\n" in done.stdout, "and nothing else was run"
    assert "profiles reached: Core" in done.stdout


def test_a_profile_that_is_missed(shell: Any) -> None:
    done = shell.run("--profile", "Network", tests=PROFILES)
    assert done.returncode == 1, "although nothing failed"
    assert "1 passed, 1 not verified" in done.stdout
    assert "test_network not verified: no switch" in done.stdout


def test_nothing_of_the_users_pytest_matters(shell: Any, passing: str) -> None:
    shell.environment |= {"PYTEST_ADDOPTS": "-k nothing -x", "PYTEST_PLUGINS": "no_such_plugin"}
    shell.write("pytest.ini", "[pytest]\naddopts = --no-such-option\n")
    shell.write("conftest.py", "raise SystemExit('not asked for')\n")
    done = shell.run(tests=passing)
    assert done.returncode == 0, done.stderr
    left = {path.name for path in shell.folder.iterdir()} - {"state"}
    assert left <= {"target.yaml", "made_up.py", "made_up_kit.py", "pytest.ini", "conftest.py", "__pycache__"}


def test_a_driver_without_a_rig(shell: Any) -> None:
    tests = '''
        def test_hands(lab, running):
            """It needs hands."""
            from nova_virt_api.model.instance import PowerState
            lab.rig.enter(running, PowerState.CRASHED)
    '''
    shell.command(tests)
    shell.write(
        "made_up_kit.py",
        "import nova_virt_conformance.command.rigs as rigs\nrigs.entry_points = lambda **any: ()\n",
        shell.folder.joinpath("made_up_kit.py").read_text(),
    )
    command = shell.command
    shell.command = lambda tests: [command("")[0].replace("nova-virt-conformance", "python"), "made_up_kit.py"]
    done = shell.run(tests=tests)
    assert "no installed distribution has a rig for 'fake'" in done.stderr
    assert done.returncode == 0, done.stderr
    assert "not verified: the rig has no enter() (1 test)" in done.stdout


def test_listing(shell: Any) -> None:
    done = shell.run("--list")
    assert done.returncode == 0
    assert "pause\n  test_pause_and_unpause: A paused guest is shown as paused" in done.stdout
    assert "verbs_and_states\n  test_verb_in_state (" in done.stdout
    less = shell.run("--list", "-k", "pause_and_unpause")
    assert less.stdout.count("\n") == 2
    assert less.stderr == "1 test\n"


def test_warnings_as_errors(shell: Any, passing: str) -> None:
    shell.environment["PYTHONWARNINGS"] = "error"
    done = shell.run(tests=passing)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("option", ["--help", "--version"])
def test_it_says_what_it_is(shell: Any, option: str) -> None:
    done = shell.run(option)
    assert done.returncode == 0
    assert "nova-virt-conformance" in done.stdout
