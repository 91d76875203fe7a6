"""``nova-virt driver new``: a skeleton that is whole, or nothing."""

import ast
import configparser
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from packaging.requirements import Requirement

from nova_virt_api.errors import InvalidSpec, StorageError
from nova_virt_api.skeleton import distribution
from nova_virt_api.version import DRIVER_GROUP, __version__

ROOT = Path(__file__).resolve().parents[2]
SCHEMA = yaml.safe_load((ROOT / "drivers/driver.schema.json").read_text())
OURS = ROOT / "drivers/libvirt"

Run = Callable[..., Any]
"""Runs the command: see the fixtures ``nova_virt`` and ``command``."""


@pytest.fixture
def made(nova_virt: Run, places: Path) -> Path:
    """The skeleton of a driver called acme."""
    ran = nova_virt("driver new acme", driver=None)
    assert (ran.code, ran.err) == (0, "")
    return places / "nova-virt-acme"


def files_of(directory: Path) -> set[str]:
    return {str(path.relative_to(directory)) for path in directory.rglob("*") if path.is_file()}


# --- what is made -----------------------------------------------------------------------------------------------------


def test_it_has_the_shape_of_our_own_drivers(made: Path) -> None:
    files = files_of(made)
    of_a_driver = {"setup.cfg", "pyproject.toml", "README.md", "CHANGELOG.md", "driver.yaml"}
    in_its_package = {"__init__.py", "py.typed", "version.py", "options.py", "connection.py", "capabilities.py"}
    in_its_package |= {"host.py", "spawn.py", "destroy.py", "power.py", "leftovers.py", "driver.py"}
    assert of_a_driver | {f"nova_virt_acme/{name}" for name in in_its_package} <= files
    ours = {name.replace("libvirt", "acme") for name in files_of(OURS)}
    ours |= {name.replace("/__init__.py", ".py") for name in ours}  # what has grown is a package of that name
    assert (of_a_driver | {f"nova_virt_acme/{name}" for name in in_its_package}) <= ours
    tests = {name for name in files if name.startswith("tests/")}
    assert {name.split("/")[1] for name in tests} == {"unit", "backend"}


def test_nothing_of_a_template_is_left(made: Path) -> None:
    for name in files_of(made):
        text = (made / name).read_text()
        assert not re.search(r"\$\w|\$\{", text), name
        assert not name.endswith(".in")
        if name.endswith(".py"):
            ast.parse(text)


def test_its_description_is_valid(made: Path) -> None:
    said = yaml.safe_load((made / "driver.yaml").read_text())
    jsonschema.validate(said, SCHEMA)
    assert (said["name"], said["distribution"], said["package"]) == ("acme", "nova-virt-acme", "nova_virt_acme")


def test_its_metadata_leads_to_its_classes(made: Path) -> None:
    metadata = configparser.ConfigParser(delimiters="=")
    metadata.read(made / "setup.cfg")
    (api,) = metadata["options"]["install_requires"].split()
    assert Requirement(api).name == "nova-virt-api"
    assert Requirement(api).specifier.contains(__version__, prereleases=True)
    points = metadata["options.entry_points"]
    assert points[DRIVER_GROUP].strip() == "acme = nova_virt_acme.driver:AcmeDriver"
    assert points["nova_virt_conformance.rigs.v1"].strip() == "acme = nova_virt_acme.rig:AcmeRig"
    assert tomllib.loads((made / "pyproject.toml").read_text())["build-system"]["build-backend"]


def test_the_readme_names_every_file_that_is_to_be_written(made: Path) -> None:
    readme = (made / "README.md").read_text()
    unwritten = [path for path in (made / "nova_virt_acme").glob("*.py") if "raise unwritten(" in path.read_text()]
    assert len(unwritten) > 3
    assert [path.name for path in unwritten if f"`{path.name}`" not in readme] == []


def test_what_is_not_written_says_so(made: Path) -> None:
    code = """
from uuid import uuid4
import nova_virt_api as virt
from nova_virt_acme.driver import AcmeDriver
from nova_virt_api.compute.compute import Compute
from nova_virt_api.config import read_endpoint
from nova_virt_api.loading.load import LoadedDriver
loaded = LoadedDriver(name="acme", driver_class=AcmeDriver, distribution="nova-virt-acme", version="0")
driver = AcmeDriver(read_endpoint(loaded))
driver.open()
with Compute(driver) as compute:
    assert not compute.instances() and not compute.leftovers() and not driver.doctor()
    spec = virt.InstanceSpec(uuid=uuid4(), name="a", memory_bytes=virt.MiB(64))
    for call in (lambda: compute.spawn(spec), lambda: compute.power_on(spec.uuid), compute.inventory):
        try:
            call()
        except virt.BackendError as error:
            print(error)
"""
    environment = {**os.environ, "PYTHONPATH": str(made)}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60, env=environment
    )
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert [line.rpartition("; ")[2] for line in lines] == [
        f"write nova_virt_acme/{name}.py" for name in ("spawn", "power", "host")
    ]
    assert all("is not written yet" in line for line in lines)


