"""Drivers that are wrong about what leaves a guest: snapshots and consoles."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from nova_virt_api.driver.operation import Operation
from nova_virt_api.errors import InvalidSpec, StorageError, VirtError
from nova_virt_api.fake.driver import FakeDriver
from nova_virt_api.fake.guest import Guest, Volume
from nova_virt_api.model.console import ConsoleAddress, ConsoleKind, TcpConsole
from nova_virt_api.model.identity import InstanceRef
from nova_virt_api.model.image import ImageFormat, ImageInfo, ImageTarget, LocalTarget
from nova_virt_api.model.secret import Secret


class SnapshotOfAnotherFormat(FakeDriver):
    """Every snapshot is written raw, whatever was asked for."""

    caught_by = "test_snapshot_to_a_file"

    def snapshot(self, guest: InstanceRef, target: ImageTarget, op: Operation, **more: Any) -> ImageInfo:
        if not isinstance(target, LocalTarget):
            return super().snapshot(guest, target, op, **more)
        return replace(
            super().snapshot(guest, LocalTarget(target.path, ImageFormat.RAW), op, **more),
            format=target.format,
        )


class SnapshotForEverybody(FakeDriver):
    """The file of a snapshot can be read by every account."""

    caught_by = "test_snapshot_to_a_file"

    def snapshot(self, guest: InstanceRef, target: ImageTarget, op: Operation, **more: Any) -> ImageInfo:
        info = super().snapshot(guest, target, op, **more)
        if isinstance(target, LocalTarget):
            Path(target.path).chmod(0o644)
        return info


class SnapshotLeavesItsDraft(FakeDriver):
    """A snapshot that was stopped leaves the file that it was about to write."""

    caught_by = "test_snapshot_is_cancelled_at_each_stage"

    def snapshot(self, guest: InstanceRef, target: ImageTarget, op: Operation, **more: Any) -> ImageInfo:
        try:
            return super().snapshot(guest, target, op, **more)
        except VirtError:
            path = Path(target.path) if isinstance(target, LocalTarget) else None
            if path is not None and path.parent.is_dir():
                path.with_suffix(".part").touch()
            raise


class FailedSnapshotLeavesACopy(FakeDriver):
    """A snapshot that fails leaves the copy of the disk that it had made on the backend."""

    caught_by = "test_failed_snapshot_leaves_nothing"

    def snapshot(self, guest: InstanceRef, target: ImageTarget, op: Operation, **more: Any) -> ImageInfo:
        try:
            return super().snapshot(guest, target, op, **more)
        except (InvalidSpec, StorageError):
            copy = Volume(pool="default", name=f"{guest.uuid}-copy", kind="image", size_bytes=1)
            with self.connection.world.changing() as state:
                state.put_volume(copy)
            raise


class SnapshotKeepsTheOlder(FakeDriver):
    """Where a file is already, no new snapshot is written."""

    caught_by = "test_snapshot_replaces_an_older_one"

    def snapshot(self, guest: InstanceRef, target: ImageTarget, op: Operation, **more: Any) -> ImageInfo:
        if not isinstance(target, LocalTarget) or not Path(target.path).exists():
            return super().snapshot(guest, target, op, **more)
        size = Path(target.path).stat().st_size
        return ImageInfo(ref=str(target.path), format=target.format, size_bytes=size, virtual_size_bytes=size)


class SnapshotStopsTheGuest(FakeDriver):
    """A running guest is stopped for its snapshot."""

    caught_by = "test_verb_in_state"

    def snapshot(self, guest: InstanceRef, target: ImageTarget, op: Operation, **more: Any) -> ImageInfo:
        info = super().snapshot(guest, target, op, **more)
        with self.connection.world.changing() as state:
            state.put(Guest.stopped(self.connection.owned(state, guest)))
        return info


class NativeSnapshotGetsANewName(FakeDriver):
    """The reference that a snapshot on the backend returns names no image."""

    caught_by = "test_snapshot_into_a_pool"

    def snapshot(self, guest: InstanceRef, target: ImageTarget, op: Operation, **more: Any) -> ImageInfo:
        info = super().snapshot(guest, target, op, **more)
        return info if isinstance(target, LocalTarget) else replace(info, ref=f"images/{info.ref}")


class TicketIsPlainText(FakeDriver):
    """The ticket of a console is text that prints."""

    caught_by = "test_console_ticket_is_a_secret"

    def console(self, guest: InstanceRef, kind: ConsoleKind) -> ConsoleAddress:
        address = super().console(guest, kind)
        if isinstance(address, TcpConsole) and address.ticket is not None:
            return replace(address, ticket=address.ticket.reveal())  # type: ignore[arg-type]
        return address


class OneTicketForAll(FakeDriver):
    """The ticket of one guest's console opens every other's."""

    caught_by = "test_console_ticket_is_a_secret"

    def console(self, guest: InstanceRef, kind: ConsoleKind) -> ConsoleAddress:
        address = super().console(guest, kind)
        return replace(address, ticket=Secret("always the same")) if isinstance(address, TcpConsole) else address


class LogIsTooLong(FakeDriver):
    """All of a guest's console log is returned, however little was asked for."""

    caught_by = "test_console_log_is_as_short_as_asked_for"

    def console_log(self, guest: InstanceRef, max_bytes: int) -> bytes:
        return super().console_log(guest, 2**20)


class LogIsItsBeginning(FakeDriver):
    """Of a long console log the first bytes are returned, not the last."""

    caught_by = "test_console_log_is_as_short_as_asked_for"

    def console_log(self, guest: InstanceRef, max_bytes: int) -> bytes:
        return super().console_log(guest, 2**20)[:max_bytes]
