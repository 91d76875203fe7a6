"""How Nova finds and loads the driver."""

import os
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest

from nova_virt_bridge import shim


def run(code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run code in a process of its own, as nova-compute is one."""
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        capture_output=True,
        text=True,
        timeout=250,
        check=False,
        env={**os.environ, **environment},
    )


def test_nova_loads_it_by_its_name(config: Any) -> None:
    from nova.virt import driver

    shim.place()
    loaded = driver.load_compute_driver(None)
    assert isinstance(loaded, driver.ComputeDriver)
    assert type(loaded).driver_name == "fake"
    assert shim.driver_class("fake") is type(loaded)


def test_a_driver_that_is_not_installed_is_named_with_those_that_are() -> None:
    with pytest.raises(AttributeError, match=r"'warp'.*fake"):
        shim.driver_class("warp")


def test_modules_of_pythons_own_are_no_drivers() -> None:
    with pytest.raises(AttributeError):
        shim.driver_class("__path__")


@pytest.mark.parametrize(
    "load",
    [
        pytest.param('from nova_virt_bridge import shim; shim.driver_class("fake")(None)', id="driver"),
        pytest.param("from nova_virt_bridge import launcher; launcher.main()", id="launcher"),
    ],
)
def test_eventlet_is_refused_and_the_way_out_told(load: str) -> None:
    done = run(
        f"""
        from nova import monkey_patch
        monkey_patch.patch(backend="eventlet")
        {load}
        """,
        OS_NOVA_DISABLE_EVENTLET_PATCHING="0",
    )
    assert done.returncode == 1
    assert "concurrency_backend = threading" in done.stderr.splitlines()[-1]


def test_the_launcher_puts_the_shim_where_nova_looks(tmp_path: Path) -> None:
    done = run(
        """
        import nova.cmd.compute
        from nova_virt_bridge import launcher
        def main():
            import nova.virt.ext, threading
            from nova.utils import concurrency_mode_threading
            assert concurrency_mode_threading()
            print(nova.virt.ext.fake.driver_name)
        nova.cmd.compute.main = main
        launcher.main()
        """,
    )
    assert done.stdout.split() == ["fake"], done.stderr


def test_placing_it_twice_is_placing_it_once() -> None:
    import nova.virt

    shim.place()
    before = list(nova.virt.__path__)
    shim.place()
    assert list(nova.virt.__path__) == before
