"""Bytes to and from volumes through libvirt's streams: the endpoint may be remote, so no path is ever opened."""

import errno
import os
from collections.abc import Iterator
from typing import BinaryIO, Final

import libvirt

from nova_virt_api.driver.operation import Operation

CHUNK: Final = 256 * 1024
"""What one message of libvirt's protocol carries; more would be split."""


class Transfer:
    """One stream. Leaving the context with an error tells the daemon to forget the rest.

    Args:
        connection: the stream's connection.
        op: asked between chunks whether to go on, and told how far it is; None for what is small.
    """

    def __init__(self, connection: libvirt.virConnect, op: Operation | None = None) -> None:
        self.stream: libvirt.virStream = connection.newStream(0)
        self._op = op
        if op is not None:
            op.on_cancel(self._abort)

    def __enter__(self) -> "Transfer":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        if error is None:
            return
        self._abort()
        if self._op is not None and isinstance(error, libvirt.libvirtError):
            self._op.checkpoint()  # a request to cancel shows as a broken stream

    def step(self, done: int, total: int) -> None:
        """Between two chunks."""
        if self._op is not None:
            self._op.checkpoint()
            self._op.progress(done, total)

    def _abort(self) -> None:
        try:
            self.stream.abort()
        except libvirt.libvirtError:
            return  # it had ended by itself


def send_bytes(connection: libvirt.virConnect, volume: libvirt.virStorageVol, data: bytes, offset: int = 0) -> None:
    """Write the volume's bytes from there on."""
    with Transfer(connection) as transfer:
        volume.upload(transfer.stream, offset, len(data), 0)
        for start in range(0, len(data), CHUNK):
            transfer.stream.send(data[start : start + CHUNK])
        transfer.stream.finish()


def receive_bytes(connection: libvirt.virConnect, volume: libvirt.virStorageVol, limit: int) -> bytes:
    """Read at most ``limit`` of the volume's first bytes."""
    with Transfer(connection) as transfer:
        volume.download(transfer.stream, 0, limit, 0)
        data = b"".join(iter(lambda: transfer.stream.recv(CHUNK), b""))
        transfer.stream.finish()
    return data


def send_file(
    connection: libvirt.virConnect, volume: libvirt.virStorageVol, source: BinaryIO, length: int, op: Operation
) -> None:
    """Write a file to a volume that is new and reads as zeros, so that the file's holes need not be sent."""
    with Transfer(connection, op) as transfer:
        volume.upload(transfer.stream, 0, length, libvirt.VIR_STORAGE_VOL_UPLOAD_SPARSE_STREAM)
        done = 0
        for start, end in data_extents(source.fileno(), length):
            if start > done:
                transfer.stream.sendHole(start - done)
            done = start
            while done < end:
                transfer.step(done, length)
                chunk = os.pread(source.fileno(), min(CHUNK, end - done), done)
                if not chunk:
                    raise OSError(errno.EIO, f"the file ended at byte {done} of {length}")
                transfer.stream.send(chunk)
                done += len(chunk)
        if done < length:
            transfer.stream.sendHole(length - done)
        transfer.step(length, length)
        transfer.stream.finish()


def receive_file(
    connection: libvirt.virConnect, volume: libvirt.virStorageVol, target: BinaryIO, length: int, op: Operation
) -> None:
    """Write the volume's bytes to an empty file, holes as holes."""
    with Transfer(connection, op) as transfer:
        volume.download(transfer.stream, 0, 0, libvirt.VIR_STORAGE_VOL_DOWNLOAD_SPARSE_STREAM)
        done = 0
        while chunk := transfer.stream.recvFlags(CHUNK, libvirt.VIR_STREAM_RECV_STOP_AT_HOLE):
            if isinstance(chunk, bytes):
                target.write(chunk)
                done += len(chunk)
            else:
                done += transfer.stream.recvHole()
                target.seek(done)
            transfer.step(min(done, length), length)
        target.truncate(done)
        transfer.stream.finish()


def pass_on(
    source: tuple[libvirt.virConnect, libvirt.virStorageVol],
    target: tuple[libvirt.virConnect, libvirt.virStorageVol],
    length: int,
    op: Operation,
) -> None:
    """Copy a volume's bytes to one that is new and reads as zeros, perhaps on another host; holes stay holes.

    Args:
        source: the volume to read, with its connection.
        target: the volume to write, with its connection.
        length: bytes to be copied.
        op: told progress; may be cancelled.
    """
    with Transfer(source[0], op) as reading, Transfer(target[0], op) as writing:
        source[1].download(reading.stream, 0, 0, libvirt.VIR_STORAGE_VOL_DOWNLOAD_SPARSE_STREAM)
        target[1].upload(writing.stream, 0, 0, libvirt.VIR_STORAGE_VOL_UPLOAD_SPARSE_STREAM)
        done = 0
        while chunk := reading.stream.recvFlags(CHUNK, libvirt.VIR_STREAM_RECV_STOP_AT_HOLE):
            if isinstance(chunk, bytes):
                writing.stream.send(chunk)
                done += len(chunk)
            else:
                hole = reading.stream.recvHole()
                writing.stream.sendHole(hole)
                done += hole
            writing.step(min(done, length), length)
        reading.stream.finish()
        writing.stream.finish()


def data_extents(descriptor: int, length: int) -> Iterator[tuple[int, int]]:
    """Start and end of each stretch of a file that is not a hole."""
    end = 0
    while end < length:
        try:
            start = os.lseek(descriptor, end, os.SEEK_DATA)
        except OSError:  # ENXIO: nothing but a hole up to the end of the file
            return
        end = min(os.lseek(descriptor, start, os.SEEK_HOLE), length)
        if start < end:
            yield start, end
