"""What a definition asks of any host, and what of one host is put into it."""

from typing import Any

import pytest
from lxml import etree

from nova_virt_api.errors import InvalidSpec, MigrationError
from nova_virt_api.model.identity import stable_uuid
from nova_virt_libvirt.machine.host_parts import HostParts, take_away
from nova_virt_libvirt.migration.host_parts import Asked, asked_of, told_of_arguments
from nova_virt_libvirt.migration.ticket import Room, read_room
from nova_virt_libvirt.names import ReservedCpus, guest_of, reserved_cpus, reserved_cpus_name

GUEST, HOST = stable_uuid("guest"), str(stable_uuid("host"))
SHARED = frozenset({0, 1})
NAME_MAX = 255
CELLS = "<cpu><numa><cell id='0' cpus='0'/><cell id='1' cpus='1'/></numa></cpu>"


def domain(inner: str, vcpu: str = "<vcpu>2</vcpu>") -> Any:
    return etree.fromstring(f"<domain>{vcpu}{inner}</domain>")


def pinned(*cpusets: str) -> str:
    pins = "".join(f"<vcpupin vcpu='{number}' cpuset='{cpus}'/>" for number, cpus in enumerate(cpusets))
    return f"<cputune><shares>9</shares>{pins}<emulatorpin cpuset='{','.join(cpusets)}'/></cputune>"


def placed(*nodesets: str) -> str:
    nodes = "".join(f"<memnode cellid='{n}' mode='strict' nodeset='{nodes}'/>" for n, nodes in enumerate(nodesets))
    return f"<numatune>{nodes}</numatune>"


@pytest.mark.parametrize(
    ("definition", "asked"),
    [
        (domain(""), None),
        (domain("", "<vcpu cpuset='0-1'>2</vcpu>"), Asked(vcpus=2, dedicated=False, cells=[], host_cells=[])),
        (domain("", "<vcpu cpuset='5'>2</vcpu>"), None),
        (domain(pinned("4", "5")), Asked(vcpus=2, dedicated=True, cells=[], host_cells=[])),
        (domain(pinned("2-3", "2-3")), None),
        (
            domain(pinned("4", "5") + CELLS + placed("1", "0")),
            Asked(vcpus=2, dedicated=True, cells=[[0], [1]], host_cells=[1, 0]),
        ),
        (
            domain(pinned("0-1", "0-1") + CELLS + placed("1")),
            Asked(vcpus=2, dedicated=False, cells=[[0], [1]], host_cells=[1, None]),
        ),
        (domain(CELLS + placed("0-1", "0")), None),
    ],
    ids=["nothing", "shared", "hand-made", "own", "hand-made-pins", "own-in-cells", "cells", "hand-made-cells"],
)
def test_what_a_definition_asks_of_any_host(definition: Any, asked: Any) -> None:
    assert asked_of(definition, SHARED) == asked


def test_a_guest_of_a_host_that_sets_none_aside_floats() -> None:
    nothing = frozenset[int]()
    assert asked_of(domain(""), nothing) == Asked(vcpus=2, dedicated=False, cells=[], host_cells=[])
    partial = "<cpu><numa><cell id='0' cpus='0'/></numa></cpu>"
    for of_other_making in (domain(pinned("2-3", "2-3")), domain("", "<vcpu cpuset='5'>2</vcpu>"), domain(partial)):
        assert asked_of(of_other_making, nothing) is None


def test_own_processors_in_cells_of_other_making_stay() -> None:
    with pytest.raises(MigrationError, match="for itself"):
        asked_of(domain(pinned("4", "5") + CELLS + placed("0-1", "0")), SHARED)


def test_as_many_are_named_as_the_guest_has() -> None:
    asked = Asked(vcpus=2, dedicated=True, cells=[[0], [1]], host_cells=[1, 0])
    spec = asked.spec(GUEST, (7, 6), (2, 3))
    assert spec.cpu is not None
    assert (spec.cpu.host_cpus, [cell.host_cell for cell in spec.numa]) == ((7, 6), [2, 3])
    assert [cell.host_cell for cell in asked.spec(GUEST, None, None).numa] == [1, 0]
    for cpus, cells in (((7,), None), (None, (1,)), ((), None)):
        with pytest.raises(InvalidSpec):
            asked.spec(GUEST, cpus, cells)


