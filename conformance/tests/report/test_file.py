"""Reports as JSON."""

from __future__ import annotations

import json
import stat
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

import jsonschema
import msgspec
import pytest

from nova_virt_conformance.outcome import Evidence, Outcome
from nova_virt_conformance.report.file import SCHEMA, UnreadableReport, decode, encode, read, write
from nova_virt_conformance.report.model import Report

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="module")
def report(make: Any) -> Report:
    made: Report = make.report(
        make.result("test_pause", "pause", outcome=Outcome.FAILED, reason='it said "no"\n</script>\x00 ünï'),
        make.result(
            "test_known", "destroy", outcome=Outcome.KNOWN_FAILURE, reason="slow", link="https://example.org/1"
        ),
        make.result("test_new", "spawn", outcome=Outcome.NOT_VERIFIED, reason="no rig", provisional=True),
        unavailable={"uefi": "no firmware"},
        evidence=Evidence.THIRD_PARTY_SIMULATOR,
        untested=("Zebra.run", "Ape.walk"),
        loopback=True,
    )
    return made


@pytest.fixture(scope="module")
def schema() -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads(SCHEMA.read_bytes())
    jsonschema.Draft202012Validator.check_schema(loaded)
    return loaded


def test_a_report_comes_back_as_it_was(report: Report) -> None:
    again = decode(encode(report))
    assert {result.name: result for result in again.tests} == {result.name: result for result in report.tests}
    assert {answer.key: answer for answer in again.declared} == {answer.key: answer for answer in report.declared}
    rest: dict[str, Any] = {"tests": (), "declared": (), "untested": ()}
    assert replace(again, **rest) == replace(report, **rest)
    assert again.untested == ("Ape.walk", "Zebra.run")


def test_the_order_of_a_run_does_not_show(report: Report) -> None:
    backwards = replace(report, tests=report.tests[::-1], declared=report.declared[::-1])
    assert encode(backwards) == encode(report)


def test_the_text_is_for_people_and_diffs(report: Report) -> None:
    text = encode(report).decode()
    assert text.endswith("}\n")
    assert '\n      "name": "test_pause",\n' in text
    assert "ünï" in text


def test_what_is_written_is_what_the_schema_says(report: Report, schema: dict[str, Any]) -> None:
    jsonschema.validate(json.loads(encode(report)), schema, cls=jsonschema.Draft202012Validator)


@pytest.mark.parametrize(
    "change",
    [{"version": "2.0"}, {"evidence": "hearsay"}, {"started": "yesterday"}, {"tests": [{}]}, {"seconds": -1}],
    ids=lambda change: next(iter(change)),
)
def test_the_schema_refuses_what_is_no_report(report: Report, schema: dict[str, Any], change: dict[str, Any]) -> None:
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(json.loads(encode(report)) | change, schema, cls=jsonschema.Draft202012Validator)


def test_the_schema_and_the_model_name_the_same_members(schema: dict[str, Any]) -> None:
    model = msgspec.json.schema(Report)["$defs"]
    published = {"Report": schema} | {
        name: schema["$defs"][key]
        for name, key in {"Declared": "declared", "TestResult": "test", "ProfileVerdict": "profile"}.items()
    }
    for name, form in published.items():
        assert list(form["required"]) == list(form["properties"]), name
        assert set(form["properties"]) == set(model[name]["properties"]), name
        for member, said in form["properties"].items():
            known = model[name]["properties"][member]
            if "$ref" in known:
                assert set(said["enum"]) == set(model[known["$ref"].rpartition("/")[2]]["enum"]), member
            else:
                assert said["type"] == known["type"], member


def test_members_of_a_later_minor_are_left_out(report: Report, schema: dict[str, Any]) -> None:
    later = json.loads(encode(report)) | {"version": "1.7", "colour": "green"}
    later["tests"][0]["shade"] = {"of": "blue"}
    jsonschema.validate(later, schema, cls=jsonschema.Draft202012Validator)
    assert decode(json.dumps(later).encode()) == replace(decode(encode(report)), version="1.7")


def test_another_major_is_refused_before_the_rest_is_looked_at() -> None:
    with pytest.raises(UnreadableReport, match=r"has the form 2\.0, and this kit reads 1\.x"):
        decode(b'{"version": "2.0", "tests": "elsewhere"}')


@pytest.mark.parametrize("data", [b"", b"[]", b"{}", b'{"version": 1}', b"\xff\xfe"])
def test_what_is_no_report_is_said_to_be_none(data: bytes) -> None:
    with pytest.raises(UnreadableReport, match="no report of the kit"):
        decode(data)


def test_a_damaged_report_is_said_to_be_damaged(report: Report) -> None:
    broken = asdict(report) | {"version": "1.0", "tests": 3}
    with pytest.raises(UnreadableReport, match=r"damaged: .*tests"):
        decode(msgspec.json.encode(broken))


def test_a_file_is_readable_by_all_and_nothing_stays_beside_it(report: Report, tmp_path: Path) -> None:
    path = tmp_path / "fake.json"
    path.write_text("older")
    write(report, path)
    assert read(path) == decode(encode(report))
    assert stat.S_IMODE(path.stat().st_mode) == 0o644
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_is_never_half_written(report: Report, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "fake.json"
    path.write_text("older")

    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space left"):
        write(report, path)
    assert path.read_text() == "older"
    assert list(tmp_path.iterdir()) == [path]


def test_an_unreadable_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "fake.json"
    path.write_text("{}")
    with pytest.raises(UnreadableReport, match=str(path)):
        read(path)
