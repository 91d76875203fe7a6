"""Writes the skeleton of a driver's distribution. It has the shape of the drivers that we have ourselves."""

from __future__ import annotations

import re
import secrets
import shutil
from contextlib import suppress
from importlib import resources
from pathlib import Path
from string import Template
from typing import Final

from nova_virt_api.errors import InvalidSpec, PermissionDenied, StorageError
from nova_virt_api.version import API_VERSION

NAME: Final = re.compile(r"[a-z][a-z0-9]{0,23}")
"""What a driver can be called; ``drivers/driver.schema.json`` says the same."""

FILES: Final = {
    "setup.cfg": "setup.cfg",
    "pyproject.toml": "pyproject.toml",
    "README.md": "README.md",
    "CHANGELOG.md": "CHANGELOG.md",
    "driver.yaml": "driver.yaml",
    "conformance.yaml": "conformance.yaml",
    "nova_virt_$name/__init__.py": "init.py",
    "nova_virt_$name/py.typed": "py.typed",
    "nova_virt_$name/version.py": "version.py",
    "nova_virt_$name/options.py": "options.py",
    "nova_virt_$name/connection.py": "connection.py",
    "nova_virt_$name/capabilities.py": "capabilities.py",
    "nova_virt_$name/host.py": "host.py",
    "nova_virt_$name/listing.py": "listing.py",
    "nova_virt_$name/leftovers.py": "leftovers.py",
    "nova_virt_$name/spawn.py": "spawn.py",
    "nova_virt_$name/destroy.py": "destroy.py",
    "nova_virt_$name/power.py": "power.py",
    "nova_virt_$name/driver.py": "driver.py",
    "nova_virt_$name/unwritten.py": "unwritten.py",
    "nova_virt_$name/rig.py": "rig.py",
    "tests/unit/test_driver.py": "unit_test.py",
    "tests/backend/test_conformance.py": "conformance_test.py",
}
"""Path in the new distribution, and the template that is written there."""


def write_distribution(name: str, directory: Path) -> None:
    """Write the skeleton of a driver; it is there as a whole or not at all.

    Args:
        name: the driver's name: its entry point, and the end of the names of its distribution and package.
        directory: to be made; what is there already is never touched.

    Raises:
        InvalidSpec: no driver can be called that, or something of the directory's name is there.
        PermissionDenied: the account may not write there.
        StorageError: writing failed.
    """
    check_name(name)
    path = directory.absolute()
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        path.mkdir()
    except FileExistsError:
        raise InvalidSpec("directory", str(directory), "one that is not there yet; nothing is overwritten") from None
    except OSError as error:
        raise failed(directory, error) from error
    try:
        for file, text in rendered(name).items():
            (draft / file).parent.mkdir(parents=True, exist_ok=True)
            (draft / file).write_text(text)
        draft.rename(path)  # takes the place of the empty directory, and of no other
    except BaseException as error:
        shutil.rmtree(draft, ignore_errors=True)
        with suppress(OSError):
            path.rmdir()
        if isinstance(error, OSError):
            raise failed(directory, error) from error
        raise


def rendered(name: str) -> dict[str, str]:
    """The files of the skeleton, each with its text."""
    major, minor = API_VERSION
    words = {
        "name": name,
        "Name": name.capitalize(),
        "major": str(major),
        "api_version": f"{major}.{minor}",
        "next_major": str(major + 1),
    }
    templates = resources.files("nova_virt_api.skeleton") / "templates"
    return {
        Template(file).substitute(words): Template((templates / f"{template}.in").read_text()).substitute(words)
        for file, template in FILES.items()
    }


def check_name(name: str) -> None:
    """Refuse a name that no driver can have.

    Raises:
        InvalidSpec: says what is allowed.
    """
    if NAME.fullmatch(name) is None:
        raise InvalidSpec("NAME", name, "1 to 24 lower-case letters and digits, the first a letter")


def failed(directory: Path, error: OSError) -> PermissionDenied | StorageError:
    """The error for a directory that cannot be written."""
    kind = PermissionDenied if isinstance(error, PermissionError) else StorageError
    return kind(f"cannot write {directory}: {error.strerror}", hint="name another with --directory")
