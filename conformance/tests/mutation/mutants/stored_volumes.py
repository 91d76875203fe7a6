"""Drivers that are wrong about volumes of pools."""

from collections.abc import Sequence
from dataclasses import replace
from uuid import UUID

from nova_virt_api.driver.operation import Operation
from nova_virt_api.fake.driver import FakeDriver
from nova_virt_api.fake.guest import STORED
from nova_virt_api.fake.storage_volumes import stored
from nova_virt_api.model.image import ImageInfo, LocalTarget
from nova_virt_api.model.instance import Scope
from nova_virt_api.model.stored_volume import StoredVolume


class RemovesVolumesInUse(FakeDriver):
    """A volume is removed from under the guest that uses it."""

    caught_by = "test_a_volume_in_use_is_spared"

    def delete_volume(self, volume: UUID, op: Operation) -> bool:
        with self.connection.world.changing() as state:
            for found in [one for one in state.volumes.values() if one.uuid == volume and one.kind == STORED]:
                if found.owner == self.connection.owner:
                    state.drop_volume(found.key)
                    return True
        return super().delete_volume(volume, op)


class ShrinksVolumes(FakeDriver):
    """A smaller size cuts a volume off."""

    caught_by = "test_a_volume_grows_and_never_shrinks"

    def resize_volume(self, volume: UUID, size_bytes: int, op: Operation) -> StoredVolume:
        with self.connection.world.changing() as state:
            found = stored(state, volume)
            if found.owner == self.connection.owner and size_bytes < found.size_bytes:
                state.put_volume(replace(found, size_bytes=size_bytes))
        return super().resize_volume(volume, size_bytes, op)


class DownloadsOverFiles(FakeDriver):
    """A download takes the place of the file that is there."""

    caught_by = "test_a_download_never_writes_over_a_file"

    def download_volume(self, volume: UUID, target: LocalTarget, op: Operation) -> ImageInfo:
        from pathlib import Path

        Path(target.path).unlink(missing_ok=True)
        return super().download_volume(volume, target, op)


class ListsVolumesOfOthers(FakeDriver):
    """A listing shows others' volumes though nobody asked for them."""

    caught_by = "test_volumes_have_owners"

    def stored_volumes(self, *, scope: Scope = Scope.OWNED) -> Sequence[StoredVolume]:
        return super().stored_volumes(scope=Scope.ALL)


class ForgetsWhatWasUploaded(FakeDriver):
    """A volume made from an image reads as zeros."""

    caught_by = "test_what_goes_in_comes_out"

    def download_volume(self, volume: UUID, target: LocalTarget, op: Operation) -> ImageInfo:
        with self.connection.world.changing() as state:
            state.put_volume(replace(stored(state, volume), written=()))
        return super().download_volume(volume, target, op)
