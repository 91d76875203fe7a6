"""The network service beside Ironic, as far as the rig needs it: ports that become VIFs."""

from __future__ import annotations

from typing import Any, Final

import requests

PATIENCE: Final = 60.0


class Ports:
    """Makes ports, and removes them in the end.

    Args:
        endpoint: URL of Neutron's API, which must ask for no login.
        network: id of the network that they are made on.
    """

    def __init__(self, endpoint: str, network: str) -> None:
        self._url = f"{endpoint.rstrip('/')}/v2.0/ports"
        self._network = network
        self._made: list[str] = []

    def make(self) -> str:
        """The id of a new port for bare metal."""
        body = {"port": {"network_id": self._network, "binding:vnic_type": "baremetal"}}
        self._made.append(str(self._ask("POST", self._url, json=body)["port"]["id"]))
        return self._made[-1]

    def remove_all(self) -> None:
        """Remove all that were made."""
        while self._made:
            self._ask("DELETE", f"{self._url}/{self._made.pop()}")

    def _ask(self, method: str, url: str, **more: Any) -> Any:
        answer = requests.request(method, url, timeout=PATIENCE, **more)
        answer.raise_for_status()
        return answer.json() if answer.content else None
