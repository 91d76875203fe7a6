"""Ironic's API as it is, for what tests set up and check beside the driver. No retries, no clever client.

Source: https://docs.openstack.org/api-ref/baremetal/
"""

import threading
import time
from collections.abc import Callable
from typing import Any, Final

import requests

from tools.ironic.credentials import Credentials

TIMEOUT_S: Final = 60.0
PAUSE_S: Final = 0.02


class ApiError(RuntimeError):
    """A request that was refused; `status` is the HTTP status."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(f"HTTP {status}: {text}")
        self.status = status


class Api:
    """Sends requests with the newest microversion that the server has. Usable from several threads.

    Args:
        endpoint: the URL before `/v1`.
        credentials: the user, and the authority to trust.
        headers: sent with every request.
    """

    def __init__(self, endpoint: str, credentials: Credentials, headers: dict[str, str]) -> None:
        self.endpoint = endpoint
        self._credentials = credentials
        self._headers = headers
        self._local = threading.local()

    def get(self, path: str, **query: Any) -> Any:
        """GET a path; keyword arguments are the query."""
        return self.send("GET", path, params=query)

    def post(self, path: str, body: Any) -> Any:
        """POST a body."""
        return self.send("POST", path, json=body)

    def put(self, path: str, body: Any) -> Any:
        """PUT a body."""
        return self.send("PUT", path, json=body)

    def patch(self, path: str, *operations: dict[str, Any]) -> Any:
        """PATCH with JSON patch operations."""
        return self.send("PATCH", path, json=operations)

    def delete(self, path: str) -> None:
        """DELETE a path."""
        self.send("DELETE", path)

    def send(self, method: str, path: str, **rest: Any) -> Any:
        """Send a request and give the answer's JSON, None when it has none.

        Raises:
            ApiError: it was refused.
            requests.ConnectionError: nobody is there.
        """
        answer = self._session().request(method, f"{self.endpoint}{path}", timeout=TIMEOUT_S, **rest)
        if not answer.ok:
            raise ApiError(answer.status_code, answer.text)
        return answer.json() if answer.content else None

    def answers(self, path: str) -> bool:
        """Whether a path can be read now."""
        try:
            self.get(path)
        except (ApiError, requests.ConnectionError):
            return False
        return True

    def wait(self, path: str, condition: Callable[[Any], bool], timeout_s: float = TIMEOUT_S) -> Any:
        """Read a path until what it shows is as wanted, and give that.

        Raises:
            TimeoutError: it did not become so; the text shows what it was.
        """
        end = time.monotonic() + timeout_s
        while not condition(shown := self.get(path)):
            if time.monotonic() > end:
                raise TimeoutError(f"{path} is not as wanted after {timeout_s:.0f} s: {shown}")
            time.sleep(PAUSE_S)
        return shown

    def _session(self) -> requests.Session:
        if not hasattr(self._local, "session"):
            session = requests.Session()
            session.headers.update(self._headers)
            session.trust_env = False
            if self._credentials.ca_file is not None:
                session.verify = str(self._credentials.ca_file)
            if self._credentials.username is not None and self._credentials.password is not None:
                session.auth = (self._credentials.username, self._credentials.password)
            self._local.session = session
        found: requests.Session = self._local.session
        return found
