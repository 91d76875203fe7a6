"""The published schema is current, complete, and agrees with the reader."""

import json
import re
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

import nova_virt_api as virt
from nova_virt_api.specfile import spec_of
from nova_virt_api.specfile.document import parse_document
from nova_virt_api.specfile.machine import (
    BACKING,
    BYTES,
    CPU,
    DISK_LIMITS,
    NIC_LIMITS,
    NIC_RATE,
    NUMA_CELL,
    OPERATIONS,
    SCREEN,
    TOPOLOGY,
    TPM,
    WATCHDOG,
)
from nova_virt_api.specfile.reader import CLOUD_INIT, DISK, NIC, PLACEMENT, SPEC
from nova_virt_api.specfile.schema import FILE, schema_text
from nova_virt_api.specfile.volume import CONNECTIONS, VOLUME

DOC = Path(__file__).parents[2] / "doc" / "reference" / "spec-file.md"
SCHEMA: dict[str, Any] = json.loads(FILE.read_text())
VALIDATOR = Draft202012Validator(SCHEMA, format_checker=Draft202012Validator.FORMAT_CHECKER)


def test_the_published_file_is_what_the_reader_accepts() -> None:
    assert FILE.read_text() == schema_text(), "run: python -m nova_virt_api.specfile.schema"
    Draft202012Validator.check_schema(SCHEMA)


FORMS = [
    *(SPEC, DISK, NIC, CLOUD_INIT, PLACEMENT, VOLUME, *CONNECTIONS.values()),
    *(BACKING, BYTES, CPU, DISK_LIMITS, NIC_LIMITS, NIC_RATE, NUMA_CELL, OPERATIONS, SCREEN, TOPOLOGY, TPM, WATCHDOG),
]


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.model.__name__)
def test_no_field_of_the_model_is_forgotten(form: Any) -> None:
    known = {name for name in form.kinds if not name.endswith("_file")}
    python_only = {"extras"}  # frozen objects of the driver's package
    assert {field.name for field in fields(form.model)} - known <= python_only


def test_every_field_is_explained() -> None:
    assert {name for name, field in SCHEMA["properties"].items() if not field.get("description")} == set()


def examples() -> list[str]:
    return re.findall(r"```yaml\n(.*?)```", DOC.read_text(), re.DOTALL)


def test_there_are_examples() -> None:
    assert len(examples()) >= 2


@pytest.mark.parametrize("text", examples())
def test_the_examples_of_the_documentation_are_right(text: str, tmp_path: Path) -> None:
    document = parse_document(text, "example", tmp_path)
    VALIDATOR.validate(document.data)
    (tmp_path / "user-data").write_text("#cloud-config\n")
    assert spec_of(document).name


@pytest.mark.parametrize(
    "change",
    [
        {"nmae": "x"},
        {"name": "a/b"},
        {"name": 5},
        {"uuid": 5},
        {"vcpus": 0},
        {"vcpus": 5000},
        {"memory_bytes": "1GB"},
        {"memory_bytes": 1.5},
        {"disks": [{}]},
        {"disks": [{"source": {"native": "a", "url": "https://x/y"}}]},
        {"disks": [{"source": {"native": "a", "format": "raw"}}]},
        {"disks": [{"source": {"store": "a"}}]},
        {"disks": [{"source": {"backend_url": "https://x/y"}}]},
        {"disks": [{"source": {"blank": False}}]},
        {"disks": [{"source": {"local_file": "a", "checksum": "md5:0"}}]},
        {"nics": [{"model": "ne2000"}]},
        {"cloud_init": {"user_data": "a", "user_data_file": "b"}},
        {"volumes": [{"id": "v"}]},
        {"volumes": [{"id": "v", "connection": {"iscsi": {"portal": "192.0.2.7:3260"}}}]},
        {"volumes": [{"id": "v", "connection": {"opaque": {"kind": "fc", "properties": {"vault": "x"}}}}]},
        {"volumes": [{"id": "v", "connection": {"opaque": {"kind": "fc", "properties": {"lun": 1}}}}]},
        {"labels": {"a": 1}},
        {"firmware": "efi"},
        {"power_on": "yes"},
        {"extras": []},
    ],
    ids=str,
)
def test_what_the_schema_refuses_the_reader_refuses(change: dict[str, Any], tmp_path: Path) -> None:
    data = {"name": "web", "memory_bytes": "1G", **change}
    assert not VALIDATOR.is_valid(data)
    with pytest.raises(virt.InvalidSpec):
        spec_of(parse_document(yaml.safe_dump(data), "x", tmp_path))
