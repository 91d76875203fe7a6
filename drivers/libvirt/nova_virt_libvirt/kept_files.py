"""Files of a guest's that libvirt keeps in directories of its own: UEFI firmware's variables and a TPM's state.

Their places are asked for, as they differ between hosts, accounts and versions.
"""

from __future__ import annotations

import json
import shlex
from copy import deepcopy
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any, Final

from lxml.builder import E

from nova_virt_api.errors import StorageError
from nova_virt_libvirt.errors import translated
from nova_virt_libvirt.resize.definition import text_of
from nova_virt_libvirt.storage.opened_directory import opened_directory

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from uuid import UUID

    import libvirt

VARIABLES: Final = "the variables of its UEFI firmware"
TPM: Final = "the state of its TPM"
TPM_FILES: Final = {"1.2": ("tpm1.2", "tpm-00.permall"), "2.0": ("tpm2", "tpm2-00.permall")}
"""Directory and file of a TPM that is off, by its version, as libvirt and swtpm call them."""

TOP: Final = ("name", "uuid", "metadata", "os", "features")
OF_OS: Final = ("type", "loader", "nvram", "firmware")
OF_FEATURES: Final = ("acpi", "apic", "smm", "gic")
"""What of a definition decides which firmware a guest has and where its state is."""

ASK: Final = "see what virsh domxml-to-native qemu-argv says of the guest on this host"


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptFile:
    """A file that libvirt keeps for a guest.

    Args:
        what: what it holds.
        directory: where it is.
        name: how it is called there.
    """

    what: str
    directory: str
    name: str


def bare(definition: Any) -> Any:
    """The guest without anything but its firmware, its TPM and what makes it the same guest for libvirt."""
    machine = deepcopy(definition)
    devices = E.devices(*machine.xpath("devices/emulator | devices/tpm"), E.memballoon(model="none"))
    keep_only(machine, TOP)
    keep_only(machine.find("os"), OF_OS)
    keep_only(machine.find("features"), OF_FEATURES)
    machine.extend([E.memory("64", unit="MiB"), devices])
    return machine


def keep_only(element: Any, tags: Iterable[str]) -> None:
    """Remove all other children; nothing happens without an element."""
    for child in list(() if element is None else element):
        if child.tag not in tags:
            element.remove(child)


def kept_files(connection: libvirt.virConnect, machine: Any, uuid: UUID) -> Iterator[KeptFile]:
    """Where a host keeps a guest's state, or would.

    libvirt up to 9.1 writes into no definition where the variables are, and none writes there where a TPM's state is.
    The command that QEMU would be started with names the one and a neighbour of the other.
    """
    tpm = machine.find("devices/tpm/backend[@type='emulator']")
    variables = has_variables(machine)
    if tpm is None and not variables:
        return
    with translated("ask where the guest's state is kept"):
        command = connection.domainXMLToNative("qemu-argv", text_of(machine), 0)
    told = [json.loads(word) for word in shlex.split(command) if word.startswith("{")]
    if variables:
        stores = [one for one in told if one.get("node-name") == "libvirt-pflash1-storage" and "filename" in one]
        if not stores:
            raise StorageError("libvirt does not say where it keeps the variables of UEFI firmware", hint=ASK)
        path = PurePosixPath(stores[0]["filename"])
        yield KeptFile(what=VARIABLES, directory=str(path.parent), name=path.name)
    if tpm is not None:
        keys = [PurePosixPath(one["file"]) for one in told if one.get("id") == "masterKey0" and "file" in one]
        if not keys:
            raise StorageError("libvirt does not say where it keeps the state of TPMs", hint=ASK)
        directory, name = TPM_FILES[tpm.get("version", "2.0")]
        home = keys[0].parents[2]  # .../qemu/domain-1-web/master-key.aes has .../swtpm beside .../qemu
        yield KeptFile(what=TPM, directory=str(home / "swtpm" / str(uuid) / directory), name=name)


def has_variables(machine: Any) -> bool:
    """Whether its firmware keeps variables: firmware that libvirt chooses, or one that it names."""
    if machine.xpath("os/loader[@stateless='yes' or @type='rom']"):
        return False
    return bool(machine.xpath("os[@firmware='efi'] | os/nvram | os/loader[@type='pflash']"))


def is_there(connection: libvirt.virConnect, uuid: UUID, file: KeptFile) -> bool:
    """Whether there is such a file: a guest that never ran has none."""
    with opened_directory(connection, uuid, file.directory) as pool:
        return pool is not None and pool.find(file.name) is not None
