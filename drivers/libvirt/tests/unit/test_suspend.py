"""Which of libvirt's jobs a cancelled suspend ends."""

from types import SimpleNamespace
from typing import Any

import libvirt
import pytest

from nova_virt_libvirt.suspend import abort


class Native:
    """A ``virDomain`` on which libvirt runs a job."""

    def __init__(self, operation: int) -> None:
        self._operation = operation
        self.aborted = 0

    def jobStats(self) -> dict[str, Any]:  # noqa: N802
        return {"type": libvirt.VIR_DOMAIN_JOB_UNBOUNDED, "operation": self._operation}

    def abortJob(self) -> None:  # noqa: N802
        self.aborted += 1


@pytest.mark.parametrize(
    ("operation", "ended"),
    [(libvirt.VIR_DOMAIN_JOB_OPERATION_SAVE, 1), (libvirt.VIR_DOMAIN_JOB_OPERATION_BACKUP, 0)],
    ids=["its own", "somebody's backup"],
)
def test_only_the_saving_is_ended(operation: int, ended: int) -> None:
    native = Native(operation)
    abort(SimpleNamespace(urgent=native))  # type: ignore[arg-type]
    assert native.aborted == ended
