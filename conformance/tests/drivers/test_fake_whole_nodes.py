"""A driver of bare metal passes the kit too: guests are whole machines, and much that is virtual is not there."""

from collections.abc import Iterator, Mapping
from typing import Final
from uuid import uuid4

import pytest

import nova_virt_api.fake.driver
from nova_virt_api.capability import Capability, Feature
from nova_virt_api.fake.capabilities import capabilities_of
from nova_virt_api.model.capabilities import Capabilities
from nova_virt_api.model.image import BackendUrl
from nova_virt_api.model.instance import Instance, PowerState
from nova_virt_conformance import Conformance, Evidence, NotApplicable, Target
from nova_virt_conformance.fake_rig import FakeRig
from nova_virt_conformance.image_files import QCOW2
from nova_virt_conformance.image_server import serving

MISSING: Final = (
    Capability.PAUSE,
    Capability.SUSPEND,
    Capability.SNAPSHOT,
    Capability.CLONE,
    Capability.CHECKPOINT,
    Capability.CONSOLE_LOG,
    Capability.RESIZE,
    Feature.BLANK_DISK,
    Feature.COLD_MIGRATION,
    Feature.CHECKPOINT_MEMORY,
    Feature.CLIENT_IMAGES,
    Feature.DISK_BUS,
    Feature.EVERY_TRANSITION,
    Feature.GUEST_ADDRESSES,
    Feature.GUEST_AGENT,
    Feature.KEEP_DISKS,
    Feature.LIVE_MEMORY,
    Feature.LIVE_MEMORY_REMOVAL,
    Feature.LIVE_VCPUS,
    Feature.LIVE_VCPUS_REMOVAL,
    Feature.MULTIPLE_DISKS,
    Feature.NIC_MAC,
    Feature.NIC_MODEL,
    Feature.NIC_BRIDGE,
    Feature.NIC_OVS,
    Feature.NIC_OPAQUE,
    Feature.RESCUE_IMAGE,
    Feature.RESIZE_DISKS,
)
REASON: Final = "machines have no such thing"


class MachineRig(FakeRig):
    """What real machines do not do either."""

    def enter(self, guest: Instance, state: PowerState) -> None:
        if state in (PowerState.PAUSED, PowerState.SUSPENDED, PowerState.CRASHED):
            raise NotApplicable(f"a machine is never {state.value}")
        super().enter(guest, state)

    def deafen(self, guest: Instance) -> None:
        raise NotApplicable("imitated machines always obey")

    def guest_log(self, guest: object) -> bytes:
        raise NotApplicable("imitated machines run no operating system")


class TestWholeNodes(Conformance):
    @pytest.fixture(scope="class")
    @classmethod
    def rig(cls, tmp_path_factory: pytest.TempPathFactory) -> Iterator[FakeRig]:
        folder = tmp_path_factory.mktemp("images")
        QCOW2.written(folder)
        with pytest.MonkeyPatch.context() as patch, serving(folder) as address:
            patch.setattr(nova_virt_api.fake.driver, "capabilities_of", of_machines)
            yield MachineRig(
                Target(
                    driver="fake",
                    options={
                        "world": f"conformance-{uuid4().hex}",
                        "whole_nodes": True,
                        "nodes": [f"machine-{number}" for number in range(16)],
                    },
                    owner="conformance",
                    pools=("default",),
                    networks=("default",),
                    image=BackendUrl(f"{address}/{QCOW2.name}", checksum=QCOW2.checksum(), format=QCOW2.format),
                    evidence=Evidence.OWN_SIMULATION,
                    note="the reference driver's hosts, given away whole",
                )
            )


def of_machines(kind: type, withdrawn: object, missing: Mapping[Capability | Feature, str]) -> Capabilities:
    """All that machines have."""
    return capabilities_of(kind, dict.fromkeys(MISSING, REASON), missing)
