"""Ironic's real mode: a machine is deployed over Redfish virtual media, starts, and reads its config drive."""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from nova_virt_conformance.guest_image.cache import ensure_image
from tools.ironic import configuration
from tools.ironic.bmc import Bmc
from tools.ironic.boot_iso import write_boot_iso
from tools.ironic.enrolment import EnrolledNode, NodeSpec
from tools.ironic.file_server import FileServer
from tools.ironic.machine import MEMORY_MIB, Machine
from tools.ironic.processes import Processes, free_port
from tools.ironic.serial_line import SerialLine
from tools.ironic.settings import Settings
from tools.ironic.testbed import Ironic

URI: Final = "qemu:///system"
BOOT_ISO: Final = "boot.iso"
RESOURCE_CLASS: Final = "redfish"
INTERFACES: Final = {
    "bios": "no-bios",
    "boot": "redfish-virtual-media",
    "console": "no-console",
    "deploy": "ramdisk",
    "firmware": "no-firmware",
    "inspect": "no-inspect",
    "management": "redfish",
    "network": "noop",
    "power": "redfish",
    "raid": "no-raid",
    "rescue": "no-rescue",
    "storage": "noop",
    "vendor": "no-vendor",
}
"""Of the node. No agent runs on it, so what needs one is off."""


class RealMode:
    """An Ironic with one real node and everything around it, while the `with` lasts; nothing of it is left afterwards.

    Args:
        settings: what is not as usual about the Ironic.
        uri: of the libvirt in which the machine lives.

    Raises:
        NotInstalledError: the machine lacks something; the text says how to get it.
        StartError: a process did not start; the text ends with the last lines of its log.
    """

    ironic: Ironic
    machine: Machine
    serial: SerialLine
    """What the machine says."""
    bmc: Bmc
    boot_iso_url: str
    """A CD that starts the guest image, see `boot_iso.py`."""
    node: EnrolledNode
    """The machine as Ironic has it: `available` and off."""

    def __init__(self, settings: Settings | None = None, uri: str = URI) -> None:
        self._settings = settings or Settings()
        self._uri = uri

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            self._open(stack)
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    @property
    def node_path(self) -> str:
        """Where Ironic's API has the node."""
        return f"/v1/nodes/{self.node.uuid}"

    @contextmanager
    def driver_info(self, **changes: str) -> Iterator[None]:
        """Tell Ironic something else about how to reach the machine's controller, for a while."""
        right = self.bmc.driver_info()
        self._replace(changes)
        try:
            yield
        finally:
            self._replace({key: right[key] for key in changes})

    def published(self) -> list[str]:
        """The config drives and other images that Ironic still offers for download."""
        files = (path for path in self._media.rglob("*") if path.is_file() and path.name != BOOT_ISO)
        return sorted(str(path.relative_to(self._media)) for path in files)

    def _enroll(self) -> EnrolledNode:
        interfaces = {f"{kind}_interface": name for kind, name in INTERFACES.items()}
        spec = NodeSpec(
            name="redfish",
            resource_class=RESOURCE_CLASS,
            cpus=1,
            memory_mib=MEMORY_MIB,
            disk_gib=1,
            ports=0,  # its only card has an address already
            fields={"driver": "redfish", "driver_info": self.bmc.driver_info(), **interfaces},
        )
        (node,) = self.ironic.enroll(1, spec)
        self.ironic.api.post("/v1/ports", {"node_uuid": node.uuid, "address": self.machine.mac})
        return node

    def _replace(self, values: Mapping[str, str]) -> None:
        operations = [{"op": "replace", "path": f"/driver_info/{key}", "value": text} for key, text in values.items()]
        self.ironic.api.patch(self.node_path, *operations)

    def _open(self, stack: ExitStack) -> None:
        processes = stack.enter_context(Processes())
        self._media = media = processes.directory / "media"
        media.mkdir()
        write_boot_iso(ensure_image(lambda _: None), media / BOOT_ISO)
        server = stack.enter_context(FileServer(media))
        self.boot_iso_url = f"{server.url}/{BOOT_ISO}"
        self.serial = stack.enter_context(SerialLine())
        self.machine = stack.enter_context(Machine(self._uri, self.serial.port))
        self.bmc = Bmc(processes, self.machine, free_port(set()))
        self.bmc.service.start()
        extra = merged(options(media, server.url), self._settings.extra)
        self.ironic = stack.enter_context(Ironic(replace(self._settings, extra=extra)))
        self.node = self._enroll()


def options(media: Path, url: str) -> dict[str, dict[str, object]]:
    """What Ironic must be told to drive Redfish; fake hardware stays usable beside it.

    Args:
        media: the directory in which it publishes config drives.
        url: at which the directory is served.
    """
    fake = configuration.INTERFACES
    enabled = {
        f"enabled_{kind}_interfaces": ",".join(sorted({*fake[kind].split(","), ours}))
        for kind, ours in INTERFACES.items()
    }
    return {
        "DEFAULT": {"enabled_hardware_types": "fake-hardware,redfish", **enabled},
        "deploy": {
            "http_root": media,
            "http_url": url,
            "ramdisk_image_download_source": "http",
            "iso_master_path": media / "masters",
        },
        "redfish": {"connection_attempts": 1},
    }


def merged(
    first: Mapping[str, Mapping[str, object]], second: Mapping[str, Mapping[str, object]]
) -> dict[str, dict[str, object]]:
    """Options by section, the second over the first."""
    return {section: {**first.get(section, {}), **second.get(section, {})} for section in {*first, *second}}