@pytest.mark.parametrize(
    ("field", "argument"),
    [
        ("cpu.host_cpus", "host_cpus"),
        ("host_cpus[1]", "host_cpus[1]"),
        ("numa[1].host_cell", "host_cells[1]"),
        ("host_cell", "host_cells"),
    ],
)
def test_an_error_names_what_the_caller_said(field: str, argument: str) -> None:
    with pytest.raises(InvalidSpec) as refused, told_of_arguments((7, 6), (2, 3)):
        raise InvalidSpec(field, 9, "another one")
    assert (refused.value.field, refused.value.value, refused.value.allowed) == (argument, 9, "another one")


@pytest.mark.parametrize(
    ("field", "hint"),
    [("numa[1].host_cell", "say with host_cells="), ("numa", "make it anew")],
)
def test_what_came_from_the_source_is_nobodys_argument(field: str, hint: str) -> None:
    with pytest.raises(MigrationError, match="does not fit in here") as refused, told_of_arguments((7, 6), None):
        raise InvalidSpec(field, 9, "another one")
    assert refused.value.hint.startswith(hint)


def test_cells_that_a_spec_has_not_are_nobodys_argument() -> None:
    asked = Asked(vcpus=2, dedicated=False, cells=[[0]], host_cells=[0])
    with pytest.raises(MigrationError, match="virtual CPUs"), told_of_arguments(None, (0,)):
        asked.spec(GUEST, None, (0,))


def test_parts_take_the_place_of_others_and_what_else_is_tuned_stays() -> None:
    definition = domain(pinned("4", "5") + CELLS + placed("1", "0"), "<vcpu cpuset='4-5'>2</vcpu>")
    parts = HostParts(runs_on=("7", "6"), cells=(2, None))
    parts.put_into(definition)
    assert definition.find("vcpu").get("cpuset") is None
    assert definition.findtext("cputune/shares") == "9"
    assert [pin.get("cpuset") for pin in definition.iterfind("cputune/vcpupin")] == ["7", "6"]
    assert [pin.get("cpuset") for pin in definition.iterfind("cputune/emulatorpin")] == ["6,7"]
    assert [dict(node.attrib) for node in definition.iterfind("numatune/memnode")] == [
        {"cellid": "0", "mode": "strict", "nodeset": "2"}
    ]
    HostParts(shared="0,1").put_into(definition)
    assert definition.find("vcpu").get("cpuset") == "0,1"
    assert definition.find("numatune") is None
    take_away(definition)
    assert [child.tag for child in definition.find("cputune")] == ["shares"]


def test_what_others_have_written_of_a_host_is_taken_away_too() -> None:
    tuning = "<cputune><iothreadpin iothread='1' cpuset='3'/></cputune>"
    definition = domain(f"{tuning}<numatune><memory mode='strict' nodeset='1'/></numatune>")
    take_away(definition)
    assert [child.tag for child in definition] == ["vcpu"]


def test_a_ticket_carries_them() -> None:
    parts = {"runs_on": ["7"], "cells": [None], "shared": ""}
    room = read_room({"paths": {}, "networks": {}, "overlays": False, "parts": parts})
    assert room.parts == HostParts(runs_on=["7"], cells=[None])
    assert read_room({"paths": {}, "networks": {}, "overlays": False}) == Room(paths={}, networks={}, overlays=False)


def test_a_volumes_name_keeps_processors() -> None:
    name = reserved_cpus_name(GUEST, HOST, [12, 3])
    assert guest_of(name) == GUEST, "what removes a guest removes it"
    assert reserved_cpus(name) == ReservedCpus(GUEST, HOST, frozenset({3, 12}))
    assert reserved_cpus(f"{GUEST}.disk0.qcow2") is None
    many = frozenset(range(1, 600))
    name = reserved_cpus_name(GUEST, HOST, many)
    assert len(name) <= NAME_MAX
    assert reserved_cpus(name) == ReservedCpus(GUEST, HOST, many)
