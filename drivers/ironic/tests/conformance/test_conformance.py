"""The driver passes the conformance kit: a real Ironic and a real Neutron, whose machines are imitated."""

from collections.abc import Callable
from typing import Any

import pytest

from nova_virt_api.model.image import BackendUrl, Checksum
from nova_virt_api.model.units import GiB
from nova_virt_conformance import Conformance, Evidence, Quota, Target
from nova_virt_ironic.rig import IronicRig
from tools.ironic import Auth, Ironic, Network, NodeSpec, Settings
from tools.ironic.script import INTERFACES

NODES = 16
RESOURCE_CLASS = "conformance"
OUTAGE_S = 1.0
"""The driver's usual patience with an endpoint that is away is a minute."""

POLL_S = 0.02
"""Imitated machines are quick."""

IMAGE = BackendUrl(url="http://127.0.0.1:9/image.qcow2", checksum=Checksum(algorithm="sha256", digest="0" * 64))
"""Nobody serves it: nothing is fetched for imitated machines. Ironic only asks for it, and hears so at once."""

EAGER = {"sync_power_state_interval": 10, "power_state_sync_max_retries": 0, "power_failure_recovery_interval": 10}
"""Ironic looks often how machines are, so that it is soon seen."""


class TestIronic(Conformance):
    @pytest.fixture(scope="class")
    @classmethod
    def rig(cls, start_shared: Callable[[Settings], Ironic]) -> IronicRig:
        ironic = start_shared(Settings(auth=Auth.HTTP_BASIC, network=Network.NEUTRON, extra={"conductor": EAGER}))
        interfaces = {**INTERFACES, "network_interface": "flat"}
        ironic.enroll(NODES, NodeSpec(resource_class=RESOURCE_CLASS, capabilities={}, fields=interfaces))
        network = ironic.neutron.create_network("conformance", "10.42.0.0/16")
        return IronicRig(
            Target(
                driver="ironic",
                options={
                    "endpoint": ironic.endpoint,
                    "auth_type": "http_basic",
                    "username": ironic.credentials.username,
                    "password": ironic.credentials.password,
                    "resource_class": RESOURCE_CLASS,
                    "outage_timeout": OUTAGE_S,
                    "poll_interval": POLL_S,
                },
                owner="conformance",
                pools=(),
                networks=(),
                image=IMAGE,
                quota=Quota(memory_bytes=GiB(64)),
                evidence=Evidence.REAL_BACKEND,
                note="Ironic and Neutron in the test machine; the machines are imitated by the project's own hardware"
                " interfaces; refusals are put on the wire to Ironic",
                settings=settings(ironic, network),
            )
        )


def settings(ironic: Ironic, network: str) -> dict[str, Any]:
    """What the rig is told beside."""
    return {"conductor_log": str(ironic.conductor.log), "neutron": ironic.neutron.endpoint, "network": network}
