"""The pages about the command: what stands there works."""

import re
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from nova_virt_api.model.image import LocalFile, Native, Url
from nova_virt_api.model.units import GiB
from nova_virt_conformance import Evidence, Quota, Target
from nova_virt_conformance.built_in import BUILT_IN_IMAGE
from nova_virt_conformance.command.arguments import parsed
from nova_virt_conformance.command.exit_codes import ExitCode
from nova_virt_conformance.target_file import TARGET, read_target

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "doc" / "howto" / "conformance.md").read_text()
README = (ROOT / "conformance" / "README.md").read_text()
BLOCK = re.compile(r"^```(?:yaml|python)\n# (?P<name>[\w.]+)[^\n]*\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks(text: str) -> dict[str, str]:
    return {match["name"]: match["text"] for match in BLOCK.finditer(text)}


@pytest.mark.parametrize("text", [README, PAGE], ids=["README", "how to"])
def test_the_first_lines_work(shell: Any, text: str) -> None:
    shell.write("target.yaml", blocks(text)["target.yaml"])
    assert "    nova-virt-conformance --config target.yaml\n" in text
    done = shell.run("--config", "target.yaml")
    assert done.returncode == 0, done.stderr
    assert "profiles reached: Core" in done.stdout


def test_the_class_for_pytest_works(shell: Any) -> None:
    import subprocess
    import sys

    shell.write("test_conformance.py", blocks(PAGE)["test_conformance.py"])
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-k", "pause_and_unpause"],
        cwd=shell.folder,
        env=shell.environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 passed" in done.stdout


def test_the_complete_file_is_complete(tmp_path: Path) -> None:
    text = blocks(PAGE)["complete.yaml"].replace("driver: libvirt", "driver: fake").replace("uri: qemu:///system", "")
    assert set(re.findall(r"^(\w+):", text, re.MULTILINE)) == TARGET.kinds.keys()
    path = tmp_path / "complete.yaml"
    path.write_text(text.replace("options:  ", "options: {} #"))
    target = read_target(path, None)
    assert target.image is BUILT_IN_IMAGE
    assert target.quota == Quota(), "what is written there are the defaults"
    assert target.known_failures[0].expires.isoformat() == "2027-06-30"
    assert target.evidence is Evidence.REAL_BACKEND


def test_every_key_is_described() -> None:
    table = PAGE.partition("| Key | Default | Meaning |")[2].partition("\n\n")[0]
    assert re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE) == [
        "driver", "options", "owner", "pools", "networks", "nodes", "image", "quota", "evidence", "note",
        "seconds_per_test", "known_failures", "settings",
    ]  # fmt: skip
    assert set(re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE)) == TARGET.kinds.keys()
    assert {field.name for field in fields(Target)} == TARGET.kinds.keys(), "the file can say all that a target has"


def test_every_option_is_described(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parsed(["--help"])
    options = set(re.findall(r"--[a-z]+|-k", capsys.readouterr().out)) - {"--help", "--version"}
    table = PAGE.partition("| Option | Meaning |")[2].partition("\n\n")[0]
    assert set(re.findall(r"^\| `(--?[a-z]+)", table, re.MULTILINE)) == options


def test_every_exit_code_is_described() -> None:
    table = PAGE.partition("| Exit code | Meaning |")[2].partition("\n\n")[0]
    assert [int(code) for code in re.findall(r"^\| (\d+) \|", table, re.MULTILINE)] == [code.value for code in ExitCode]


IMAGES = {
    "built-in": BUILT_IN_IMAGE,
    "images/kit.qcow2": LocalFile(path="/folder/images/kit.qcow2"),
    "/images/kit.qcow2": LocalFile(path="/images/kit.qcow2"),
    "{native: kit-guest}": Native(ref="kit-guest"),
    "{url: https://images.example/kit.qcow2}": Url(url="https://images.example/kit.qcow2"),
    "{local_file: kit.qcow2, format: qcow2}": "kit.qcow2",
}


@pytest.mark.parametrize("image", IMAGES)
def test_images(tmp_path: Path, image: str) -> None:
    path = tmp_path / "target.yaml"
    path.write_text(f"{blocks(PAGE)['target.yaml']}image: {image}\nquota: {{memory_bytes: 1.5 GiB}}\n")
    target = read_target(path, "fake")
    expected = IMAGES[image]
    if isinstance(expected, LocalFile) and str(expected.path).startswith("/folder"):
        expected = LocalFile(path=str(expected.path).replace("/folder", str(tmp_path)))
    if isinstance(expected, str):
        assert isinstance(target.image, LocalFile)
        assert target.image.path == str(tmp_path / expected)
    else:
        assert target.image == expected
    assert target.quota.memory_bytes == GiB(1) + GiB(1) // 2
