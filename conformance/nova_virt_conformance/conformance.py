"""The class that a driver's author inherits: every test of the kit, and the fixtures that they stand on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import pytest

from nova_virt_api.errors import ConfigError
from nova_virt_api.model.instance import Instance, PowerState
from nova_virt_conformance.covers import coverage_of
from nova_virt_conformance.lab import Lab
from nova_virt_conformance.plugin import PART
from nova_virt_conformance.suite import gathered

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nova_virt_api.compute.compute import Compute
    from nova_virt_api.model.spec import InstanceSpec
    from nova_virt_conformance.booted import Booted
    from nova_virt_conformance.part import Part
    from nova_virt_conformance.rig import Rig
    from nova_virt_conformance.target import Target

TESTS: Final = gathered()

GIVEN: Final = frozenset({"rig"})
"""Fixtures that an author has to give."""


class Conformance:
    """All of the kit's tests for one endpoint.

    Inherit it, give the fixture ``rig``, and nothing else: the other fixtures and the tests are the kit's, and a
    class that overrides one of them, or sets it to None, is refused.
    """

    def __init_subclass__(cls, **more: Any) -> None:
        super().__init_subclass__(**more)
        kits = (TESTS.keys() | FIXTURES) - GIVEN
        changed = sorted(kits & vars(cls).keys())
        if changed:
            names = ", ".join(changed)
            raise TypeError(f"{cls.__name__} overrides {names}; the kit's tests and fixtures stay as they are")

    # --- given by the author ----------------------------------------------------------------------------------------

    @pytest.fixture(scope="class")
    @classmethod
    def rig(cls) -> Rig:
        """Eyes and hands on the backend, with its target; must be given."""
        raise TypeError(f"{cls.__name__} has no fixture rig; let it return your Rig(Target(...)), scope='class'")

    # --- the kit's own --------------------------------------------------------------------------------------------

    @pytest.fixture(scope="class")
    @classmethod
    def lab(cls, rig: Rig, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[Lab]:
        """The target, opened; everything of the kit's is removed at the end."""
        check_known_failures(rig.target, request.config.stash[PART])
        lab = Lab(rig, tmp_path_factory.mktemp("lab"), loopback=request.config.option.conformance_loopback)
        try:
            lab.open()
            yield lab
        finally:
            lab.close()

    @pytest.fixture(autouse=True)
    def clean(self, lab: Lab, request: pytest.FixtureRequest) -> Iterator[None]:
        """Leave out a test that does not apply; afterwards remove its guests and see that nothing was left behind."""
        lab.begin()
        lab.require(*coverage_of(request.node.iter_markers("covers")).required)
        yield
        lab.end()

    @pytest.fixture
    def compute(self, lab: Lab) -> Compute:
        """The connection that most tests use."""
        return lab.compute

    @pytest.fixture
    def spec(self, lab: Lab) -> InstanceSpec:
        """A small guest that is not there yet."""
        return lab.spec()

    @pytest.fixture
    def running(self, lab: Lab) -> Instance:
        """A guest that runs."""
        return lab.guest(PowerState.RUNNING)

    @pytest.fixture
    def stopped(self, lab: Lab) -> Instance:
        """A guest that does not run."""
        return lab.guest(PowerState.SHUTDOWN)

    @pytest.fixture
    def paused(self, lab: Lab) -> Instance:
        """A guest that is paused."""
        return lab.guest(PowerState.PAUSED)

    @pytest.fixture
    def suspended(self, lab: Lab) -> Instance:
        """A guest whose memory is on disk."""
        return lab.guest(PowerState.SUSPENDED)

    @pytest.fixture
    def booted(self, lab: Lab) -> Booted:
        """A guest with an operating system that runs. Tests share it: they leave it running, or stopped."""
        return lab.booted.running()


FIXTURES: Final = frozenset(
    name for name, member in vars(Conformance).items() if isinstance(member, type(vars(Conformance)["rig"]))
)
"""Names of all fixtures."""


def check_known_failures(target: Target, part: Part) -> None:
    """Refuse a failure that is known of a test which there is not, e.g. since the kit renamed it."""
    unknown = [known.test for known in target.known_failures if not part.knows(known.test)]
    if unknown:
        raise ConfigError(
            "known_failures",
            f"the kit has no test called {', '.join(unknown)}",
            hint="correct the name, or take it out",
        )


for _name, _test in TESTS.items():
    setattr(Conformance, _name, staticmethod(_test))
