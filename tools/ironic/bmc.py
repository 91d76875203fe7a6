"""The management controller of a machine: sushy-tools' Redfish emulator, which works on libvirt.

Source: https://docs.openstack.org/sushy-tools/latest/
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

import requests

from tools.ironic.installation import program
from tools.ironic.machine import Machine
from tools.ironic.processes import Processes, Service

SYSTEMS: Final = "/redfish/v1/Systems"


class Bmc:
    """Answers Redfish for one machine, at a port of the loopback interface.

    Args:
        processes: who runs it.
        machine: what it controls.
        port: where it listens.
    """

    def __init__(self, processes: Processes, machine: Machine, port: int) -> None:
        self.address = f"http://127.0.0.1:{port}"
        self.system_id = f"{SYSTEMS}/{machine.uuid}"
        directory = processes.directory / "bmc"
        directory.mkdir()
        file = directory / "emulator.conf"
        file.write_text(settings_text(settings(machine, port, str(directory))))
        command: list[str | Path] = [program("sushy-emulator"), "--config", file]
        # It leaves the directories into which it downloads media.
        self.service = Service(processes, "bmc", command, self._answers, {"TMPDIR": str(directory)})

    def driver_info(self) -> dict[str, str]:
        """What Ironic must know to use it; the emulator takes any password."""
        return {
            "redfish_address": self.address,
            "redfish_system_id": self.system_id,
            "redfish_username": "admin",
            "redfish_password": "emulated",
        }

    def _answers(self) -> bool:
        try:
            with requests.Session() as session:
                session.trust_env = False
                return session.get(f"{self.address}{self.system_id}", timeout=5).ok
        except requests.ConnectionError:
            return False


def settings(machine: Machine, port: int, directory: str) -> dict[str, object]:
    """The emulator's configuration."""
    return {
        "SUSHY_EMULATOR_LISTEN_IP": "127.0.0.1",
        "SUSHY_EMULATOR_LISTEN_PORT": port,
        "SUSHY_EMULATOR_STATE_DIR": directory,
        "SUSHY_EMULATOR_LIBVIRT_URI": machine.uri,
        "SUSHY_EMULATOR_STORAGE_POOL": machine.name,
        "SUSHY_EMULATOR_ALLOWED_INSTANCES": [machine.uuid],
    }


def settings_text(values: Mapping[str, object]) -> str:
    """The configuration as a file, which is Python."""
    return "".join(f"{name} = {value!r}\n" for name, value in values.items())
