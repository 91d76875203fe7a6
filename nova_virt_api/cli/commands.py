"""Which commands there are. A table and not entry points: looking those up takes longer than most commands."""

from __future__ import annotations

from difflib import get_close_matches
from importlib.metadata import EntryPoint
from typing import TYPE_CHECKING, Final

from cliff.commandmanager import CommandManager

if TYPE_CHECKING:
    from cliff.command import Command

COMMANDS: Final = {
    "adopt": "adopt:AdoptGuests",
    "backup create": "backup:BackupCreate",
    "backup forget": "backup:BackupForget",
    "backup list": "backup:BackupList",
    "backup restore": "backup:BackupRestore",
    "checkpoint create": "checkpoint:CheckpointCreate",
    "checkpoint delete": "checkpoint:CheckpointDelete",
    "checkpoint list": "checkpoint:CheckpointList",
    "checkpoint revert": "checkpoint:CheckpointRevert",
    "clone": "clone:Clone",
    "complete": "complete:Complete",
    "console log": "console:ConsoleLog",
    "console show": "console:ConsoleShow",
    "crash-dump": "crash_dump:CrashDump",
    "create": "create:Create",
    "delete": "delete:Delete",
    "device list": "device:DeviceList",
    "diagnostics": "diagnostics:Diagnostics",
    "doctor": "doctor:Doctor",
    "driver list": "driver:DriverList",
    "driver new": "driver_new:DriverNew",
    "driver show": "driver:DriverShow",
    "guest info": "guest_info:GuestInfo",
    "help": "help:Help",
    "host list": "host:HostList",
    "host show": "host:HostShow",
    "image list": "image:ImageList",
    "image prefetch": "image:ImagePrefetch",
    "image prune": "image:ImagePrune",
    "interface attach": "interface:InterfaceAttach",
    "interface detach": "interface:InterfaceDetach",
    "interface list": "interface:InterfaceList",
    "leftover list": "leftover:LeftoverList",
    "list": "list:List",
    "live-migrate": "live_migrate:LiveMigrate",
    "maintenance enter": "maintenance:MaintenanceEnter",
    "maintenance leave": "maintenance:MaintenanceLeave",
    "metrics": "metrics:Metrics",
    "migrate": "resize:Migrate",
    "network list": "place:NetworkList",
    "password set": "password:PasswordSet",
    "pause": "pause:Pause",
    "pool list": "place:PoolList",
    "quiesce": "quiesce:Quiesce",
    "reboot": "power:Reboot",
    "rebuild": "rebuild:Rebuild",
    "release": "release:Release",
    "rescue": "rescue:Rescue",
    "resize": "resize:Resize",
    "resize-confirm": "resize:ResizeConfirm",
    "resize-revert": "resize:ResizeRevert",
    "resume": "suspend:Resume",
    "share attach": "share:ShareAttach",
    "share detach": "share:ShareDetach",
    "share list": "share:ShareList",
    "show": "show:Show",
    "snapshot": "snapshot:Snapshot",
    "start": "power:Start",
    "stop": "power:Stop",
    "suspend": "suspend:Suspend",
    "unpause": "pause:Unpause",
    "unquiesce": "quiesce:Unquiesce",
    "unrescue": "rescue:Unrescue",
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
    "wait": "wait:Wait",
    "watch": "watch:Watch",
}
"""Module below this package and class, by the words that people type."""

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
        family = [name for name in COMMANDS if typed and name.split()[0] == typed[0]]
        if not family and typed and typed[0] in MEANT:
            family = [MEANT[typed[0]]]
        close = family or [
            name for length in (2, 1) for name in get_close_matches(" ".join(typed[:length]), COMMANDS, n=3, cutoff=0.7)
        ]
        return f"did you mean {' or '.join(repr(name) for name in dict.fromkeys(close))}?" if close else ""
