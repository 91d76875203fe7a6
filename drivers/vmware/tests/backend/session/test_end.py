"""That every session is ended, however its connection does."""

import gc
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any

import pytest

from nova_virt_api.errors import (
    Unavailable,
)
from nova_virt_vmware.connection import Connection
from nova_virt_vmware.errors import Closed
from nova_virt_vmware.options import OPTIONS
from tools.vcsim import VCenter

MakeConnection = Callable[..., Connection]


def test_every_session_is_ended(
    busy_vcenter: VCenter,
    make_connection: MakeConnection,
    names: Callable[[Connection], set[str]],
    keys: Callable[[Connection], set[str]],
) -> None:
    admin = make_connection(to=busy_vcenter)
    before = keys(admin)
    opened = [make_connection(to=busy_vcenter) for _ in range(3)]
    assert len(keys(admin)) == len(before) + 3
    for connection in opened:
        connection.close()
        connection.close()
    assert keys(admin) == before
    with pytest.raises(Unavailable, match="not open"):
        names(opened[0])


def test_a_forgotten_connection_ends_its_session(busy_vcenter: VCenter, keys: Callable[[Connection], set[str]]) -> None:
    values = {option.dest: option.default for option in OPTIONS} | busy_vcenter.options
    admin = Connection(SimpleNamespace(**values))
    admin.open()
    before = keys(admin)
    forgotten = Connection(SimpleNamespace(**values))
    forgotten.open()
    assert keys(admin) > before
    del forgotten
    gc.collect()
    assert keys(admin) == before
    admin.close()


def test_closing_while_another_thread_logs_in_anew_leaves_no_session(
    busy_vcenter: VCenter,
    make_connection: MakeConnection,
    names: Callable[[Connection], set[str]],
    keys: Callable[[Connection], set[str]],
    expire: Callable[[Connection], None],
    watch: Callable[[], Any],
) -> None:
    admin = make_connection(to=busy_vcenter)
    before = keys(admin)
    connection = make_connection(to=busy_vcenter)
    expire(admin)
    post = watch()
    with ThreadPoolExecutor(1) as threads:
        closing: list[Future[None]] = []

        def close() -> None:
            closing.append(threads.submit(connection.close))
            while not connection._session._closed:  # type: ignore[union-attr]
                pass

        post.before[b"Login"] = [close]
        with pytest.raises(Closed):
            names(connection)
        closing[0].result()
    assert keys(admin) == before


CARELESS = """
import os, sys, time
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from nova_virt_vmware.connection import Connection
from nova_virt_vmware.property_collector import retrieve
from pyVmomi import vim

connection = Connection(SimpleNamespace(**{options}))
connection.open()
with ThreadPoolExecutor(50) as threads:  # which load what pyvmomi loads late, all at once
    found = list(threads.map(lambda _: sum(1 for _ in retrieve(connection, vim.VirtualMachine, ["name"])), range(50)))
while len(os.listdir("/proc/self/task")) > 1:  # one that is just ending may hold OpenSSL's locks, in a child for ever
    time.sleep(0.01)
child = os.fork()
if not child:
    sys.exit()
os.waitpid(child, 0)
assert sum(1 for _ in retrieve(connection, vim.VirtualMachine, ["name"])) == found[0] == found[-1]
assert connection.session_number == 1, "the child ended its parent's session"
print(found[0])
{end}
"""


@pytest.mark.parametrize("end", ["", "sys.exit(3)", "raise RuntimeError('on purpose')"])
def test_a_program_that_just_ends_leaves_no_session(
    end: str,
    busy_vcenter: VCenter,
    make_connection: MakeConnection,
    names: Callable[[Connection], set[str]],
    keys: Callable[[Connection], set[str]],
) -> None:
    admin = make_connection(to=busy_vcenter)
    before = keys(admin)
    values = {option.dest: option.default for option in OPTIONS} | busy_vcenter.options
    program = CARELESS.format(options=values, end=end)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120, check=False)
    assert done.stdout.split() == [str(len(names(admin)))], done.stderr
    assert keys(admin) == before


def test_nothing_is_left_of_an_open_that_failed_after_the_login(
    busy_vcenter: VCenter,
    make_connection: MakeConnection,
    monkeypatch: pytest.MonkeyPatch,
    keys: Callable[[Connection], set[str]],
) -> None:
    admin = make_connection(to=busy_vcenter)
    before = keys(admin)
    monkeypatch.setattr("nova_virt_vmware.connection.OLDEST", (99, 0))
    failing = make_connection(to=busy_vcenter, opened=False)
    with pytest.raises(Unavailable, match=r"the driver needs 99\.0"):
        failing.open()
    failing.close()
    assert keys(admin) == before


def test_closing_goes_on_without_the_server(
    own_vcenter: Callable[..., VCenter], make_connection: MakeConnection
) -> None:
    vcenter = own_vcenter()
    connection = make_connection(to=vcenter, connect_timeout=5.0, read_timeout=5.0)
    vcenter.close()
    connection.close()
