"""Whether the process that holds a guest still lives."""

import os
import subprocess
import sys

from nova_virt_api.fake.holder import lives_elsewhere, new_holder, started


def holder_of(pid: int, start: str) -> str:
    return f"process {pid} ({start}), connection 1"


def test_this_process_is_not_elsewhere() -> None:
    assert new_holder() != new_holder()
    assert not lives_elsewhere(new_holder())


def test_another_process_lives_until_it_ends() -> None:
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    holder = holder_of(process.pid, started(process.pid))
    assert lives_elsewhere(holder)
    process.communicate()
    assert not lives_elsewhere(holder)


def test_a_number_that_was_given_again_is_not_the_same_process() -> None:
    parent = os.getppid()
    assert lives_elsewhere(holder_of(parent, started(parent)))
    assert not lives_elsewhere(holder_of(parent, "1"))


def test_what_is_no_holder_of_ours_does_not_live() -> None:
    assert not lives_elsewhere("somebody")
    assert started(2**30) == ""
