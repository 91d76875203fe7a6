"""A driver that has nothing but Core passes the kit too: what it lacks is not applicable, and is refused."""

from collections.abc import Iterator, Mapping
from uuid import uuid4

import pytest

import nova_virt_api.fake.driver
from nova_virt_api.capability import Capability, Feature
from nova_virt_api.fake.capabilities import capabilities_of
from nova_virt_api.model.capabilities import Capabilities
from nova_virt_api.model.image import Native
from nova_virt_conformance import Conformance, Evidence, Target
from nova_virt_conformance.fake_rig import FakeRig

REASON = "this driver has nothing but Core"


class TestBareFake(Conformance):
    @pytest.fixture(scope="class")
    @classmethod
    def rig(cls) -> Iterator[FakeRig]:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(nova_virt_api.fake.driver, "capabilities_of", nothing)
            yield FakeRig(
                Target(
                    driver="fake",
                    options={"world": f"conformance-{uuid4().hex}"},
                    owner="conformance",
                    pools=("default",),
                    networks=("default",),
                    image=Native("debian-13"),
                    evidence=Evidence.OWN_SIMULATION,
                    note="the reference driver without roles and features",
                )
            )


def nothing(kind: type, _: object, missing: Mapping[Capability | Feature, str]) -> Capabilities:
    """No role and no feature is there."""
    return capabilities_of(kind, dict.fromkeys((*Capability, *Feature), REASON), missing)
