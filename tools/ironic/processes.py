"""Processes that surely end with this one, and the directory that they may fill."""

import ipaddress
import json
import os
import random
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Final, Self, cast

KEEPER: Final = Path(__file__).with_name("keeper.py")
PATIENCE_S: Final = 60.0
"""Within this time a process that was started must answer."""
GRACE_S: Final = 15.0
LOG_TAIL_LINES: Final = 40
PORTS: Final = range(20_000, 32_000)
"""Below those that the kernel gives to outgoing connections, so that a stopped server finds its own free again."""

LOOPBACK: Final = int(ipaddress.IPv4Address("127.1.0.0"))
ADDRESSES: Final = range(1, 2**16)
"""After it."""


class StartError(RuntimeError):
    """A process of the test backend did not start; the text ends with the last lines of its log."""


class Processes:
    """Starts processes by way of a keeper, which ends them when this process is gone, however it went.

    Usable from several threads; requests are answered one after the other.
    """

    def __init__(self) -> None:
        self.directory = Path(tempfile.mkdtemp(prefix="nova-virt-ironic-"))
        self._lock = threading.Lock()
        self._keeper = subprocess.Popen(
            [sys.executable, "-I", str(KEEPER), str(self.directory)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,  # Ctrl-C at the terminal is for whoever started us
        )
        self._requests = cast("IO[str]", self._keeper.stdin)
        self._answers = cast("IO[str]", self._keeper.stdout)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def ask(self, **request: Any) -> int | None:
        """Give the keeper a request, and its answer: the named process's exit status, None while it runs."""
        with self._lock:
            self._requests.write(f"{json.dumps(request)}\n")
            self._requests.flush()
            answer = self._answers.readline()
        if not answer:
            raise StartError(f"the keeper of {self.directory} ended while it was asked to {request['do']}")
        status: int | None = json.loads(answer)
        return status

    def close(self) -> None:
        """End every process at once and remove the directory. May be repeated."""
        with self._lock:
            self._requests.close()
            self._keeper.wait(PATIENCE_S)
            self._answers.close()
        shutil.rmtree(self.directory, ignore_errors=True)


class Service:
    """One process that can be stopped, killed and started again, as often as a test wants.

    Args:
        processes: who runs it.
        name: of the process and of its log file.
        argv: the command.
        ready: whether it answers; asked until it does.
        environment: what is added to this process's environment; caches are already kept out of the user's home.
    """

    def __init__(
        self,
        processes: Processes,
        name: str,
        argv: Sequence[str | Path],
        ready: Callable[[], bool],
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.name = name
        self.log = processes.directory / f"{name}.log"
        self._processes = processes
        self._argv = [str(word) for word in argv]
        self._ready = ready
        self._log_begins = 0
        self._environment = {"XDG_CACHE_HOME": str(processes.directory / "cache"), **(environment or {})}

    def start(self) -> None:
        """Start it and return once it answers.

        Raises:
            StartError: it ended, or does not answer in time.
        """
        self.launch()
        self.wait_until_ready()

    def launch(self) -> None:
        """Start it without waiting for its answer."""
        self._log_begins = self.log.stat().st_size if self.log.exists() else 0
        self._processes.ask(
            do="start", name=self.name, argv=self._argv, log=str(self.log), environment=self._environment
        )

    def wait_until_ready(self) -> None:
        """Return once it answers.

        Raises:
            StartError: it ended, or does not answer in time.
        """
        end = time.monotonic() + PATIENCE_S
        while not self._ready():
            if (status := self._processes.ask(do="poll", name=self.name)) is not None:
                raise StartError(f"{self.name} ended with status {status}; its log ends:\n{self.tail()}")
            if time.monotonic() > end:
                raise StartError(f"{self.name} does not answer after {PATIENCE_S:.0f} s; its log ends:\n{self.tail()}")
            time.sleep(0.05)

    def stop(self) -> None:
        """Let it end in order, as a restart by its operator does. Returns when it has ended."""
        self._processes.ask(do="stop", name=self.name, grace_s=GRACE_S)

    def kill(self) -> None:
        """End it and its workers at once, as a crash does."""
        self._processes.ask(do="kill", name=self.name)

    def restart(self) -> None:
        """Stop it in order and start it again, at the same address and with the same state."""
        self.stop()
        self.start()

    def said(self, text: str) -> bool:
        """Whether it wrote a text to its log since it was last started."""
        with self.log.open("rb") as file:
            file.seek(self._log_begins)
            return text.encode() in file.read()

    def tail(self) -> str:
        """The last lines of its log."""
        if not self.log.exists():
            return "(no log)"
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-LOG_TAIL_LINES:])


def free_port(taken: set[int]) -> int:
    """Give a port of the loopback interface on which nobody listens, and add it to those that are taken."""
    for port in random.sample(PORTS, len(PORTS)):
        if port not in taken and is_free(port):
            taken.add(port)
            return port
    raise StartError("no port is free on the loopback interface")


def free_address(port: int) -> str:
    """Give an address of the loopback interface, any of which is this machine's, at which a port is free."""
    for number in random.sample(ADDRESSES, len(ADDRESSES)):
        address = str(ipaddress.IPv4Address(LOOPBACK + number))
        if is_free(port, address):
            return address
    raise StartError(f"port {port} is free at no address of the loopback interface")


def is_free(port: int, address: str = "127.0.0.1") -> bool:
    """Whether one may listen on a port of the loopback interface."""
    try:
        socket.create_server((address, port)).close()
    except OSError:
        return False
    return True


def run(command: list[str], environment: Mapping[str, str] | None = None) -> None:
    """Run a command that must succeed.

    Args:
        command: the program and its arguments.
        environment: what is added to this process's environment.

    Raises:
        StartError: it failed; the text holds what it said.
    """
    done = subprocess.run(
        command,
        env={**os.environ, **(environment or {})},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise StartError(f"{' '.join(command)} failed with status {done.returncode}:\n{done.stdout}")
