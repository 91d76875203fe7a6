"""Which version a request bears, and what an endpoint is too old for."""

import dataclasses

import pytest

from nova_virt_ironic.microversions import LATEST_KNOWN, Call, Microversion, Versions, too_old
from nova_virt_ironic.node import FIELDS, NodeRow, fields_at, node_row

NODE = "6d1b1a5e-0000-4000-8000-00000000000a"


def speaks(minor: int) -> Versions:
    return Versions(Microversion(1, 1), Microversion(1, minor))


def test_versions_are_compared_as_numbers() -> None:
    assert Microversion.parse("1.9") < Microversion.parse("1.10")
    assert str(Microversion.parse(" 1.95 ")) == "1.95"
    for text in ("latest", "1", "1.x", ""):
        with pytest.raises(ValueError, match="no version"):
            Microversion.parse(text)


@pytest.mark.parametrize("call", Call, ids=lambda call: call.name)
def test_each_call_is_there_from_its_version_on(call: Call) -> None:
    assert too_old(call, Versions(call.needs, call.needs)) == ""
    reason = too_old(call, Versions(call.needs, Microversion(1, call.needs.minor - 1)))
    assert str(call.needs) in reason
    assert call.needs <= LATEST_KNOWN


def test_only_fields_that_the_endpoint_has_are_asked_for_at_the_lowest_version_that_serves_them() -> None:
    names, version = fields_at(speaks(115))
    assert set(names) == {field.name for field in dataclasses.fields(NodeRow)}
    assert version == max(FIELDS.values())
    names, version = fields_at(speaks(60))
    assert version == Microversion(1, 50)
    assert "retired" not in names
    assert "owner" in names
    names, version = fields_at(speaks(109))
    assert version == Microversion(1, 109)


def test_what_an_older_endpoint_does_not_tell_is_at_its_default() -> None:
    row = node_row({"uuid": NODE, "name": None, "traits": ["B", "A"], "properties": None, "later": "unknown"})
    assert row == NodeRow(uuid=NODE, traits=("A", "B"))
    assert row.label == NODE
    assert node_row({"uuid": NODE, "name": "rack1"}).label == "rack1"
