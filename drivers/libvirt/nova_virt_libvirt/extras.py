"""What only libvirt has, for ``InstanceSpec.extras``."""

import re
from dataclasses import dataclass
from typing import Final

from nova_virt_api.model.check import check, check_integer
from nova_virt_api.model.spec import Extra, InstanceSpec

MACHINE_TYPE: Final = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}")


@dataclass(frozen=True, slots=True, kw_only=True)
class LibvirtMachine(Extra):
    """The machine that QEMU is to be.

    Args:
        machine: its type, e.g. ``pc-q35-6.2`` for a guest that must go on with an older one; None for the newest.
        spare_ports: free slots for cards that a running guest gets later; None for eight. Only with PCI Express.
    """

    machine: str | None = None
    spare_ports: int | None = None

    def __post_init__(self) -> None:
        if self.machine is not None:
            good = isinstance(self.machine, str) and MACHINE_TYPE.fullmatch(self.machine) is not None
            check(good, "machine", self.machine, "a machine type such as pc-q35-6.2")
        if self.spare_ports is not None:
            check_integer("spare_ports", self.spare_ports, 0, 200, "slots")


def machine_of(spec: InstanceSpec) -> LibvirtMachine:
    """The last wish of a spec, or none."""
    wishes = [extra for extra in spec.extras if isinstance(extra, LibvirtMachine)]
    return wishes[-1] if wishes else LibvirtMachine()
