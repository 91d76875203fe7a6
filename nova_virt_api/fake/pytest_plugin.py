"""Fixtures for the tests of programs that use this API. pytest finds them once nova-virt-api is installed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import pytest

import nova_virt_api as virt

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from nova_virt_api.fake.switches import Switches


@pytest.fixture
def fake_options() -> Mapping[str, Any]:
    """Options that ``fake_compute`` is connected with; override it, e.g. to return ``{"boot_seconds": 1.0}``."""
    return {}


@pytest.fixture
def fake_compute(fake_options: Mapping[str, Any], tmp_path: Path) -> Iterator[virt.Compute]:
    """A ``Compute`` of the fake driver with an empty world that no other test sees; closed after the test."""
    places = {"cache_dir": str(tmp_path / "nova-virt-cache"), "state_dir": str(tmp_path / "nova-virt-state")}
    compute = virt.connect("fake", **{**places, **fake_options})
    try:
        yield compute
    finally:
        with compute.native() as switches:
            cast("Switches", switches).reset()  # a verb that hangs would keep the connection from closing
        compute.close(cancel=True)


@pytest.fixture
def fake_switches(fake_compute: virt.Compute) -> Iterator[Switches]:
    """The switches of ``fake_compute``: latency, failures, crashes, a lost connection, hands from outside."""
    with fake_compute.native() as switches:
        yield cast("Switches", switches)
