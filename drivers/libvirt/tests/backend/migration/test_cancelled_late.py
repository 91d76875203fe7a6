"""Moves that are cancelled while the last of the guest is about to go over."""

from typing import Any

import nova_virt_api as virt

ROUNDS = 12
"""Of so many, one or two mostly come in a moment that leaves QEMU or libvirt waiting for ever, if nobody helps."""


def test_they_end_and_the_guest_runs(hosts: Any, source: virt.Compute, destination: virt.Compute, spawn: Any) -> None:
    guest = spawn()
    here, there = (source, hosts[0]), (destination, hosts[1])

    def cancel(operation: virt.Operation[Any]) -> None:
        if operation.counters[0]:
            operation.cancel()

    for _ in range(ROUNDS):
        operation = here[0].submit.live_migrate(guest, to=there[0], timeout=60, on_progress=cancel)
        try:
            operation.result()
        except virt.Cancelled:
            assert there[1].traces(guest.uuid) == []
        else:  # it came too late
            here, there = there, here
        assert here[0].instance(guest, fresh=True).power_state is virt.PowerState.RUNNING
