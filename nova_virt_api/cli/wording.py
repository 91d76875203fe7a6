"""What an error advises, in the words of the command: the library and its drivers write for programs."""

import re
from typing import Final

COMMAND_OF: Final = {
    "confirm_resize": "resize-confirm",
    "destroy": "delete",
    "instances": "list",
    "power_off": "stop",
    "power_on": "start",
    "resize": "resize",
    "resize_live": "resize --live",
    "resume": "resume",
    "revert_resize": "resize-revert",
    "spawn": "create",
    "unpause": "unpause",
    "unrescue": "unrescue",
}
"""The command for a verb of the library."""

VERB: Final = re.compile(rf"\b({'|'.join(COMMAND_OF)})\(\)")


def in_commands(advice: str) -> str:
    """The advice for somebody at a shell."""
    said = VERB.sub(lambda verb: f"'nova-virt {COMMAND_OF[verb[1]]}'", advice)
    return said.replace('connect with manage="all"', "say --manage all")
