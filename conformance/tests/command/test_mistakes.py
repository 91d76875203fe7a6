"""Whatever is wrong is one line that says what and what to do, and an exit code of its own."""

import sys
from typing import Any

import pytest

ARGUMENTS = {
    "no target": (["--driver", "fake", "--config"], "expected one argument"),
    "a file that is not there": (["--config", "nope.yaml"], "a file that can be read (No such file or directory)"),
    "two drivers": (["--driver", "libvirt"], "--driver says 'libvirt', and target.yaml says 'fake'"),
    "a profile that is not there": (["--profile", "Kernel"], "there is no profile 'Kernel'; there are: Core, "),
    "a part and a profile": (["--profile", "Core", "-k", "pause"], "leave out -k or --profile"),
    "no such test": (["-k", "no_such_test"], "no test of the kit matches -k 'no_such_test'; --list lists them"),
    "a bad expression": (["-k", "pause and ("], "Wrong expression passed to '-k'"),
    "a folder that is not there": (["--report", "nope/r.json"], "--report: there is no folder nope; make it first"),
    "a folder for a file": (["--html", "state"], "--html: state is a folder; name a file in it"),
}


@pytest.mark.parametrize("mistake", ARGUMENTS)
def test_wrong_arguments(shell: Any, mistake: str) -> None:
    arguments, words = ARGUMENTS[mistake]
    (shell.folder / "state").mkdir()
    done = shell.run(*arguments)
    assert done.returncode == 2, done.stdout + done.stderr
    assert words in done.stderr
    assert "Traceback" not in done.stderr
    assert not done.stdout


def test_no_file_at_all(shell: Any) -> None:
    done = shell.run("--driver", "fake", "--config", "")
    assert done.returncode == 2
    assert "Traceback" not in done.stderr


FILE = {
    "an unknown key": ("owner:", "ownr:", "ownr: got an unknown field, allowed is one of: driver, options, owner"),
    "a slip in a key": ("owner:", "ownr:", "did you mean 'owner'?; see target.yaml, line 4"),
    "a stranger's owner": ("owner: conformance", "owner: production", "a name that begins with 'conformance'"),
    "no owner": ("owner: conformance", "", "owner: got nothing, allowed is a value, it must be given"),
    "no driver": ("driver: fake", "", "driver: is not known; add driver: NAME to target.yaml, or give --driver NAME"),
    "a driver that is not there": ("driver: fake", "driver: nope", "no driver 'nope' is installed"),
    "pools that are no list": ("pools: [default]", "pools: default", "pools: got 'default', allowed is a list"),
    "manage": ("{world: it}", "{manage: all}", "the owner is the target's, and manage is the kit's"),
    "no such option": ("world", "wrld", "options.wrld: driver 'fake' has no such option; did you mean 'world'?; see"),
    "a bad option": ("{world: it}", "{vcpus: many}", "options.vcpus: 'many' is not allowed, it takes a whole number"),
    "evidence": ("own simulation", "hearsay", "one of: real backend, third-party simulator, own simulation"),
    "not YAML": ("options: {", "options: [", "one document of valid YAML"),
    "an unknown quota": ("pools:", "quota: {memory: 2 GiB}\npools:", "did you mean 'memory_bytes'?"),
    "a bad size": (
        "pools:",
        "quota: {memory_bytes: 2 GB}\npools:",
        "quota.memory_bytes: got '2 GB', allowed is a size",
    ),
    "a bad day": (
        "pools:",
        "known_failures: [{test: test_x, reason: r, link: l, expires: soon}]\npools:",
        "known_failures[0].expires: got 'soon', allowed is a day such as 2027-03-31; see target.yaml, line 5",
    ),
    "an image of no kind": ("pools:", "image: {blank: true}\npools:", "a path, built-in, or a mapping with one of: "),
    "no time": ("pools:", "seconds_per_test: 0\npools:", "seconds_per_test"),
}


@pytest.mark.parametrize("mistake", FILE)
def test_a_wrong_file(shell: Any, mistake: str) -> None:
    old, new, words = FILE[mistake]
    shell.change(old, new)
    done = shell.run("-k", "pause")
    assert done.returncode == 2, done.stdout + done.stderr
    assert words in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert not done.stdout


def test_a_secret_in_a_file_that_others_can_read(shell: Any) -> None:
    shell.change("{world: it}", "{world: it, password: opensesame}")
    shell.target.chmod(0o644)
    done = shell.run("-k", "pause")
    assert done.returncode == 2
    assert "it holds options.password, and others can read it; chmod 600 target.yaml" in done.stderr
    assert "opensesame" not in done.stderr
    shell.target.chmod(0o600)
    assert shell.run("-k", "pause_and_unpause").returncode == 0


def test_a_secret_beside_the_file(shell: Any) -> None:
    shell.change("{world: it}", "{world: it, password: {file: secret.txt}}")
    shell.write("secret.txt", "opensesame\n")
    (shell.folder / "elsewhere").mkdir()
    done = shell.run("--config", "../target.yaml", "-k", "pause_and_unpause", cwd=shell.folder / "elsewhere")
    assert done.returncode == 0, done.stderr
    (shell.folder / "secret.txt").unlink()
    gone = shell.run("-k", "pause_and_unpause")
    assert gone.returncode == 2
    assert "options.password: its file" in gone.stderr


NOT_OPENED = {
    "no answer": ("{world: it}", "{refuse: connection}", "connect: the fake hypervisor does not answer"),
    "no such pool": ("pools: [default]", "pools: [gold]", "pools: not there: gold; the endpoint has: default"),
    "no such network": ("networks: [default]", "networks: [blue]", "networks: not there: blue"),
    "no such test": (
        "pools:",
        "known_failures: [{test: test_x, reason: r, link: l, expires: 2999-01-01}]\npools:",
        "known_failures: the kit has no test called test_x",
    ),
}


@pytest.mark.parametrize("reason", NOT_OPENED)
def test_an_endpoint_that_cannot_be_opened(shell: Any, reason: str) -> None:
    old, new, words = NOT_OPENED[reason]
    shell.change(old, new)
    done = shell.run("--report", "r.json")
    assert done.returncode == 3, done.stdout + done.stderr
    assert words in done.stderr
    assert len(done.stderr.splitlines()) == 1, done.stderr
    assert not done.stdout
    assert not (shell.folder / "r.json").exists()
    verbose = shell.run("--verbose")
    assert verbose.returncode == 3
    assert "Traceback" in verbose.stdout


def test_a_test_that_cannot_be_imported(shell: Any) -> None:
    done = shell.run(tests="import no_such_module\n")
    assert done.returncode == 1
    assert "internal error, please report it" in done.stderr
    assert "no_such_module" in done.stdout


def test_a_rig_that_cannot_be_imported(shell: Any, passing: str) -> None:
    shell.command(passing)
    code = (
        "from importlib.metadata import EntryPoint\n"
        "import nova_virt_conformance.command.rigs as rigs\n"
        "rigs.entry_points = lambda **any: [EntryPoint('fake', 'no_such_rig:Rig', rigs.GROUP)]\n"
    )
    kit = shell.write("with_rig.py", code, (shell.folder / "made_up_kit.py").read_text())
    shell.command = lambda tests: [sys.executable, str(kit)]
    done = shell.run()
    assert done.returncode == 2
    assert done.stderr.startswith("nova-virt-conformance: rig: no_such_rig:Rig cannot be imported: ModuleNotFoundError")
