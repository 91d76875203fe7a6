"""What has happened between two listings of guests, as events."""

from collections.abc import Iterator, Mapping
from uuid import UUID

from nova_virt_api.events import Changed, Gone
from nova_virt_api.model.instance import Instance


def differences(before: Mapping[UUID, Instance], now: Mapping[UUID, Instance]) -> Iterator[Changed | Gone]:
    """The guests that are new or differ, then those that are gone. One that is the same object is not compared."""
    for uuid, instance in now.items():
        known = before.get(uuid)
        if known is not instance and known != instance:
            yield Changed(instance)
    for uuid in before.keys() - now.keys():
        yield Gone(uuid)
