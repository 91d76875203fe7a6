"""A simulated vCenter for the tests, see tools/vcsim. Nothing is skipped: what cannot start fails, and says why."""

import ssl
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from pyVim.connect import Disconnect, SmartConnect

sys.path.append(str(Path(__file__).parents[3]))  # last: installed packages are tested, not their sources

from tools.vcsim import NotInstalledError, Relay, Settings, StartError, VCenter

StartVCenter = Callable[..., VCenter]


def started(settings: Settings | None, stack: ExitStack) -> VCenter:
    """Start a vCenter that ends with a stack."""
    try:
        return stack.enter_context(VCenter(settings))
    except (NotInstalledError, StartError) as error:
        pytest.fail(str(error), pytrace=False)


@pytest.fixture(scope="session")
def start_shared() -> Iterator[StartVCenter]:
    """Starts a vCenter for the whole run."""
    with ExitStack() as stack:
        yield lambda settings=None: started(settings, stack)


@pytest.fixture(scope="session")
def vcenter(start_shared: StartVCenter) -> VCenter:
    """A vCenter with two clusters of two hosts, a standalone host, two datastores and two templates. Shared."""
    return start_shared()


@pytest.fixture
def own_vcenter() -> Iterator[StartVCenter]:
    """Starts a vCenter for this test alone, e.g. ``own_vcenter(Settings(vms=100))``, in a fraction of a second."""
    with ExitStack() as stack:
        yield lambda settings=None: started(settings, stack)


@pytest.fixture
def relay_to() -> Iterator[Callable[[VCenter], Relay]]:
    """Opens a way to a vCenter that can be cut or stalled; its ``options`` are the driver's."""
    with ExitStack() as stack:
        yield lambda vcenter: stack.enter_context(Relay(vcenter))


@pytest.fixture
def native() -> Iterator[Callable[[VCenter | Relay], Any]]:
    """Gives a vCenter's ``ServiceInstance``, connected by pyvmomi alone: eyes and hands that go past the driver."""
    with ExitStack() as stack:

        def connect(vcenter: VCenter | Relay) -> Any:
            instance = SmartConnect(
                host=vcenter.host,
                port=vcenter.port,
                user=vcenter.user,
                pwd=vcenter.password,
                sslContext=ssl.create_default_context(cafile=vcenter.ca_file),
            )
            stack.callback(Disconnect, instance)
            return instance

        yield connect
