"""Versions of Ironic's API: what the endpoint speaks, and which version each call needs at least.

Ironic's REST API version history tells what each version brought. Every request bears the lowest version that serves
it, so that an answer's form does not change when the endpoint is upgraded.
"""

from __future__ import annotations

import enum
import re
from dataclasses import dataclass
from typing import Final

PATTERN: Final = re.compile(r"(\d+)\.(\d+)")


@dataclass(frozen=True, slots=True, order=True)
class Microversion:
    """A version of the API; the part before the dot has always been 1."""

    major: int
    minor: int

    @classmethod
    def parse(cls, text: str) -> Microversion:
        """From what a header says, e.g. ``1.95``.

        Raises:
            ValueError: it is no version.
        """
        found = PATTERN.fullmatch(text.strip())
        if found is None:
            raise ValueError(f"no version of Ironic's API: {text[:40]!r}")
        return cls(int(found[1]), int(found[2]))

    def __str__(self) -> str:
        return f"{self.major}.{self.minor}"


@dataclass(frozen=True, slots=True)
class Versions:
    """The lowest and the highest version that an endpoint speaks."""

    lowest: Microversion
    highest: Microversion


MINIMUM: Final = Microversion(1, 46)
"""What the driver asks of an endpoint: traits, rescue, faults, deploy steps and conductor groups are there."""

LATEST_KNOWN: Final = Microversion(1, 115)
"""The newest version that the driver was written with."""


class Call(enum.Enum):
    """What is asked of Ironic, each with the minor version that it needs at least."""

    READ = "read", 1
    """What every endpoint answers; fields of nodes have versions of their own, see :mod:`nova_virt_ironic.node`."""

    PATCH_NODE = "change a node's fields", 1
    INSTANCE_NAME = "name a node's instance", 104
    VALIDATE = "validate a node", 1
    TRAITS = "read a node's traits", 37
    PORTS = "list ports with their physical networks", 34
    HISTORY = "read a node's history", 78
    HARDWARE_INVENTORY = "read a node's hardware inventory", 81

    DEPLOY = "deploy a node", 1
    CONFIG_DRIVE = "have a config drive built from JSON", 56
    DEPLOY_STEPS = "deploy with steps of the caller's own", 69
    UNDEPLOY = "undeploy a node", 1
    REBUILD = "rebuild a node", 1
    REBUILD_CONFIG_DRIVE = "rebuild a node with a config drive built from JSON", 56
    ABORT = "abort what a node waits in", 13
    ABORT_DEPLOY = "abort a deployment that waits for its ramdisk", 110
    PROVIDE = "make a node available", 4
    RESCUE = "rescue a node", 38
    ADOPT_NODE = "adopt a node that runs already", 17
    SERVICE = "run service steps", 87
    SERVICE_WITHOUT_RAMDISK = "run service steps without a ramdisk", 108
    RUNBOOKS = "use runbooks", 92
    RUNBOOK_TRAITS = "see what nodes runbooks are for", 112

    POWER = "switch a node's power", 1
    SOFT_POWER = "ask a node to shut down", 27
    NMI = "inject an NMI", 29
    BOOT_DEVICE = "read or set the boot device", 1
    BOOT_MODE = "set the boot mode", 76
    MAINTENANCE = "set maintenance", 1
    CONSOLE = "use a console", 1
    VIFS = "attach virtual interfaces", 28
    VIF_TO_PORT = "attach a virtual interface to a port", 67
    VOLUMES = "use volume connectors and targets", 32
    VIRTUAL_MEDIA = "attach virtual media", 89
    READ_VIRTUAL_MEDIA = "see attached virtual media", 93
    FIRMWARE = "read firmware components", 86
    BIOS = "read BIOS settings", 40
    BIOS_REGISTRY = "read what BIOS settings may be", 74
    SHARDS = "filter by shard", 82
    OWNER = "filter by owner", 50

    def __init__(self, what: str, minor: int) -> None:
        self.what = what
        self.needs = Microversion(1, minor)


def too_old(call: Call, versions: Versions) -> str:
    """Why an endpoint cannot do this, in a few words; empty when it can."""
    if versions.highest >= call.needs:
        return ""
    return f"needs Ironic API {call.needs}, the endpoint speaks up to {versions.highest}"
