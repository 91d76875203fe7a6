"""What a caller asks for: a copy of a guest."""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from nova_virt_api.capability import Feature
from nova_virt_api.model.check import check, check_type, duplicates, frozen_tuple
from nova_virt_api.model.cloud_init import CloudInit
from nova_virt_api.model.labels import NO_LABELS
from nova_virt_api.model.nic import Nic
from nova_virt_api.model.record import plain
from nova_virt_api.model.spec import MOST_DEVICES, check_name, frozen_labels


@dataclass(frozen=True, slots=True, kw_only=True)
class CloneSpec:
    """A copy of a guest that is to be made.

    Args:
        uuid: the copy's identity; the same uuid with the same request is the same copy. See ``stable_uuid``.
        name: the copy's name, as in :class:`nova_virt_api.model.spec.InstanceSpec`.
        labels: the copy's labels; the original's are not taken along.
        nics: its network interfaces; None for one in place of each of the original's, on the same network, with a MAC
            address of its own.
        cloud_init: first-boot data; None for none: the original's are not taken along.
        power_on: False leaves the copy stopped.
    """

    uuid: UUID
    name: str
    labels: Mapping[str, str] = NO_LABELS
    nics: Sequence[Nic] | None = None
    cloud_init: CloudInit | None = None
    power_on: bool = True

    def __post_init__(self) -> None:
        check_type("uuid", self.uuid, UUID, 'a uuid.UUID, e.g. stable_uuid("web-2")')
        check_name("name", self.name)
        object.__setattr__(self, "labels", frozen_labels(self.labels))
        if self.nics is not None:
            frozen_tuple(self, "nics", Nic, "Nic objects")
            check(len(self.nics) <= MOST_DEVICES, "nics", f"{len(self.nics)} interfaces", f"at most {MOST_DEVICES}")
            twice = duplicates(nic.mac for nic in self.nics if nic.mac is not None)
            check(not twice, "nics", twice, "a MAC address only once")
            twice = duplicates(nic.vif_id for nic in self.nics if nic.vif_id is not None)
            check(not twice, "nics", twice, "a VIF only once")
        if self.cloud_init is not None:
            check_type("cloud_init", self.cloud_init, CloudInit, "a CloudInit")
        check_type("power_on", self.power_on, bool, "True or False")

    def features(self) -> Iterator[tuple[Feature, str]]:
        """What an endpoint must declare for this request, each with the field that asks for it."""
        if self.nics is not None:
            yield Feature.CLONE_NICS, "nics"
            if len(self.nics) > 1:
                yield Feature.MULTIPLE_NICS, "nics[1]"
            for index, nic in enumerate(self.nics):
                yield from ((feature, f"nics[{index}].{field}") for feature, field in nic.features())
        if self.cloud_init is not None:
            yield from self.cloud_init.features()

    def fingerprint(self, original: UUID) -> str:
        """A hash of what was asked for, as :func:`nova_virt_api.model.record.fingerprint` is of a spec.

        Args:
            original: the guest that is copied.
        """
        text = json.dumps({"original": str(original), "copy": plain(self)}, sort_keys=True, ensure_ascii=True)
        return hashlib.sha256(text.encode()).hexdigest()
