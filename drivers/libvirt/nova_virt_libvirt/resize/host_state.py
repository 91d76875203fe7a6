"""The variables of a guest's UEFI firmware and the state of its TPM go to another host while it is off.

At the destination libvirt makes the files itself, with the owners and rights that they have there; then their content
is the source's.
"""

from __future__ import annotations

import struct
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import libvirt

from nova_virt_api.errors import MigrationError
from nova_virt_api.model.image import ImageFormat
from nova_virt_libvirt.clone.definition import renew_variables
from nova_virt_libvirt.errors import translated
from nova_virt_libvirt.kept_files import TPM, VARIABLES, KeptFile, bare, is_there, kept_files
from nova_virt_libvirt.native_call import in_time
from nova_virt_libvirt.remains import stop
from nova_virt_libvirt.resize.definition import parsed, text_of
from nova_virt_libvirt.storage.opened_directory import opened_directory
from nova_virt_libvirt.storage.pools import Volume, storage_errors, volume_xml
from nova_virt_libvirt.storage.transfer import pass_on

if TYPE_CHECKING:
    from uuid import UUID

    from nova_virt_api.driver.operation import Operation

TPM_HEAD: Final = struct.Struct(">BBHHI")
"""What such a file begins with; the last number is the file's length (swtpm's ``blobheader``)."""

SAME_ON_BOTH: Final = (
    "install the same firmware and swtpm on both hosts, or revert the resize and move the guest while it runs"
)
IN_THE_WAY: Final = (
    "if the hosts share that directory, revert the resize and give each host its own; if it is another guest's, rename"
    " one of them; otherwise move the file away"
)


def fetch_state(
    source: libvirt.virConnect, here: libvirt.virConnect, uuid: UUID, former: str, new: str, op: Operation
) -> None:
    """Give a guest that is to be defined here the state that it has at its source.

    Its claim here must be held. Until it is defined it is a machine without disks here, marked as it is to be.

    Args:
        source: the source's libvirt.
        here: this host's.
        uuid: the guest.
        former: its definition at the source.
        new: its definition here, with its mark.
        op: the operation worked for.

    Raises:
        MigrationError: the firmware here has another kind of variables, or such a file is here already.
        StorageError: something could not be read or written, or libvirt does not say where it is.
    """
    there = [file for file in kept_files(source, bare(parsed(former)), uuid) if is_there(source, uuid, file)]
    if not there:
        return  # it never ran: what it gets here is as new as that
    machine = bare(parsed(new))
    renew_variables(machine)
    op.stage("fetch firmware variables and TPM")
    places = {file.what: file for file in kept_files(here, machine, uuid)}
    for place in places.values():
        if is_there(here, uuid, place):  # from now on whoever removes what was made of the guest here would remove it
            raise unfit(f"{place.directory}/{place.name} is on this host already", hint=IN_THE_WAY)
    for file in there:
        if file.what not in places:
            raise unfit(f"this host's libvirt does not say where {file.what} is to be")
    make_anew(here, machine, op)
    for file in there:
        replace_content(source, here, uuid, file, places[file.what], op)


def make_anew(connection: libvirt.virConnect, machine: Any, op: Operation) -> None:
    """Let libvirt make directories and files for a guest as for a new one: only it knows whose they are to be."""
    with translated("prepare firmware and TPM of the guest"):
        domain = connection.defineXML(text_of(machine))
        in_time(partial(domain.createWithFlags, libvirt.VIR_DOMAIN_START_PAUSED), op)
        stop(domain)


def replace_content(
    source: libvirt.virConnect,
    here: libvirt.virConnect,
    uuid: UUID,
    there: KeptFile,
    place: KeptFile,
    op: Operation,
) -> None:
    """Put a file of the source in place of the new one here."""
    reading, writing = opened_directory(source, uuid, there.directory), opened_directory(here, uuid, place.directory)
    with reading as near, writing as far:
        original = None if near is None else near.find(there.name)
        new = None if far is None else far.find(place.name)
        if original is None or new is None:
            raise unfit(f"{there.what} is gone since a moment")
        refuse_other(there.what, original, new)
        length = original.stored_bytes()
        made = made_again(new, length)
        with storage_errors(f"fetch {there.what}", made.pool.name):
            pass_on((source, original.native), (here, made.native), length, op)


def refuse_other(what: str, original: Volume, new: Volume) -> None:
    """Refuse content that cannot be such state: who got hold of QEMU or swtpm there may have put a link in its place.

    Raises:
        MigrationError: it is such content.
    """
    if what == VARIABLES and (length := original.capacity_bytes()) != (wanted := new.capacity_bytes()):
        raise unfit(f"{what} have {length} bytes, those of the firmware here {wanted}")
    if what == VARIABLES and (kind := format_of(original)) != (wanted_kind := format_of(new)):
        raise unfit(f"{what} are kept as {kind}, those of the firmware here as {wanted_kind}")
    if what == TPM:
        head = original.read(TPM_HEAD.size)
        if len(head) < TPM_HEAD.size or TPM_HEAD.unpack(head)[-1] != original.stored_bytes():
            raise unfit(f"what is said to be {what} was not written by swtpm")


def format_of(volume: Volume) -> str | None:
    """What libvirt found a volume's bytes to be."""
    with storage_errors(f"look at volume {volume.name}", volume.pool.name):
        kind = parsed(volume.native.XMLDesc(0)).find("target/format")
    return None if kind is None else kind.get("type")


def made_again(volume: Volume, length: int) -> Volume:
    """An empty volume of this length in place of this one, with the same owner and rights.

    libvirt cuts no file off within a block of the disk, and swtpm takes one with something behind its end for damaged.
    """
    pool = volume.pool
    with storage_errors(f"make volume {volume.name} anew", pool.name):
        rights = parsed(volume.native.XMLDesc(0)).find("target/permissions")
        definition = parsed(volume_xml(volume.name, length, ImageFormat.RAW, None))
        if rights is not None:
            definition.find("target").append(rights)
        volume.remove()
        return Volume(pool, pool.native.createXML(text_of(definition), 0))


def unfit(message: str, *, hint: str = SAME_ON_BOTH) -> MigrationError:
    """The error for state that cannot be had here."""
    return MigrationError("finish_resize", message, hint=hint)
