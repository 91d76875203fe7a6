"""Names of guests' machines and of owners' folders."""

import uuid

import pytest

from nova_virt_vmware.guest_names import LONGEST, claim_name, guest_name, machine_name, owner_folder

GUEST = uuid.UUID("4f6c5f50-0000-4000-8000-000000000001")


def test_machine_bears_name_and_uuid() -> None:
    assert machine_name("web", GUEST) == f"web ({GUEST})"
    assert guest_name(machine_name("web", GUEST), GUEST) == "web"
    assert guest_name("of other making", GUEST) == "of other making"
    assert claim_name(GUEST) == str(GUEST)


@pytest.mark.parametrize("length", [40, 41, 42, 63])
def test_machine_name_is_never_too_long(length: int) -> None:
    name = machine_name("n" * length, GUEST)
    assert len(name) <= LONGEST
    assert name.endswith(f" ({GUEST})")


def test_owner_folder_is_written_as_the_server_does() -> None:
    assert owner_folder("me") == "nova-virt-me"
    assert owner_folder("a/b 100%") == "nova-virt-a%2fb 100%25"
