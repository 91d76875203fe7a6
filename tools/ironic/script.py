"""What shall happen to one node: failures, waiting and delays that its fake hardware then shows.

Ironic's own `[fake]` delays hold for all nodes, and its fake hardware never fails. Nodes that are enrolled with a
script have the hardware interfaces of plugins/testbed_plugins/scripted.py instead, which are simulation of our own. As
on real hardware, deploying such a node starts it and tearing it down stops it; Ironic's fake hardware leaves the power.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Final

KINDS: Final = ("boot", "console", "deploy", "management", "power", "rescue", "vendor")
INTERFACES: Final = {f"{kind}_interface": "scripted" for kind in KINDS}


@dataclass(frozen=True, slots=True, kw_only=True)
class Script:
    """What happens to one node's operations.

    They are `power`, `validate`, `prepare`, `deploy`, `tear_down`, `clean_up`, `clean`, `service`, `rescue`,
    `unrescue`, `nmi`, `virtual_media`, `console`.

    Args:
        fail: these fail, as if the management controller could not be reached.
        wait: of `deploy`, `clean`, `service`, `rescue`: these wait, as for a ramdisk, until `Ironic.proceed()`.
        delay_s: these take so many seconds, and then do as they would.
    """

    fail: Sequence[str] = ()
    wait: Sequence[str] = ()
    delay_s: Mapping[str, float] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """As a node's `driver_info` has it."""
        return asdict(self)
