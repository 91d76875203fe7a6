"""A report as JSON in a file. Its form is published as ``report.schema.json`` beside this file."""

from __future__ import annotations

import os
import tempfile
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Final

import msgspec

from nova_virt_conformance.report.model import REPORT_VERSION, Report

SCHEMA: Final = Path(__file__).with_name("report.schema.json")
"""What a report of this major version looks like, as a JSON Schema."""


class UnreadableReport(ValueError):
    """A file is not a report, or one of a form that this kit does not know."""


class Form(msgspec.Struct):
    """What tells whether the rest can be read."""

    version: str


def encode(report: Report) -> bytes:
    """A report as indented JSON. Equal reports give equal bytes, in whatever order their tests ran."""
    ordered = replace(
        report,
        declared=tuple(sorted(report.declared, key=lambda answer: answer.key)),
        tests=tuple(sorted(report.tests, key=lambda test: (test.module, test.name))),
        untested=tuple(sorted(report.untested)),
    )
    return msgspec.json.format(msgspec.json.encode(ordered), indent=2) + b"\n"


def decode(data: bytes) -> Report:
    """Read a report. What a later minor version added to its form is left out.

    Raises:
        UnreadableReport: it is no report, or one of another major version.
    """
    try:
        form = msgspec.json.decode(data, type=Form)
    except msgspec.MsgspecError as error:
        raise UnreadableReport(f"this is no report of the kit: {error}") from error
    major, known = form.version.partition(".")[0], REPORT_VERSION.partition(".")[0]
    if major != known:
        raise UnreadableReport(
            f"this report has the form {form.version}, and this kit reads {known}.x: "
            "use the kit that wrote it, or run the conformance kit again"
        )
    try:
        return msgspec.json.decode(data, type=Report)
    except msgspec.MsgspecError as error:
        raise UnreadableReport(f"this report is damaged: {error}; run the conformance kit again") from error


def read(path: Path) -> Report:
    """Read a report from a file.

    Raises:
        UnreadableReport: the file holds no report that this kit knows.
        OSError: the file cannot be read.
    """
    try:
        return decode(path.read_bytes())
    except UnreadableReport as error:
        raise UnreadableReport(f"{path}: {error}") from error


def write(report: Report, path: Path) -> None:
    """Write a report to a file, readable by all, whole or not at all."""
    write_whole(encode(report), path)


def write_whole(data: bytes, path: Path) -> None:
    """Replace a file's content, so that nobody ever sees half of it, and leave nothing beside it on failure."""
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".part", dir=path.absolute().parent)
    written = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fchmod(descriptor, 0o644)
            os.fsync(descriptor)
        written.replace(path)
    finally:
        with suppress(FileNotFoundError):
            written.unlink()
