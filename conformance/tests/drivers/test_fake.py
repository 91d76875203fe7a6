"""The reference driver passes the whole kit."""

from uuid import uuid4

import pytest

from nova_virt_conformance import Conformance, Evidence, Target
from nova_virt_conformance.fake_rig import FakeRig


class TestFake(Conformance):
    @pytest.fixture(scope="class")
    @classmethod
    def rig(cls) -> FakeRig:
        return FakeRig(
            Target(
                driver="fake",
                options={"world": f"conformance-{uuid4().hex}", "password": f"password{uuid4().hex}"},
                owner="conformance",
                pools=("default",),
                networks=("default",),
                nodes=("fake-host",),
                evidence=Evidence.OWN_SIMULATION,
                note="the reference driver's world in memory",
            )
        )
