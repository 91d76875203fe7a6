"""The file that describes a target, in YAML: every mistake in it is one line that says where."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from nova_virt_api.config import read_endpoint
from nova_virt_api.config.file_access import READABLE_BY_OTHERS, refuse_access_by_others
from nova_virt_api.errors import ConfigError, InvalidSpec
from nova_virt_api.loading import load_driver
from nova_virt_api.model.image import LocalFile
from nova_virt_api.specfile.document import LARGEST, parse_document, read_text
from nova_virt_api.specfile.kinds import Choice, Fields, Integer, Kind, List, Size, Text
from nova_virt_api.specfile.source import SOURCES, Source
from nova_virt_conformance.built_in import BUILT_IN, BUILT_IN_IMAGE
from nova_virt_conformance.outcome import Evidence
from nova_virt_conformance.target import KnownFailure, Quota, Target

if TYPE_CHECKING:
    from nova_virt_api.specfile.document import Document


class Names(List):
    """A list of names, kept as a tuple."""

    def __init__(self) -> None:
        super().__init__(Text())

    def read(self, value: Any, path: str, folder: Path) -> Any:
        """See :class:`Kind`."""
        return tuple(super().read(value, path, folder))


class Failures(List):
    """The known failures, kept as a tuple."""

    def __init__(self) -> None:
        super().__init__(Fields(KnownFailure, {"test": Text(), "reason": Text(), "link": Text(), "expires": Day()}))

    def read(self, value: Any, path: str, folder: Path) -> Any:
        """See :class:`Kind`."""
        return tuple(super().read(value, path, folder))


class Day(Kind):
    """A day, written 2027-03-31."""

    def read(self, value: Any, path: str, folder: Path) -> date:
        """See :class:`Kind`."""
        try:
            return date.fromisoformat(value)
        except (ValueError, TypeError):
            raise InvalidSpec(path, value, "a day such as 2027-03-31") from None

    def schema(self) -> dict[str, Any]:
        """See :class:`Kind`."""
        return {"type": "string", "format": "date"}


class Anything(Kind):
    """A mapping whose keys and values somebody else checks: the driver, or its rig."""

    def read(self, value: Any, path: str, folder: Path) -> Any:
        """See :class:`Kind`."""
        if not isinstance(value, dict):
            raise InvalidSpec(path, value, "a mapping of names to values")
        return value

    def schema(self) -> dict[str, Any]:
        """See :class:`Kind`."""
        return {"type": "object"}


class Image(Source):
    """A path, ``built-in``, or an image source as a spec file has it."""

    def read(self, value: Any, path: str, folder: Path) -> Any:
        """See :class:`Kind`."""
        if value == BUILT_IN:
            return BUILT_IN_IMAGE
        if isinstance(value, str):
            return LocalFile(path=str(folder / value))
        given = [key for key in SOURCES if isinstance(value, dict) and value.get(key) is not None]
        if len(given) != 1:
            raise InvalidSpec(path, value, f"a path, {BUILT_IN}, or a mapping with one of: {', '.join(SOURCES)}")
        return super().read(value, path, folder)


TARGET: Final = Fields(
    Target,
    {
        "driver": Text(),
        "options": Anything(),
        "owner": Text(),
        "pools": Names(),
        "networks": Names(),
        "nodes": Names(),
        "image": Image(),
        "quota": Fields(
            Quota,
            {
                "guests": Integer(1, 2**60),
                "vcpus": Integer(1, 2**60),
                "memory_bytes": Size(),
                "disk_bytes": Size(),
            },
        ),
        "evidence": Choice(Evidence),
        "note": Text(),
        "known_failures": Failures(),
        "seconds_per_test": Integer(1, 86400),
        "settings": Anything(),
    },
    optional=frozenset({"driver"}),
)
"""Every key of the file. Names and meanings are those of :class:`nova_virt_conformance.target.Target`."""


def read_target(path: Path, driver: str | None = None) -> Target:
    """The target that a file describes.

    Args:
        path: the file; relative paths in it are relative to its folder.
        driver: the driver's name, where the caller knows it; has to agree with the file's, if that has one.

    Raises:
        InvalidSpec: a field is unknown, missing or wrong; says in which line.
        ConfigError: no driver, two drivers, or secrets that others can read.
        DriverLoadError: the driver cannot be loaded.
    """
    document = parse_document(read_text("--config", path, LARGEST), str(path), path.parent)
    try:
        values = TARGET.values(document.data, "", document.folder)
        said = values.setdefault("driver", driver)
        if said is None:
            raise ConfigError("driver", "is not known", hint=f"add driver: NAME to {path}, or give --driver NAME")
        if driver not in (None, said):
            raise ConfigError("driver", f"--driver says {driver!r}, and {path} says {said!r}", hint="give one of them")
        target: Target = TARGET.built(values, "")
    except InvalidSpec as error:
        raise document.placed(error) from None
    complete = replace(target, options=with_secrets(target, path, document))
    check_options(complete, document)
    return complete


def check_options(target: Target, document: Document) -> None:
    """Let the driver say now what it does not take.

    Raises:
        ConfigError: an option is unknown, missing or wrong; says in which line.
    """
    try:
        for owner in (target.owner, target.other_owner):
            read_endpoint(load_driver(target.driver), values={**target.options, "owner": owner})
    except ConfigError as error:
        of_file = error.field if error.field == "owner" else f"options.{error.field}"
        hint = "; ".join(part for part in (error.hint, f"see {document.origin(of_file)}") if part)
        raise ConfigError(of_file, error.message.removeprefix(f"{error.field}: "), hint=hint) from error.__cause__


def with_secrets(target: Target, path: Path, document: Document) -> dict[str, Any]:
    """The options, with the files of secrets relative to the target's.

    Raises:
        ConfigError: a secret itself is in the file, and others can read it.
    """
    options = dict(target.options)
    for option in load_driver(target.driver).driver_class.options():
        value = options.get(option.dest)
        if not option.secret or value is None:
            continue
        if isinstance(value, str):
            refuse_readable(path, f"it holds options.{option.dest}, and others can read it")
        elif isinstance(value, dict) and isinstance(value.get("file"), str):
            options[option.dest] = {**value, "file": str(document.folder / Path(value["file"]).expanduser())}
    return options


def refuse_readable(path: Path, why: str) -> None:
    """Refuse a file that others can read."""
    try:
        refuse_access_by_others(path, READABLE_BY_OTHERS, why)
    except ConfigError as error:
        raise ConfigError("--config", error.message.removeprefix(f"{error.field}: "), hint=error.hint) from None
