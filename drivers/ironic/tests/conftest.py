"""A real Ironic for the tests, see tools/ironic. Nothing is skipped: where it cannot start, tests fail and say why."""

import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parents[3]))  # last: installed packages are tested, not their sources

from tools.ironic import (
    Auth,
    Database,
    EnrolledNode,
    Ironic,
    Network,
    NodeSpec,
    NotInstalledError,
    Settings,
    StartError,
)
from tools.ironic.real_mode import RealMode

Enroll = Callable[..., list[EnrolledNode]]
StartIronic = Callable[[Settings], Ironic]


def started(settings: Settings, stack: ExitStack) -> Ironic:
    """Start an Ironic that ends with a stack."""
    try:
        return stack.enter_context(Ironic(settings))
    except (NotInstalledError, StartError) as error:
        pytest.fail(str(error), pytrace=False)


@pytest.fixture(scope="session")
def start_shared() -> Iterator[StartIronic]:
    """Starts an Ironic for the whole run."""
    with ExitStack() as stack:
        yield lambda settings: started(settings, stack)


@pytest.fixture(scope="session")
def ironic(start_shared: StartIronic) -> Ironic:
    """Ironic without authentication, on sqlite. Shared: use nodes of your own."""
    return start_shared(Settings())


@pytest.fixture(scope="session")
def ironic_basic(start_shared: StartIronic) -> Ironic:
    """Ironic with a password, over TLS. Shared."""
    return start_shared(Settings(auth=Auth.HTTP_BASIC, tls=True))


@pytest.fixture(scope="session")
def ironic_keystone(start_shared: StartIronic) -> Ironic:
    """Ironic with a Keystone, whose tokens it asks for, over TLS. Shared."""
    return start_shared(Settings(auth=Auth.KEYSTONE, tls=True))


@pytest.fixture(scope="session")
def ironic_mariadb(start_shared: StartIronic) -> Ironic:
    """Ironic on MariaDB, for races and load. Shared."""
    return start_shared(Settings(database=Database.MARIADB))


@pytest.fixture(scope="module")
def redfish_ironic() -> Iterator[RealMode]:
    """Ironic with a password, over TLS, with one real machine behind an emulated Redfish controller. Shared.

    For one module at a time: it makes a storage pool in the machine's libvirtd, which tests of libvirt would see.
    """
    with ExitStack() as stack:
        try:
            real = stack.enter_context(RealMode(Settings(auth=Auth.HTTP_BASIC, tls=True)))
        except (NotInstalledError, StartError) as error:
            pytest.fail(str(error), pytrace=False)
        yield real


@pytest.fixture(scope="session")
def ironic_neutron(start_shared: StartIronic) -> Ironic:
    """Ironic with a Neutron, whose ports are its VIFs. Shared."""
    return start_shared(Settings(network=Network.NEUTRON))


@pytest.fixture
def own_ironic() -> Iterator[StartIronic]:
    """Starts an Ironic for this test alone, to be killed, restarted, or configured as nobody else wants it."""
    with ExitStack() as stack:
        yield lambda settings: started(settings, stack)


@pytest.fixture
def enroll(ironic: Ironic) -> Iterator[Enroll]:
    """Gives so many new nodes of the shared Ironic, which are forgotten after the test."""
    nodes: list[EnrolledNode] = []

    def give(count: int = 1, spec: NodeSpec | None = None) -> list[EnrolledNode]:
        new = ironic.enroll(count, spec)
        nodes.extend(new)
        return new

    yield give
    ironic.forget(nodes)
