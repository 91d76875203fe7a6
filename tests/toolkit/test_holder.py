"""Telling whether a holder's process is still there."""

import os
import subprocess
import sys

from nova_virt_api.toolkit.holder import is_gone, started, this_process


def test_this_process_is_there() -> None:
    assert is_gone(this_process()) is False


def test_names_process_and_machine() -> None:
    assert this_process().startswith(f"pid {os.getpid()} on ")


def test_ended_process_is_gone() -> None:
    script = "from nova_virt_api.toolkit.holder import this_process; print(this_process())"
    said = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout.strip()
    assert is_gone(said) is True


def test_forked_process_is_another() -> None:
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writer, this_process().encode())
        os._exit(0)
    os.close(writer)
    said = os.read(reader, 1000).decode()
    os.close(reader)
    assert said.startswith(f"pid {child} ")
    os.waitpid(child, 0)
    assert is_gone(said) is True


def test_dead_process_that_nobody_has_taken_note_of_is_gone() -> None:
    child = os.fork()
    if child == 0:
        os._exit(0)
    os.waitid(os.P_PID, child, os.WEXITED | os.WNOWAIT)
    assert started(child) is None
    os.waitpid(child, 0)


def test_process_id_that_was_used_again_is_gone() -> None:
    holder = this_process()
    start = started(os.getpid())
    assert is_gone(holder.replace(f":{start})", ":1)")) is True


def test_other_machines_cannot_be_seen() -> None:
    assert is_gone("pid 1 on elsewhere (0000-1:5)") is None
    assert is_gone("somebody") is None
