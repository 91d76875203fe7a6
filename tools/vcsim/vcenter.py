"""A simulated vCenter: started in a second, surely ended, and made to fail as a test wants."""

import json
import secrets
import shutil
import subprocess
import tempfile
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict
from enum import Enum
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self
from urllib.parse import urlsplit

import trustme

from tools.vcsim.installation import program
from tools.vcsim.settings import Settings

USER: Final = "nova-virt@vsphere.local"
GRACE_S: Final = 15.0
SHOWN_LINES: Final = 40


class StartError(RuntimeError):
    """The simulator did not start; the text ends with what it said."""


class Failure(Enum):
    """How a call fails."""

    FAULT = "fault"
    """It is refused, and nothing is done."""
    TASK_FAULT = "task fault"
    """Its task ends with the fault."""
    DROP_BEFORE = "drop before"
    """The connection breaks, and nothing is done."""
    DROP_AFTER = "drop after"
    """The connection breaks instead of an answer, after it was done."""
    STATUS = "status"
    """It is answered with an HTTP status alone, and nothing is done."""


class Tools(Enum):
    """VMware Tools in a guest."""

    NONE = ""
    OBEY = "TRUE"
    DEAF = "deaf"
    """They run, and do nothing that they are asked for."""


class VCenter:
    """One vCenter. Started by `with`, or by `open()`; nothing of it is left afterwards. Thread-safe.

    It ends with this process, however that goes, and then removes its directory by itself.

    Args:
        settings: what is not as usual.
    """

    def __init__(self, settings: Settings | None = None) -> None:
        self.settings = settings or Settings()
        self._stack = ExitStack()
        self._lock = threading.Lock()
        self._serves = False

    def __enter__(self) -> Self:
        self.open()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def open(self) -> None:
        """Start it, and return once it answers.

        Raises:
            NotInstalledError: `make vcsim` has not been run.
            StartError: it did not start.
        """
        try:
            self._open()
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """End it at once and remove its directory. May be repeated."""
        self._stack.close()

    @property
    def options(self) -> dict[str, Any]:
        """The driver's options that lead to it."""
        return {
            "host": self.host,
            "port": self.port,
            "username": self.user,
            "password": self.password,
            "cafile": str(self.ca_file),
        }

    def expire_sessions(self) -> int:
        """End all sessions, as the server does with those that were idle for long; gives how many there were."""
        return int(self.order("expire sessions"))

    @property
    def sessions(self) -> int:
        """How many sessions are open."""
        return int(self.order("sessions"))

    @property
    def calls(self) -> Counter[str]:
        """How often each method was called since the start, e.g. `calls["CreateContainerView"]`."""
        return Counter(self.order("calls"))

    @contextmanager
    def failing(
        self, method: str, failure: Failure = Failure.FAULT, *, fault: str = "", about: str = "", **more: Any
    ) -> Iterator[None]:
        """Let calls of a method fail, for a while.

        Args:
            method: e.g. `PowerOnVM_Task`.
            failure: how.
            fault: the fault's name, e.g. `TaskInProgress`; objects that it names are made up.
            about: only requests that contain this text, e.g. a virtual machine's id.
            more: `times`, how often, else always; `text`, the fault's; `fields` of the fault; `status` of HTTP.
        """
        self.order("fail", kind=failure.value, method=method, fault=fault, about=about, **({"times": -1} | more))
        try:
            yield
        finally:
            self.order("mend", method=method)

    @contextmanager
    def holding(self, method: str) -> Iterator[None]:
        """Let new tasks of a method, e.g. `CloneVM_Task`, wait before they do anything, for a while."""
        self.order("hold", method=method)
        try:
            yield
        finally:
            self.order("release", method=method)

    def progress(self, method: str, percent: int) -> int:
        """Let the tasks of a method that wait say how far they are; gives how many there are."""
        return int(self.order("progress", method=method, percent=percent))

    def set_tools(self, vm: str, tools: Tools) -> None:
        """Give a virtual machine, by its id, tools that run while it is on; without it has none."""
        self.order("tools", vm=vm, value=tools.value)

    def set_question(self, vm: str, text: str) -> None:
        """Let a virtual machine, of this id, stand still with a question; an empty text is its answer."""
        self.order("question", vm=vm, text=text)

    def set_connection(self, vm: str, state: str, *, configured: bool | None = None) -> None:
        """Say how a virtual machine stands to its host.

        Args:
            vm: its id.
            state: `VirtualMachineConnectionState`, e.g. `orphaned`.
            configured: whether its configuration is told; left out, it is of what is connected or disconnected.
        """
        told = state in ("connected", "disconnected") if configured is None else configured
        self.order("connection", vm=vm, value=state, on=told)

    def order(self, do: str, **more: Any) -> Any:
        """Let the simulator do something, and give its answer.

        Raises:
            RuntimeError: it cannot.
        """
        with self._lock:
            print(json.dumps({"do": do, **more}), file=self._process.stdin, flush=True)
            line = self._process.stdout.readline()  # type: ignore[union-attr]  # it was opened as a pipe
        if not line:
            raise RuntimeError(self._broken())
        answer = json.loads(line)
        if isinstance(answer, dict) and "error" in answer:
            raise RuntimeError(answer["error"])
        return answer

    def _open(self) -> None:
        self.directory = Path(tempfile.mkdtemp(prefix="nova-virt-vcsim-"))
        self._stack.callback(shutil.rmtree, self.directory, ignore_errors=True)
        self.user, self.password = USER, secrets.token_urlsafe()
        self._certify()
        self._said = self._stack.enter_context(tempfile.TemporaryFile("w+"))  # noqa: SIM115 - the stack is its manager
        self._process = subprocess.Popen(
            [program()],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._said,
            text=True,
            start_new_session=True,  # Ctrl-C at the terminal is for whoever started us
        )
        self._stack.callback(self._end)
        wanted = {
            "directory": str(self.directory),
            "certificate": str(self.directory / "server.pem"),
            "key": str(self.directory / "server.key"),
            "user": self.user,
            "password": self.password,
            "inventory": asdict(self.settings),
        }
        print(json.dumps(wanted), file=self._process.stdin, flush=True)
        served = self._process.stdout.readline()  # type: ignore[union-attr]  # it was opened as a pipe
        if not served:
            raise StartError(self._broken())
        self._serves = True
        self.url: str = json.loads(served)["url"]
        where = urlsplit(self.url)
        self.host, self.port = str(where.hostname), int(where.port or 443)

    def _certify(self) -> None:
        """Write `ca.pem`, `server.pem` and `server.key`."""
        authority = trustme.CA()
        certificate = authority.issue_cert("127.0.0.1", "localhost")
        self.ca_file = self.directory / "ca.pem"
        authority.cert_pem.write_to_path(str(self.ca_file))
        certificate.private_key_pem.write_to_path(str(self.directory / "server.key"))
        for pem in certificate.cert_chain_pems:
            pem.write_to_path(str(self.directory / "server.pem"), append=True)

    def _end(self) -> None:
        """End it. Raises what it said if it broke meanwhile, which nobody may have noticed."""
        with suppress(BrokenPipeError):
            self._process.stdin.close()  # type: ignore[union-attr]  # it was opened as a pipe
        try:
            self._process.wait(GRACE_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()  # type: ignore[union-attr]  # it was opened as a pipe
        if self._serves and self._process.returncode != 0:
            raise RuntimeError(self._broken())

    def _broken(self) -> str:
        """How it ended, and the first lines of what it said."""
        status = self._process.wait(GRACE_S)
        self._said.seek(0)
        return f"the simulator ended with status {status}: {''.join(self._said.readlines()[:SHOWN_LINES])}"
