"""Serves a directory by HTTP: from there the emulated BMC takes the media that it is told to insert."""

import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any, Self


class QuietHandler(SimpleHTTPRequestHandler):
    """Answers, and does not write about it."""

    def log_message(self, *_: Any) -> None:
        return


class FileServer:
    """A directory at a URL of the loopback interface, while the `with` lasts.

    Args:
        directory: what is served; files may come and go.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), partial(QuietHandler, directory=str(directory)))
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._server.serve_forever, name="file-server", daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
