"""Drivers that hand out first-boot data in another form than was asked for."""

from dataclasses import replace
from typing import Any

from nova_virt_api.driver.operation import Operation
from nova_virt_api.fake.driver import FakeDriver
from nova_virt_api.fake.seed import seed_content
from nova_virt_api.model.clone import CloneSpec
from nova_virt_api.model.cloud_init import CloudInit, CloudInitSource
from nova_virt_api.model.identity import InstanceRef
from nova_virt_api.model.instance import Instance
from nova_virt_api.model.spec import InstanceSpec

NOCLOUD = CloudInit(source=CloudInitSource.NOCLOUD)
CONFIG_DRIVE = CloudInit(source=CloudInitSource.CONFIG_DRIVE)


class Reforming(FakeDriver):
    """Base of those who turn the first-boot data of a guest into another form."""

    def reform(self, guest: Instance, data: CloudInit) -> None:
        with self.connection.world.changing() as state:
            for volume in state.volumes_of(guest.uuid):
                if volume.kind == "seed":
                    state.put_volume(replace(volume, content=seed_content(data)))


class KnowsOnlyConfigDrives(Reforming):
    """First-boot data is always on a config drive."""

    caught_by = "test_nocloud_is_made_where_it_is_asked_for"

    def spawn(self, spec: InstanceSpec, op: Operation) -> Instance:
        made = super().spawn(spec, op)
        self.reform(made, CONFIG_DRIVE)
        return made


class KnowsOnlyNoCloud(Reforming):
    """First-boot data is always for NoCloud."""

    caught_by = "test_config_drive_is_made_where_it_is_asked_for"

    def spawn(self, spec: InstanceSpec, op: Operation) -> Instance:
        made = super().spawn(spec, op)
        self.reform(made, NOCLOUD)
        return made


class ClonesForNoCloud(Reforming):
    """First-boot data of copies is always for NoCloud."""

    caught_by = "test_copy_gets_a_config_drive_where_it_is_asked_for"

    def clone(self, guest: InstanceRef, spec: CloneSpec, op: Operation, **more: Any) -> Instance:
        copy = super().clone(guest, spec, op, **more)
        self.reform(copy, NOCLOUD)
        return copy


class RebuildsForNoCloud(Reforming):
    """What a rebuild leaves is always for NoCloud."""

    caught_by = "test_rebuild_keeps_a_config_drive"

    def rebuild(self, guest: InstanceRef, op: Operation, **more: Any) -> Instance:
        made = super().rebuild(guest, op, **more)
        self.reform(made, NOCLOUD)
        return made


class RebuildKeepsTheForm(Reforming):
    """New first-boot data takes the form of the old one."""

    caught_by = "test_rebuild_gives_the_form_that_is_asked_for"

    def rebuild(self, guest: InstanceRef, op: Operation, **more: Any) -> Instance:
        with self.connection.world.reading() as state:
            before = [volume for volume in state.volumes_of(guest.uuid) if volume.kind == "seed"]
        made = super().rebuild(guest, op, **more)
        with self.connection.world.changing() as state:
            for volume in before:
                state.put_volume(volume)
        return made
