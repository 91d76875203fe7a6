"""The rig's refusals are faults as vCenter would send them, and the driver knows them for what they are to provoke."""

from io import BytesIO
from typing import Any

import pytest
from pyVmomi import vim, vmodl
from pyVmomi.SoapAdapter import SoapResponseDeserializer, SoapStubAdapter

from nova_virt_api.errors import VirtError
from nova_virt_vmware.errors import translate
from nova_virt_vmware.rig.refusal import REFUSALS, Refusal
from nova_virt_vmware.rig.relay import METHOD, Request


@pytest.mark.parametrize(
    ("error", "refusal"),
    [pytest.param(kind, refusal, id=f"{name}-{kind.__name__}") for (name, kind), refusal in REFUSALS.items()],
)
def test_a_refusal_becomes_the_error_that_it_is_for(error: type[VirtError], refusal: Refusal) -> None:
    answer = refusal(Request(refusal.methods[0], b""))
    assert answer is not None
    fault: Any = SoapResponseDeserializer(SoapStubAdapter()).Deserialize(BytesIO(answer.body), object)
    assert isinstance(fault, vmodl.MethodFault)
    assert type(fault).__name__.rpartition(".")[2] == refusal.fault
    if refusal.fault != "NoDiskSpace":  # which verb it hits decides whether storage failed or room is short
        assert isinstance(translate(fault, "do it"), error)


def test_other_requests_go_through() -> None:
    refusal = Refusal(methods=("PowerOnVM_Task",), fault="TaskInProgress", text="no")
    assert refusal(Request("PowerOffVM_Task", b"PowerOnVM_Task")) is None


def test_a_request_is_known_by_its_method() -> None:
    stub = SoapStubAdapter()
    info = vim.VirtualMachine._GetMethodInfo("PowerOn")
    body = stub.SerializeRequest(vim.VirtualMachine("vm-1", stub), info, [None])
    found = METHOD.search(body)
    assert found is not None
    assert found[1] == b"PowerOnVM_Task"