def test_no_name_makes_a_line_too_long() -> None:
    for name in ("a", "z" * 24):
        for path, text in distribution.rendered(name).items():
            if path.endswith(".py"):
                assert max(map(len, text.splitlines()), default=0) <= 120, path


# --- what is said, and refused ----------------------------------------------------------------------------------------


def test_the_directory_can_be_chosen(nova_virt: Run, places: Path) -> None:
    ran = nova_virt("driver new acme --directory somewhere", driver=None)
    assert (ran.code, ran.err) == (0, "")
    assert ran.out == "somewhere: made; next: pip install --editable 'somewhere[test]', then read its README.md\n"
    assert (places / "somewhere/setup.cfg").is_file()
    assert not (places / "nova-virt-acme").exists()


@pytest.mark.parametrize("name", ["Acme", "2acme", "acme-2", "acme_2", "a.b", "../acme", "acmé", "", "a" * 25, "a\n"])
def test_a_name_that_no_driver_can_have(nova_virt: Run, places: Path, name: str) -> None:
    ran = nova_virt("driver new", name, driver=None)
    assert (ran.code, ran.out) == (7, "")
    assert "allowed is 1 to 24 lower-case letters and digits, the first a letter" in ran.error
    assert not any(places.iterdir())


def test_a_name_that_is_taken(nova_virt: Run, places: Path) -> None:
    ran = nova_virt("driver new fake", driver=None)
    assert (ran.code, ran.out) == (7, "")
    assert "a name that no installed driver has: nova-virt-api offers this one" in ran.error
    assert not any(places.iterdir())


@pytest.mark.parametrize("what", ["directory", "file", "link"])
def test_nothing_is_overwritten(nova_virt: Run, places: Path, what: str) -> None:
    there = places / "nova-virt-acme"
    if what == "directory":
        there.mkdir()
    elif what == "file":
        there.write_text("mine")
    else:
        there.symlink_to("nowhere")
    ran = nova_virt("driver new acme", driver=None)
    assert (ran.code, ran.out) == (7, "")
    assert "one that is not there yet; nothing is overwritten" in ran.error
    assert list(places.iterdir()) == [there]
    assert what != "directory" or not any(there.iterdir())
    assert what != "file" or there.read_text() == "mine"


def test_a_directory_without_a_parent(nova_virt: Run, places: Path) -> None:
    ran = nova_virt("driver new acme --directory not/there", driver=None)
    assert (ran.code, ran.out) == (1, "")
    assert "cannot write not/there: No such file or directory" in ran.error
    assert not any(places.iterdir())


@pytest.mark.parametrize("after", [0, 1, len(distribution.FILES) - 1])
def test_it_is_whole_or_not_there(places: Path, monkeypatch: pytest.MonkeyPatch, after: int) -> None:
    written = 0
    real = Path.write_text

    def write(self: Path, *words: Any, **options: Any) -> int:
        nonlocal written
        if written == after:
            raise OSError(28, "No space left on device")
        written += 1
        return real(self, *words, **options)

    monkeypatch.setattr(Path, "write_text", write)
    with pytest.raises(StorageError, match="No space left"):
        distribution.write_distribution("acme", places / "new")
    assert not any(places.iterdir())
    monkeypatch.undo()
    distribution.write_distribution("acme", places / "new")
    assert files_of(places / "new") == {name.replace("$name", "acme") for name in distribution.FILES}


def test_two_at_once_make_one(places: Path) -> None:
    code = f"""
from pathlib import Path
from nova_virt_api.skeleton.distribution import write_distribution
write_distribution("acme", Path({str(places / "new")!r}))
"""
    several = [subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.DEVNULL) for _ in range(4)]
    assert sorted(one.wait(60) for one in several) == [0, 1, 1, 1]
    assert files_of(places / "new") == {name.replace("$name", "acme") for name in distribution.FILES}
    assert list(places.iterdir()) == [places / "new"]


def test_the_name_is_checked_before_anything_else(places: Path) -> None:
    with pytest.raises(InvalidSpec, match="lower-case letters"):
        distribution.write_distribution("no good", places)
