"""What is read out of a domain's XML, and our mark in it."""

from collections.abc import Callable
from dataclasses import replace
from uuid import UUID, uuid4

import pytest
from hypothesis import given, strategies as st
from lxml import etree

from nova_virt_api.model.instance import Lifecycle
from nova_virt_api.model.labels import Labels
from nova_virt_api.model.record import Phase, Record
from nova_virt_libvirt.definition import Interface, parse_definition
from nova_virt_libvirt.metadata import Mark, parse_mark, parse_mark_text

UUID_ = UUID("11111111-2222-4333-8444-555555555555")
DOMAIN = """
<domain type='qemu' id='3'>
  <name>web &amp; co</name>
  <uuid>11111111-2222-4333-8444-555555555555</uuid>
  <metadata>{mark}</metadata>
  <memory unit='KiB'>2097152</memory>
  <currentMemory unit='KiB'>1048576</currentMemory>
  <vcpu placement='static' current='2'>4</vcpu>
  <devices>
    <interface type='network'>
      <mac address='52:54:00:AA:bb:cc'/><source network='default' portid='x' bridge='virbr0'/>
    </interface>
    <interface type='bridge'><mac address='52:54:00:00:00:01'/><source bridge='br0'/></interface>
    <channel type='unix'><target type='virtio' name='org.qemu.guest_agent.0' state='{agent}'/></channel>
    <channel type='spicevmc'><target type='virtio' name='com.redhat.spice.0' state='connected'/></channel>
  </devices>
</domain>
"""


def mark_of(uuid: UUID = UUID_, **fields: object) -> Mark:
    defaults = {"owner": "me", "fingerprint": "f" * 64, "phase": Phase.READY, "native_id": str(uuid)}
    return Mark(Record(uuid=uuid, **{**defaults, **fields}), Labels({"tier": "front"}))  # type: ignore[arg-type]


def text_of(mark: Mark) -> str:
    return etree.tostring(mark.element(), encoding="unicode")


def test_a_definition_is_read() -> None:
    found = parse_definition(DOMAIN.format(mark=text_of(mark_of()), agent="connected"), UUID_)
    assert (found.name, found.vcpus, found.memory_bytes) == ("web & co", 2, 2 * 1024**3)
    assert found.interfaces == (Interface("52:54:00:aa:bb:cc", "default"), Interface("52:54:00:00:00:01", None))
    assert found.agent
    assert found.whole
    assert found.mark == mark_of()


def test_an_agent_that_is_not_connected_is_none() -> None:
    assert not parse_definition(DOMAIN.format(mark="", agent="disconnected"), UUID_).agent


def test_a_bare_definition_is_read() -> None:
    found = parse_definition("<domain><name>x</name><memory>1024</memory><vcpu>1</vcpu></domain>", UUID_)
    assert (found.vcpus, found.memory_bytes, found.interfaces, found.mark) == (1, 1024**2, (), None)


@pytest.mark.parametrize(
    ("unit", "bytes_"), [("b", 1), ("KB", 1000), ("KiB", 1024), ("M", 1024**2), ("GiB", 1024**3), ("TB", 1000**4)]
)
def test_units_of_memory(unit: str, bytes_: int) -> None:
    text = f"<domain><name>x</name><memory unit='{unit}'>3</memory><vcpu>1</vcpu></domain>"
    assert parse_definition(text, UUID_).memory_bytes == 3 * bytes_


def test_entities_are_not_resolved() -> None:
    text = '<!DOCTYPE d [<!ENTITY x SYSTEM "file:///etc/hostname">]><domain><name>&x;</name></domain>'
    assert parse_definition(text, UUID_).name == ""


@pytest.mark.parametrize("phase", Phase)
def test_a_mark_comes_back_as_it_was_written(phase: Phase) -> None:
    mark = mark_of(phase=phase)
    again = parse_mark_text(text_of(mark), UUID_)
    assert again == mark
    assert again is not None
    assert again.lifecycle is Lifecycle(phase.value)


@given(
    st.dictionaries(
        st.from_regex(r"[a-z0-9._-]{1,63}", fullmatch=True),
        st.text(st.characters(blacklist_categories=["Cc", "Cs", "Zl", "Zp"]), max_size=255),
        max_size=64,
    ),
    st.text(st.characters(blacklist_categories=["Cc", "Cs"]), min_size=1),
)
def test_any_labels_and_owner_survive(labels: dict[str, str], owner: str) -> None:
    allowed = {key: value for key, value in labels.items() if not set(value) & {"\ufffe", "\uffff"}}
    owner = owner.replace("\ufffe", "").replace("\uffff", "") or "me"
    mark = Mark(Record(uuid=UUID_, owner=owner, fingerprint="f", native_id=str(UUID_)), Labels(allowed))
    assert parse_mark_text(text_of(mark), UUID_) == mark


def spoiled(change: Callable[[etree._Element], object]) -> etree._Element:
    element = mark_of().element()
    change(element)
    return element


@pytest.mark.parametrize(
    "change",
    [
        lambda e: e.set("native-id", str(uuid4())),
        lambda e: e.set("uuid", str(uuid4())),
        lambda e: e.set("uuid", "no uuid"),
        lambda e: e.set("phase", "no phase"),
        lambda e: e.attrib.pop("owner"),
        lambda e: e.attrib.pop("native-id"),
        lambda e: e[0].set("key", "NOT ALLOWED"),
        lambda e: e[0].attrib.pop("key"),
    ],
)
def test_a_copys_or_a_broken_mark_is_none(change: Callable[[etree._Element], object]) -> None:
    assert parse_mark(spoiled(change), UUID_) is None
    assert parse_mark(mark_of().element(), UUID_) is not None


def test_what_a_guest_is_in_the_middle_of_is_read() -> None:
    mark = replace(mark_of(), standing=Lifecycle.RESCUED, notes={"rescue": '{"own": "<disk>"}'})
    found = parse_mark(mark.element(), UUID_)
    assert found == mark
    assert found is not None
    assert found.lifecycle is Lifecycle.RESCUED
    assert replace(found, record=replace(found.record, phase=Phase.DELETING)).lifecycle is Lifecycle.DELETING
