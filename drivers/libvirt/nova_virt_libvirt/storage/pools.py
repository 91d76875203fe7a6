"""Pools and volumes, touched through libvirt's storage API only."""

import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import BinaryIO, Final

import libvirt
from lxml import etree
from lxml.builder import E
from tenacity import Retrying, retry_if_exception, stop_after_delay, wait_exponential

from nova_virt_api.driver.operation import Operation
from nova_virt_api.errors import BackendError, NoCapacity, StorageError, Unavailable
from nova_virt_api.model.image import ImageFormat
from nova_virt_libvirt.errors import HINTS, translate
from nova_virt_libvirt.storage.transfer import receive_bytes, receive_file, send_bytes, send_file

OVERLAY_KINDS: Final = frozenset({"dir", "fs", "netfs"})
"""Pools whose volumes are files, made exclusively, sparse, and able to be based on one another."""

ASYNCHRONOUS: Final = "has asynchronous jobs running"
"""What libvirt says of a pool in which a volume is being filled."""

PATIENCE: Final = 15.0
"""Seconds for which a volume or pool may be busy with what a process that is gone had begun."""


class VolumeExists(StorageError):
    """A volume of this name is there already."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Backing:
    """What an overlay is based on: a complete volume that nobody writes to.

    Args:
        path: where the hypervisor has it.
        format: what its bytes are; never guessed from them.
    """

    path: str
    format: ImageFormat


class Volume:
    """One volume.

    Args:
        pool: where it is.
        native: libvirt's handle.
    """

    def __init__(self, pool: "Pool", native: libvirt.virStorageVol) -> None:
        self.pool = pool
        self.native = native
        self.name: str = native.name()  # known to the handle; no request

    def path(self) -> str:
        """Where the hypervisor has it; never opened here."""
        with self._errors("look at"):
            path: str = self.native.path()
            return path

    def capacity_bytes(self) -> int:
        """Its size as guests see it."""
        with self._errors("look at"):
            return int(self.native.info()[1])

    def stored_bytes(self) -> int:
        """Length of its content as stored."""
        with self._errors("look at"):
            return int(self.native.infoFlags(libvirt.VIR_STORAGE_VOL_GET_PHYSICAL)[2])

    def age_seconds(self) -> float:
        """Time since its content changed, as far as the host's clock and ours agree."""
        with self._errors("look at"):
            changed = etree.fromstring(self.native.XMLDesc(0)).findtext("target/timestamps/mtime")
        return time.time() - float(changed or 0.0)

    def changed_at(self) -> str:
        """When its content last changed, by the clock of its host."""
        with self._errors("look at"):
            return etree.fromstring(self.native.XMLDesc(0)).findtext("target/timestamps/mtime") or ""

    def write(self, data: bytes, offset: int = 0) -> None:
        """Replace its bytes from there on."""
        with self._errors("write"):
            for attempt in patiently(libvirt.VIR_ERR_OPERATION_INVALID):
                with attempt:
                    send_bytes(self.pool.connection, self.native, data, offset)

    def read(self, limit: int) -> bytes:
        """Its first bytes, at most ``limit``. Waits while it is still being made."""
        with self._errors("read"):
            for attempt in patiently(libvirt.VIR_ERR_OPERATION_INVALID):
                with attempt:
                    return receive_bytes(self.pool.connection, self.native, limit)
        raise AssertionError("unreachable: the last attempt raises")

    def upload(self, source: BinaryIO, length: int, op: Operation) -> None:
        """Fill it, while it is new, from a file; tells progress and can be cancelled."""
        with self._errors("write"):
            send_file(self.pool.connection, self.native, source, length, op)

    def download(self, target: BinaryIO, op: Operation) -> None:
        """Write its content to an empty file; tells progress and can be cancelled."""
        length = self.stored_bytes()
        with self._errors("read"):
            receive_file(self.pool.connection, self.native, target, length, op)

    def remove(self) -> bool:
        """Delete it; False if it was gone. Waits for what a process that is gone had begun with it."""
        with self._errors("delete"):
            for attempt in patiently(libvirt.VIR_ERR_OPERATION_INVALID):
                with attempt:
                    return self._remove()
        raise AssertionError("unreachable: the last attempt raises")

    def _remove(self) -> bool:
        try:
            self.native.delete(0)
        except libvirt.libvirtError as error:
            if error.get_error_code() == libvirt.VIR_ERR_NO_STORAGE_VOL:
                return False
            if self.pool.is_inactive():
                raise inactive(self.pool.name) from error
            raise
        return True

    def _errors(self, doing: str) -> AbstractContextManager[None]:
        return storage_errors(f"{doing} volume {self.name}", self.pool.name)


