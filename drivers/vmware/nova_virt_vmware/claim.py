"""How a uuid becomes one virtual machine, however many processes ask for it at once, and whichever of them die.

The server lets a name be once in a folder, also while a virtual machine is still being cloned (``DuplicateName``). So
a guest is made in its owner's folder under its bare uuid: of those who look, find nothing and begin, one gets on, and
nobody copies a disk for nothing. A name proves no more than that, since a guest loses it when it is finished and gets
its own, may be moved to another folder, and an owner has a folder in each datacenter. Therefore whoever has made a
virtual machine looks once more for others that bear the uuid, before it is more than a copy of a template, and gives
way if there is one. Two of them cannot miss each other: each looks after it has made its own. All who are finished have
looked, so there is one.

The record is born with the virtual machine (``CloneSpec.config``), so what a dead process leaves tells whose it is.
While it is being cloned a virtual machine may be seen that bears no record yet: under a bare uuid in the owner's folder
it is somebody's who is just beginning, as long as anything is being cloned that was when it was first seen, and remains
afterwards.
"""

from __future__ import annotations

import random
import time
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Final
from uuid import UUID

from pyVmomi import vim

from nova_virt_api.driver.operation import CancelMode
from nova_virt_api.errors import Ambiguous, Busy, InstanceExists
from nova_virt_api.model.record import Phase
from nova_virt_vmware.errors import NameTaken, moref_of
from nova_virt_vmware.guest_names import claim_name, owner_folder
from nova_virt_vmware.hold import worker
from nova_virt_vmware.machine import Machine, child_of, machine, machines_of
from nova_virt_vmware.property_collector import retrieve

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nova_virt_api.driver.operation import Operation
    from nova_virt_vmware.connection import Connection
    from nova_virt_vmware.site import Site

LAST_WORD: Final = 1.0
"""Seconds before the deadline at which waiting ends, so that the caller still gets to know whom it was for."""

LONGEST_PAUSE: Final = 2.0

BEGINNER: Final = "somebody who is just beginning"


