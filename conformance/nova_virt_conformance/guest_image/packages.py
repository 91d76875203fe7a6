"""Finds and unpacks the distribution's packages that the guest is made of, without installing them.

Everything that ends up inside the image comes from the distribution's archive: apt checks the signatures, and no root
is needed, since `apt-get download` and `dpkg-deb -x` work for any user.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from nova_virt_conformance.guest_image.command import BuildError, CommandError, run

# One tuple for each distribution. Debian's cloud kernel starts two seconds sooner than the full one (it is packed with
# LZ4 and not with XZ), but knows neither AHCI nor e1000; so the image has both, and choose.lua picks one.
KERNELS: Final = (
    ("linux-image-cloud-amd64", "linux-image-amd64"),  # Debian
    ("linux-image-virtual",),  # Ubuntu
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Package:
    """A package that apt knows: the version it would install, and what that version needs."""

    name: str
    version: str
    depends: tuple[str, ...]


def lookup(*names: str) -> tuple[Package, ...]:
    """Ask apt's local lists for packages; no network is used."""
    try:
        shown = run("apt-cache", "show", "--no-all-versions", *names)
    except CommandError as error:
        raise BuildError(f"apt does not know {' or '.join(names)}: run 'apt-get update' ({error})") from error
    found = {package.name: package for package in map(_parsed, reversed(shown.strip().split("\n\n")))}
    missing = [name for name in names if name not in found]
    if missing:
        raise BuildError(f"apt does not know {', '.join(missing)}: run 'apt-get update'")
    return tuple(found[name] for name in names)


def _parsed(paragraph: str) -> Package:
    """Read one paragraph of apt's answer; of alternative dependencies only the first counts."""
    fields = dict(re.findall(r"^([A-Za-z-]+): (.*)$", paragraph, re.MULTILINE))
    relations = ", ".join(fields[key] for key in ("Pre-Depends", "Depends") if key in fields)
    depends = re.findall(r"(?:^|, )([a-z0-9][a-z0-9+.-]*)", relations)
    return Package(name=fields["Package"], version=fields["Version"], depends=tuple(depends))


def kernel_choices() -> tuple[Package, ...]:
    """Return this distribution's packages that stand for its newest kernels: the fast one first, the full one last."""
    failures = []
    for names in KERNELS:
        try:
            return lookup(*names)
        except BuildError as failure:
            failures.append(failure)
    raise failures[0]


def kernel_behind(choice: Package) -> tuple[Package, ...]:
    """Follow such a package to the kernel it stands for, and to its modules where these are packed apart."""
    for name in choice.depends:
        if re.match(r"linux-image-\d", name):
            return closure(name, lambda need: need.startswith("linux-modules-"))
    raise BuildError(f"{choice.name} {choice.version} depends on no linux-image package: run 'apt-get update'")


def closure(name: str, wanted: Callable[[str], bool]) -> tuple[Package, ...]:
    """Return a package and, recursively, those of its dependencies that are wanted."""
    found: dict[str, Package] = {}
    todo = [name]
    while todo:
        current = todo.pop()
        if current not in found:
            (found[current],) = lookup(current)
            todo.extend(need for need in found[current].depends if wanted(need))
    return tuple(found.values())


def unpack(packages: Iterable[Package], root: Path) -> Path:
    """Download packages and unpack them into `root`, which must be new."""
    downloads = root / "downloads"
    downloads.mkdir(parents=True)
    # apt's own download user may not write here; that apt then works without it is only a warning.
    run("apt-get", "download", *(f"{package.name}={package.version}" for package in packages), cwd=downloads)
    for archive in downloads.glob("*.deb"):
        run("dpkg-deb", "-x", str(archive), str(root))
    return root
