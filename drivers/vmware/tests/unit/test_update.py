"""What a change of name and labels comes to."""

from dataclasses import replace
from uuid import UUID

import pytest
from pyVmomi import vim

from nova_virt_api.errors import NotSupported
from nova_virt_api.model.labels import Labels
from nova_virt_api.model.record import Phase, Record
from nova_virt_api.model.spec import InstanceUpdate
from nova_virt_vmware.machine import as_machine
from nova_virt_vmware.record import KEY, GuestRecord
from nova_virt_vmware.update import changes, renamed

GUEST = UUID(int=1)
RECORD = GuestRecord(
    record=Record(uuid=GUEST, owner="ours", fingerprint="f", phase=Phase.READY), name="web", labels=Labels({"a": "b"})
)
MACHINE = as_machine(
    "vm-1",
    {
        "name": f"web ({GUEST})",
        "config.instanceUuid": str(GUEST),
        "config.extraConfig": [vim.option.OptionValue(key=KEY, value=RECORD.encode())],
    },
)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        pytest.param(f"web ({GUEST})", f"new ({GUEST})", id="as it was made"),
        pytest.param("web", "new", id="adopted"),
    ],
)
def test_name_keeps_its_kind(before: str, after: str) -> None:
    """A virtual machine that bears the guest's uuid in its name keeps it there, another gets none."""
    assert renamed(before, "new", GUEST) == after


@pytest.mark.parametrize(
    "update",
    [
        InstanceUpdate(),
        InstanceUpdate(name="web"),
        InstanceUpdate(labels={"a": "b"}),
        InstanceUpdate(name="web", labels={"a": "b"}),
    ],
)
def test_nothing_to_change(update: InstanceUpdate) -> None:
    """What is as wanted already is not written."""
    assert changes(MACHINE, GUEST, update) is None


def test_record_goes_with_the_name() -> None:
    """Name and record are written by one change, and the record keeps what is not changed."""
    spec = changes(MACHINE, GUEST, InstanceUpdate(name="new"))
    assert spec is not None
    assert spec.name == f"new ({GUEST})"
    [option] = spec.extraConfig
    assert GuestRecord.decode(option.value) == replace(RECORD, name="new")


def test_labels_need_a_record() -> None:
    """A guest of other making can be renamed, and has no place for labels."""
    bare = replace(MACHINE, name="web", record=None)
    spec = changes(bare, GUEST, InstanceUpdate(name="new"))
    assert spec is not None
    assert (spec.name, list(spec.extraConfig)) == ("new", [])
    with pytest.raises(NotSupported):
        changes(bare, GUEST, InstanceUpdate(labels={}))
