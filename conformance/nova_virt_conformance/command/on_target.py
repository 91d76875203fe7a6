"""The kit on the command's target, where pytest finds it."""

import pytest

from nova_virt_conformance.command.session import RIG
from nova_virt_conformance.conformance import Conformance
from nova_virt_conformance.rig import Rig


class TestTarget(Conformance):
    """All of the kit's tests."""

    @pytest.fixture(scope="class")
    @classmethod
    def rig(cls, request: pytest.FixtureRequest) -> Rig:
        """The rig that the command made."""
        return request.config.stash[RIG]
