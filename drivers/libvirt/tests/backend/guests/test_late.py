"""Processes that are silent for longer than their lease, e.g. stopped, and wake in the middle of a verb."""

from collections.abc import Callable
from typing import Any

import pytest

from nova_virt_api.driver.operation import Stage
from nova_virt_api.errors import Busy
from nova_virt_api.model.identity import InstanceRef
from nova_virt_api.model.instance import Lifecycle
from nova_virt_libvirt.claims import hold as hold_module
from nova_virt_libvirt.driver import LibvirtDriver


@pytest.fixture
def everybody_sleeps(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each lease is over as soon as it is written."""
    monkeypatch.setattr(hold_module, "LEASE", -1.0)
    monkeypatch.setattr(hold_module.Hold, "_renew", lambda _: None)


def test_a_late_spawn_leaves_the_guest_that_another_made(
    everybody_sleeps: None,
    make_driver: Callable[..., LibvirtDriver],
    make_spec: Any,
    spawn: Any,
    run: Any,
    driver: LibvirtDriver,
    traces: Any,
) -> None:
    """It finds out that it was taken for dead, and cleans up nothing: what is there is not its own any more."""
    spec, other = make_spec(), make_driver()
    with pytest.raises(Busy, match="took over"):
        spawn(spec, hooks={Stage.DEFINE: lambda _: run(other.spawn, spec)})
    found = driver.domains.instance(InstanceRef(uuid=spec.uuid), fresh=True)
    assert found.lifecycle is Lifecycle.READY
    assert f"{spec.uuid}.disk0.qcow2" in traces.volumes()
    driver.domains.find(InstanceRef(uuid=spec.uuid)).native.create()  # nothing of it is missing


def test_a_late_destroy_leaves_the_guest_that_was_made_since(
    everybody_sleeps: None, make_driver: Callable[..., LibvirtDriver], make_spec: Any, spawn: Any, run: Any, driver: Any
) -> None:
    spec, other = make_spec(), make_driver()
    spawn(spec)
    ref = InstanceRef(uuid=spec.uuid)

    def meanwhile(_: Any) -> None:
        assert run(other.destroy, ref)
        run(other.spawn, spec)

    with pytest.raises(Busy, match="took over"):
        run(driver.destroy, ref, hooks={Stage.CLEAN_UP: meanwhile})
    assert driver.domains.instance(ref, fresh=True).lifecycle is Lifecycle.READY
