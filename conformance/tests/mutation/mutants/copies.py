"""Drivers that are wrong about copies of images and counters of guests."""

from collections.abc import Sequence
from dataclasses import replace

from nova_virt_api.driver.operation import Operation
from nova_virt_api.fake.driver import FakeDriver
from nova_virt_api.fake.image_cache import copies, shown
from nova_virt_api.model.image_copy import ImageCopy
from nova_virt_api.model.instance import PowerState
from nova_virt_api.model.metrics import GuestMetrics


class PrunesWhatIsUsed(FakeDriver):
    """Copies of images are removed from under the disks that are based on them."""

    caught_by = "test_a_copy_that_is_used_stays"

    def prune_images(self, op: Operation, *, older_than_seconds: float = 0.0) -> Sequence[ImageCopy]:
        with self.connection.world.changing() as state:
            removed = [shown(volume, state) for volume in copies(state)]
            for copy in removed:
                state.drop_volume((copy.pool, copy.id))
        return removed


class PrunesWhatIsNew(FakeDriver):
    """The age of copies of images counts for nothing."""

    caught_by = "test_a_copy_is_made_once_and_removed"

    def prune_images(self, op: Operation, *, older_than_seconds: float = 0.0) -> Sequence[ImageCopy]:
        return super().prune_images(op)


class CountersRunBackwards(FakeDriver):
    """Counters go down from one sample to the next."""

    caught_by = "test_counters_grow"
    asked = 0

    def metrics(self) -> Sequence[GuestMetrics]:
        CountersRunBackwards.asked += 1
        return [
            replace(sample, disks=tuple(replace(disk, read_bytes=2**40 - self.asked) for disk in sample.disks or ()))
            for sample in super().metrics()
        ]


class SamplesWhatIsOff(FakeDriver):
    """Guests that are off are sampled too."""

    caught_by = "test_only_guests_that_are_on_are_sampled"

    def metrics(self) -> Sequence[GuestMetrics]:
        with self.connection.world.reading() as state:
            off = [guest.uuid for guest in state.guests.values() if guest.power_state is PowerState.SHUTDOWN]
        return [*super().metrics(), *(GuestMetrics(uuid=uuid, at=0.0) for uuid in off)]
