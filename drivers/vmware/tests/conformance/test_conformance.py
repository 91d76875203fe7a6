"""The driver passes the conformance kit on a simulated vCenter, whose guests run nothing."""

from collections.abc import Callable

import pytest

from nova_virt_api.model.image import Native
from nova_virt_api.model.units import GiB
from nova_virt_conformance import Conformance, Evidence, Quota, Target
from nova_virt_vmware.rig import VmwareRig
from tools.vcsim import Settings, VCenter

OUTAGE_S = 1.0
"""The driver's usual patience with an endpoint that is away is two minutes."""


class TestVmware(Conformance):
    @pytest.fixture(scope="class")
    @classmethod
    def rig(cls, start_shared: Callable[[Settings], VCenter]) -> VmwareRig:
        vcenter = start_shared(Settings(clusters=1, hosts=3, standalone_hosts=0))
        return VmwareRig(
            Target(
                driver="vmware",
                options={**vcenter.options, "outage_timeout": OUTAGE_S},
                owner="conformance",
                pools=("LocalDS_0", "LocalDS_1"),
                networks=("VM Network", "DC0_DVPG0"),
                nodes=("DC0_C0",),
                image=Native("small"),
                quota=Quota(memory_bytes=GiB(4)),
                evidence=Evidence.THIRD_PARTY_SIMULATOR,
                note="vcsim, the vCenter simulator of govmomi 0.24.2, mended by the project where it differs from"
                " vSphere's API reference; its virtual machines run nothing; refusals are put on the wire",
            )
        )