class Pool:
    """One storage pool.

    Args:
        connection: the connection that the handle belongs to.
        native: libvirt's handle.
    """

    def __init__(self, connection: libvirt.virConnect, native: libvirt.virStoragePool) -> None:
        self.connection = connection
        self.native = native
        self.name: str = native.name()

    def kind(self) -> str:
        """The type of pool in the words of libvirt, e.g. ``dir``."""
        with storage_errors("look at", self.name):
            definition = etree.fromstring(self.native.XMLDesc(0))
        return definition.get("type", "")

    def is_inactive(self) -> bool:
        """Whether libvirt says that it is not started; False when it says nothing."""
        try:
            return not self.native.isActive()
        except libvirt.libvirtError:
            return False

    def find(self, name: str) -> Volume | None:
        """The volume of this name, as far as libvirt knows the pool's content."""
        with storage_errors(f"look for volume {name}", self.name):
            try:
                return Volume(self, self.native.storageVolLookupByName(name))
            except libvirt.libvirtError as error:
                if error.get_error_code() == libvirt.VIR_ERR_NO_STORAGE_VOL:
                    return None
                raise

    def names(self) -> list[str]:
        """Names of all volumes, as far as libvirt knows the pool's content."""
        with storage_errors("list", self.name):
            return [volume.name() for volume in self.native.listAllVolumes(0)]  # listVolumes() counts first, then lists

    def create(
        self, name: str, capacity_bytes: int, image_format: ImageFormat, *, base: Backing | None = None
    ) -> Volume:
        """Make a sparse volume; of two that try at once, one succeeds (libvirt opens the file with ``O_EXCL``).

        Args:
            name: its name.
            capacity_bytes: its size as guests see it.
            image_format: its format.
            base: what it is an overlay of.

        Raises:
            VolumeExists: the name is taken.
            NoCapacity: the pool is full.
            StorageError: it could not be made.
        """
        with storage_errors(f"create volume {name}", self.name):
            try:
                definition = volume_xml(name, capacity_bytes, image_format, base)
                return Volume(self, self.native.createXML(definition, 0))
            except libvirt.libvirtError as error:
                self._refuse_twice(name, error)
                raise

    def create_standalone(self, name: str, image_format: ImageFormat, source: Volume) -> Volume:
        """Make a volume with another's content, independent of any base; libvirt runs ``qemu-img convert``.

        Raises:
            VolumeExists: the name is taken.
            NoCapacity: the pool is full.
            StorageError: it could not be made.
        """
        with storage_errors(f"create volume {name}", self.name):
            try:
                definition = volume_xml(name, source.capacity_bytes(), image_format, None)
                return Volume(self, self.native.createXMLFrom(definition, source.native, 0))
            except libvirt.libvirtError as error:
                self._refuse_twice(name, error)
                raise

    def remove(self, name: str) -> bool:
        """Delete the volume of this name; False if there is none."""
        volume = self.find(name)
        return volume is not None and volume.remove()

    def refresh(self, op: Operation | None = None) -> None:
        """Let libvirt look at the storage again: files that it did not make itself are volumes afterwards.

        It does not while a volume is being filled there.

        Args:
            op: waits for that until its deadline; None for a short while.
        """
        with storage_errors("refresh", self.name):
            if op is not None:
                op.wait_until(self._is_refreshed)
                return
            for attempt in patiently(libvirt.VIR_ERR_INTERNAL_ERROR):  # it has asynchronous jobs running
                with attempt:
                    self.native.refresh(0)

    def _is_refreshed(self) -> bool:
        try:
            self.native.refresh(0)
        except libvirt.libvirtError as error:
            if ASYNCHRONOUS not in str(error):
                raise
            return False
        return True

    def _refuse_twice(self, name: str, error: libvirt.libvirtError) -> None:
        taken = error.get_error_code() == libvirt.VIR_ERR_STORAGE_VOL_EXIST
        if not taken and error.get_error_code() == libvirt.VIR_ERR_OPERATION_INVALID:
            if self.is_inactive():
                raise inactive(self.name) from error
            self.refresh()  # perhaps a file of which libvirt did not know: another host put it there
            taken = self.find(name) is not None
        if taken:
            raise VolumeExists(f"volume {name} in storage pool {self.name} exists already") from error


def volume_xml(name: str, capacity_bytes: int, image_format: ImageFormat, base: Backing | None) -> str:
    """A volume's definition; formats are always said, nothing is left for libvirt to guess from content."""
    target = E.target(E.format(type=image_format.value))
    if image_format is ImageFormat.QCOW2:  # libvirt's default is version 2, which cannot note what changes
        target.append(E.compat("1.1"))
    capacity = E.capacity(str(capacity_bytes), unit="bytes")
    definition = E.volume(E.name(name), capacity, E.allocation("0"), target)
    if base is not None:
        definition.append(E.backingStore(E.path(base.path), E.format(type=base.format.value)))
    return etree.tostring(definition, encoding="unicode")


def patiently(code: int) -> Retrying:
    """Try again while libvirt answers with this code."""
    return Retrying(
        retry=retry_if_exception(lambda e: isinstance(e, libvirt.libvirtError) and e.get_error_code() == code),
        stop=stop_after_delay(PATIENCE),
        wait=wait_exponential(multiplier=0.02, max=0.5),
        reraise=True,
    )


@contextmanager
def storage_errors(doing: str, pool: str) -> Iterator[None]:
    """Tell libvirt's errors as ours, with what was being done and where."""
    try:
        yield
    except libvirt.libvirtError as error:
        found = translate(error, f"cannot {doing} in storage pool {pool}")
        if isinstance(found, NoCapacity):
            raise NoCapacity(pool, found.message, hint="free some space there, or name another pool") from error
        if type(found) is BackendError:
            raise StorageError(found.message, hint=HINTS[StorageError]) from error
        raise found from error


def inactive(pool: str) -> Unavailable:
    """The error for a pool that is not started."""
    return Unavailable(f"storage pool {pool} is not active", hint=f"start it: virsh pool-start {pool}")
