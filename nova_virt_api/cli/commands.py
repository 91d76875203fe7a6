"""Which commands there are. A table and not entry points: looking those up takes longer than most commands."""

from __future__ import annotations

from difflib import get_close_matches
from importlib.metadata import EntryPoint
from typing import TYPE_CHECKING, Final

from cliff.commandmanager import CommandManager

if TYPE_CHECKING:
    from cliff.command import Command

GROUPS: Final = {
    "guests": {
        "create": "create:Create",
        "list": "list:List",
        "show": "show:Show",
        "delete": "delete:Delete",
        "clone": "clone:Clone",
        "rebuild": "rebuild:Rebuild",
        "wait": "wait:Wait",
        "watch": "watch:Watch",
        "adopt": "adopt:AdoptGuests",
        "release": "release:Release",
    },
    "power": {
        "start": "power:Start",
        "stop": "power:Stop",
        "reboot": "power:Reboot",
        "pause": "pause:Pause",
        "unpause": "pause:Unpause",
        "suspend": "suspend:Suspend",
        "resume": "suspend:Resume",
    },
    "copies and states": {
        "snapshot": "snapshot:Snapshot",
        "checkpoint create": "checkpoint:CheckpointCreate",
        "checkpoint delete": "checkpoint:CheckpointDelete",
        "checkpoint list": "checkpoint:CheckpointList",
        "checkpoint revert": "checkpoint:CheckpointRevert",
        "backup create": "backup:BackupCreate",
        "backup forget": "backup:BackupForget",
        "backup list": "backup:BackupList",
        "backup restore": "backup:BackupRestore",
    },
    "sizes and moves": {
        "resize": "resize:Resize",
        "resize-confirm": "resize:ResizeConfirm",
        "resize-revert": "resize:ResizeRevert",
        "live-migrate": "live_migrate:LiveMigrate",
        "migrate": "resize:Migrate",
    },
    "volumes, interfaces, shares": {
        "volume attach": "volume:VolumeAttach",
        "volume connector": "volume:VolumeConnectorShow",
        "volume create": "storage_volume:VolumeCreate",
        "volume delete": "storage_volume:VolumeDelete",
        "volume detach": "volume:VolumeDetach",
        "volume download": "storage_volume:VolumeDownload",
        "volume extend": "volume:VolumeExtend",
        "volume list": "volume:VolumeList",
        "volume resize": "storage_volume:VolumeResize",
        "volume show": "storage_volume:VolumeShow",
        "volume swap": "volume:VolumeSwap",
        "volume upload": "storage_volume:VolumeUpload",
        "interface attach": "interface:InterfaceAttach",
        "interface detach": "interface:InterfaceDetach",
        "interface list": "interface:InterfaceList",
        "share attach": "share:ShareAttach",
        "share detach": "share:ShareDetach",
        "share list": "share:ShareList",
    },
    "inside a guest": {
        "console log": "console:ConsoleLog",
        "console show": "console:ConsoleShow",
        "guest info": "guest_info:GuestInfo",
        "password set": "password:PasswordSet",
        "quiesce": "quiesce:Quiesce",
        "unquiesce": "quiesce:Unquiesce",
    },
    "when something is wrong": {
        "diagnostics": "diagnostics:Diagnostics",
        "metrics": "metrics:Metrics",
        "rescue": "rescue:Rescue",
        "unrescue": "rescue:Unrescue",
        "crash-dump": "crash_dump:CrashDump",
        "leftover list": "leftover:LeftoverList",
        "doctor": "doctor:Doctor",
    },
    "what the endpoint has": {
        "host list": "host:HostList",
        "host show": "host:HostShow",
        "network list": "place:NetworkList",
        "pool list": "place:PoolList",
        "image list": "image:ImageList",
        "image prefetch": "image:ImagePrefetch",
        "image prune": "image:ImagePrune",
        "device list": "device:DeviceList",
        "maintenance enter": "maintenance:MaintenanceEnter",
        "maintenance leave": "maintenance:MaintenanceLeave",
    },
    "this command": {
        "driver list": "driver:DriverList",
        "driver new": "driver_new:DriverNew",
        "driver show": "driver:DriverShow",
        "complete": "complete:Complete",
        "help": "help:Help",
    },
}
"""As the help shows them: module below this package and class, by the words that people type."""

COMMANDS: Final = {name: place for group in GROUPS.values() for name, place in group.items()}

MEANT: Final = {
    "spawn": "create",
    "boot": "create",
    "destroy": "delete",
    "remove": "delete",
    "rm": "delete",
    "ls": "list",
    "shutdown": "stop",
    "restart": "reboot",
    "undefine": "delete",
    "save": "suspend",
    "domdisplay": "console show",
    "vncdisplay": "console show",
    "cold-migrate": "migrate",
}
"""Commands by the words for them in the Python API and in other commands, where no command looks like the word."""

MOST_NAMED: Final = 4
"""As many commands are named to somebody who gave only the word that they begin with."""


class Commands(CommandManager):
    """The table for cliff; a command's module is imported when the command is used."""

    def __init__(self) -> None:
        super().__init__("")  # no namespace: nothing is searched for
        for name, place in COMMANDS.items():
            self.commands[name] = EntryPoint(name, f"nova_virt_api.cli.{place}", "nova_virt.cli")

    def add_command(self, name: str, command_class: type[Command]) -> None:
        """Add a command, unless the table has one of that name: cliff adds its own ``help`` and ``complete``."""
        if name not in COMMANDS:
            super().add_command(name, command_class)

    def find_command(self, argv: list[str]) -> tuple[type[Command], str, list[str]]:
        """The command, its name and its arguments. Only whole names count: 'creat' must not make a guest.

        Raises:
            ValueError: there is no such command.
        """
        command, name, arguments = super().find_command(argv)
        if name not in self.commands:
            raise ValueError(name)
        return command, name, arguments

    def suggestion(self, words: list[str]) -> str:
        """What to try instead of words that are no command."""
        typed = [word for word in words if not word.startswith("-")]
        family = family_of(typed[0]) if typed else []
        if len(family) > MOST_NAMED:
            return f"'nova-virt help {typed[0]}' lists those that begin so"
        if not family and typed and typed[0] in MEANT:
            family = [MEANT[typed[0]]]
        close = family or [
            name for length in (2, 1) for name in get_close_matches(" ".join(typed[:length]), COMMANDS, n=3, cutoff=0.7)
        ]
        return f"did you mean {' or '.join(repr(name) for name in dict.fromkeys(close))}?" if close else ""


def family_of(word: str) -> list[str]:
    """The commands that begin with a word."""
    return [name for name in COMMANDS if name.split()[0] == word]
