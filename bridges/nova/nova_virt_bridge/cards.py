"""What a flavor and an image ask of a guest's network cards, all of them alike."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from nova.virt import hardware

import nova_virt_api as virt
from nova_virt_bridge.limits import nic_limits

MODELS: Final = {model.value: model for model in virt.NicModel}
MOST_QUEUES: Final = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """What is asked of each card; what is None is the endpoint's choice.

    Args:
        model: the card that the guest sees.
        queues: how many of its CPUs may work on it at the same time.
        limits: how fast the guest may use it.
    """

    model: virt.NicModel | None = None
    queues: int | None = None
    limits: virt.NicLimits | None = None

    @classmethod
    def of(cls, flavor: Any, image: Any) -> Card:
        """What a flavor and an image's properties say.

        Raises:
            FlavorImageConflict: they say different things.
            InvalidSpec: a limit is none.
        """
        model = MODELS.get(image.properties.get("hw_vif_model"))
        several = hardware.get_vif_multiqueue_constraint(flavor, image) and model in {None, virt.NicModel.VIRTIO}
        return cls(
            model=model,
            queues=min(flavor.vcpus, MOST_QUEUES) if several else None,
            limits=nic_limits(flavor.get("extra_specs", {})),
        )


def card_of(instance: Any) -> Card:
    """What an instance asks of its cards, by the properties of its image that Nova keeps with it."""
    return Card.of(instance.flavor, instance.image_meta)