class Claims:
    """What there is of a guest, made by whomever.

    Args:
        site: the endpoint.
        uuid: the guest.
        taking: the token under which we work on it ourselves.
        op: the operation worked for.
    """

    def __init__(self, site: Site, uuid: UUID, taking: str, op: Operation) -> None:
        self._site = site
        self._uuid = uuid
        self._taking = taking
        self._op = op
        self._folders: set[str] = set()
        self._beginning: set[str] = set()

    def all(self) -> list[Machine]:
        """Every virtual machine that bears the uuid, or was begun for it and bears nothing yet.

        Raises:
            Unavailable: vCenter is not connected to the host of one, and knows nothing of it.
            StorageError: one's configuration cannot be read.
        """
        found = machines_of(self._site.connection, self._uuid, self._op)
        known = {each.moref for each in found}
        found += [each for each in self._begun() if each.moref not in known]
        for each in found:
            each.check_readable()
        return [now for each in found if (now := self._recorded(each)) is not None]

    def one(self) -> Machine | None:
        """The guest, whole or not, or the first of its remains; None when there is nothing. Waits as :meth:`settled`.

        Raises:
            VirtError: as there.
        """
        return next(iter(self.settled()), None)

    def settled(self) -> list[Machine]:
        """Remains first, then the guest, if any. What others are making at the moment is waited for.

        Raises:
            Ambiguous: two virtual machines that are not in the making bear the uuid.
            Busy: somebody is making one, and went on until right before the deadline.
        """
        while True:
            found = self.all()
            standing = [each for each in found if not self.is_remains(each)]
            if len(standing) > 1:
                names = [f"{each.name} ({each.moref})" for each in standing]
                raise Ambiguous(f"{len(standing)} virtual machines bear the uuid {self._uuid}", names)
            at_work = next((each for each in found if self.worker(each) is not None), None)
            if at_work is None:
                return [*(each for each in found if each not in standing), *standing]
            self.wait_for(at_work)

    def others(self, moref: str) -> list[Machine]:
        """What there is beside this virtual machine."""
        return [each for each in self.all() if each.moref != moref]

    def abandoned(self) -> list[Machine]:
        """What is left of a guest of this owner's that was never finished, or never quite removed."""
        owner = self._site.endpoint.owner
        return [
            each
            for each in self.all()
            if self.is_remains(each)
            and self.worker(each) is None
            and (each.record is None or each.record.record.owner == owner)
        ]

    def is_remains(self, machine: Machine) -> bool:
        """Whether a virtual machine is one that somebody has begun to make, or to remove."""
        if machine.record is not None:
            return machine.record.record.phase is not Phase.READY
        return machine.name == claim_name(self._uuid) and machine.folder in self._owner_folders()

    def worker(self, machine: Machine) -> str | None:
        """Who else works on a virtual machine now; None when nobody does, or he is gone."""
        if machine.record is not None and machine.record.hold == self._taking:
            return None
        return BEGINNER if machine.moref in self._beginning else worker(machine.record)

    def wait_for(self, other: Machine) -> None:
        """Return once nobody works on a virtual machine any more, or it is gone.

        By looking now and then: that a process died changes nothing at the server.

        Raises:
            Busy: somebody went on until right before the deadline.
        """
        holder = self.worker(other) or BEGINNER
        self._op.stage(f"wait for {holder}", CancelMode.IMMEDIATE)
        late = False

        def is_over() -> bool:
            nonlocal late
            seen = machine(self._site.connection, other.moref, self._op)
            now = None if seen is None else self._recorded(seen)
            free = now is None or self.worker(now) is None
            late = not free and self._op.remaining() < LAST_WORD
            return free or late

        self._op.wait_until(is_over)
        if late:
            raise Busy(f"somebody else works on guest {self._uuid}", holder, hint="try again later")

    def pause(self) -> None:
        """Wait for a moment, so that those who gave way to each other do not do so again."""
        until = time.monotonic() + random.uniform(0.05, LONGEST_PAUSE)  # noqa: S311 - to spread racers
        self._op.wait_until(lambda: time.monotonic() >= until)

    def refuse_name(self, taken: NameTaken) -> None:
        """Look who has the bare uuid as a name; return if that is somebody who makes the guest.

        Raises:
            InstanceExists: something of other making has the name.
        """
        self.pause()
        if not taken.moref or self._site.beginning.includes(taken.moref, self._op):
            return
        found = machine(self._site.connection, taken.moref, self._op)
        if found is not None and found.uuid not in (None, self._uuid) and self._claimed(found).record is None:
            raise InstanceExists(
                f"{found.label} is no guest of this API and has the name that guest {self._uuid} is made under",
                hint="rename it",
            )

    def _recorded(self, seen: Machine) -> Machine | None:
        """A virtual machine with the record that it was born with, if it was; None when it is gone.

        One without a record may still be about to get it. Once nobody can be making it, it has what it will ever have,
        and is looked at once more for that.
        """
        seen = self._claimed(seen)
        self._beginning.discard(seen.moref)
        if seen.record is not None or not self.is_remains(seen):
            return seen
        if self._site.beginning.includes(seen.moref, self._op):
            self._beginning.add(seen.moref)
            return seen
        now = machine(self._site.connection, seen.moref, self._op)
        return None if now is None else self._claimed(now)

    def _claimed(self, seen: Machine) -> Machine:
        """A virtual machine with the record that it was born with, if it was begun for the guest in our folder.

        The server may have given it another ``instanceUuid``, since another one had the guest's.
        """
        claim = seen.claim
        if seen.record is not None or claim is None or claim.record.uuid != self._uuid:
            return seen
        ours = claim.record.owner == self._site.endpoint.owner and seen.folder in self._owner_folders()
        return replace(seen, record=claim) if ours else seen

    def _begun(self) -> list[Machine]:
        """Virtual machines under the bare uuid in this owner's folders."""
        found = []
        connection = self._site.connection
        for folder in self._owner_folders():
            child = child_of(connection, folder, claim_name(self._uuid), self._op)
            if isinstance(child, vim.VirtualMachine):
                found.append(machine(connection, moref_of(child), self._op))
        claimed = [self._claimed(each) for each in found if each is not None and not each.template]
        return [each for each in claimed if each.record is not None or each.uuid in (None, self._uuid)]

    def _owner_folders(self) -> set[str]:
        if not self._folders:
            self._folders = set(owner_folders(self._site.connection, self._site.endpoint.owner, self._op))
        return self._folders


# --- the owner's folder -----------------------------------------------------------------------------------------------


def owner_folders(connection: Connection, owner: str, op: Operation | None) -> Sequence[str]:
    """Ids of the folders in which an owner's guests are made, one in each datacenter that has any."""
    roots = retrieve(connection, vim.Datacenter, ("vmFolder",), None, op)
    found = []
    for _, values in roots:
        if "vmFolder" in values:
            child = child_of(connection, moref_of(values["vmFolder"]), owner_folder(owner), op)
            found += [moref_of(child)] if isinstance(child, vim.Folder) else []
    return found


def ensure_owner_folder(site: Site, machine_folder: str, op: Operation) -> str:
    """Id of the owner's folder in a datacenter's folder for virtual machines; made if it is not there. It stays."""
    connection, name = site.connection, owner_folder(site.endpoint.owner)
    there = child_of(connection, machine_folder, name, op)
    if there is None:
        parent = connection.object(vim.Folder, machine_folder)
        with suppress(NameTaken):  # by another who makes it at the same time
            made = connection.change(f"make folder {name}", lambda: parent.CreateFolder(name=name), op)
            return moref_of(made)
        there = child_of(connection, machine_folder, name, op)
    if not isinstance(there, vim.Folder):
        raise InstanceExists(
            f"{name} is there and is no folder", hint="rename it: guests are made in a folder of this name"
        )
    return moref_of(there)
