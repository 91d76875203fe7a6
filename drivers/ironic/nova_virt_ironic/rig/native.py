"""Ironic's own API, spoken plainly: no client, no retries, the newest version."""

from __future__ import annotations

import time
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Final

from tenacity import Retrying, retry_if_exception, stop_after_delay, wait_fixed

from nova_virt_api.config.secret_reference import resolve
from nova_virt_ironic.options import OPTIONS
from nova_virt_ironic.session import open_session

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

PATIENCE: Final = 60.0
PAUSE: Final = 0.02
CONFLICT: Final = 409
NEWEST: Final = {"X-OpenStack-Ironic-API-Version": "latest", "Accept": "application/json"}


class Declined(RuntimeError):
    """Ironic refused a request.

    Args:
        status: the HTTP status.
        text: its answer.
    """

    def __init__(self, status: int, text: str) -> None:
        super().__init__(f"HTTP {status}: {text}")
        self.status = status


class Native:
    """Requests to the API as somebody else sends them.

    Args:
        options: the driver's options; of these it takes where the endpoint is and how to log in.
    """

    def __init__(self, options: Mapping[str, Any]) -> None:
        named = SimpleNamespace(**{opt.dest: options.get(opt.dest, opt.default) for opt in OPTIONS})
        for opt in OPTIONS:
            if opt.secret and options.get(opt.dest) is not None:
                setattr(named, opt.dest, resolve(opt.dest, options[opt.dest]))
        self.options = named
        self._session = open_session(named, lambda _: None)
        found = named.endpoint or self._session.get_endpoint(
            service_type="baremetal", interface=named.interface, region_name=named.region_name
        )
        self.endpoint: Final = str(found).rstrip("/").removesuffix("/v1")

    def close(self) -> None:
        """Let go of the connections."""
        self._session.session.close()

    def get(self, path: str) -> Any:
        """What is at a path below the version, e.g. ``/nodes/rack1``."""
        return self.send("GET", path)

    def send(self, method: str, path: str, body: Any = None) -> Any:
        """Send one request; the answer's JSON, None when it has none.

        Raises:
            Declined: Ironic refused it.
        """
        url = f"{self.endpoint}/v1{path}"
        answer = self._session.request(url, method, json=body, headers=NEWEST, raise_exc=False)
        if not answer.ok:
            raise Declined(answer.status_code, answer.text)
        return answer.json() if answer.content else None

    def change(self, method: str, path: str, body: Any = None) -> Any:
        """As :meth:`send`, again and again while a node is locked."""
        locked = retry_if_exception(lambda error: isinstance(error, Declined) and error.status == CONFLICT)
        again = Retrying(retry=locked, stop=stop_after_delay(PATIENCE), wait=wait_fixed(PAUSE), reraise=True)
        return again(self.send, method, path, body)

    def patch(self, node: str, **values: Any) -> None:
        """Set fields of a node; None removes one."""
        changes = [
            {"op": "remove", "path": f"/{name}"} if value is None else {"op": "add", "path": f"/{name}", "value": value}
            for name, value in values.items()
        ]
        self.change("PATCH", f"/nodes/{node}", changes)

    def all(self, path: str, key: str) -> list[Any]:
        """A whole collection, page by page."""
        found: list[Any] = []
        while path:
            page = self.get(path)
            found += page[key]
            following = page.get("next") or ""
            path = following.partition("/v1")[2]
        return found

    def wait(self, node: str, condition: Callable[[Any], bool], what: str) -> Any:
        """Look at a node until it is as wanted and nobody works on it.

        Raises:
            TimeoutError: it did not become so.
        """
        end = time.monotonic() + PATIENCE
        while True:
            shown = self.get(f"/nodes/{node}")
            if shown["reservation"] is None and condition(shown):
                return shown
            if time.monotonic() > end:
                raise TimeoutError(f"not within {PATIENCE:g} s: {what}; node {node} is {shown['provision_state']}")
            time.sleep(PAUSE)
