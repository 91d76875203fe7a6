"""Reports that differ in every way that the matrix can show."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from nova_virt_conformance.outcome import Evidence, Outcome

if TYPE_CHECKING:
    from nova_virt_conformance.report.model import Report

HOSTILE = (
    "</script><script>document.title = 'broken out'</script>"
    "<img src=x onerror=\"document.title='broken out'\"> \"'`|*_[a](b)"
)
"""What a backend could say in a reason, to break out of wherever it is shown."""


@pytest.fixture(scope="session")
def hostile() -> str:
    return HOSTILE


@pytest.fixture(scope="session")
def reports(make: Any) -> tuple[Report, ...]:
    fake = make.report(
        *(make.result(f"test_destroy_again[{state}]", "destroy") for state in ("paused", "stopped", "running")),
        unavailable={"extras": "the fake hypervisor has nothing that only it has"},
        evidence=Evidence.OWN_SIMULATION,
        loopback=True,
    )
    libvirt = make.report(
        make.result("test_hung", "listing", outcome=Outcome.NOT_VERIFIED, reason="the rig has no hang()"),
        make.result(
            "test_uefi", "uefi", outcome=Outcome.KNOWN_FAILURE, reason="slow", link="https://example.org/issues/12"
        ),
        make.result("test_new", "power", outcome=Outcome.FAILED, reason="took 9 s", provisional=True),
        unavailable={"extras": "none are defined", "every_transition": "changes may merge"},
        driver="libvirt",
        backend="QEMU",
        backend_version="7.2.22",
        note="libvirtd without KVM",
    )
    vmware = make.report(
        make.result("test_suspend", "suspend", outcome=Outcome.FAILED, reason=HOSTILE, link="javascript:alert(1)"),
        make.result("test_console", "console", outcome=Outcome.NOT_VERIFIED, reason=HOSTILE),
        unavailable={"pause": HOSTILE},
        driver="vmware",
        backend="vCenter",
        backend_version="7.0",
        evidence=Evidence.THIRD_PARTY_SIMULATOR,
        note=HOSTILE,
    )
    return fake, libvirt, vmware
