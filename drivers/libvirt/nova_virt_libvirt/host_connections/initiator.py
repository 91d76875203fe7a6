"""Devices that os-brick connects to this machine: fibre channel, NVMe over fabrics, iSCSI over many paths and others.

The library is an extra, ``nova-virt-libvirt[os-brick]``, and loaded when a guest asks for such a volume. It configures
itself from oslo.config's global options, which belong to the application; what they leave open is set from ours.
"""

from __future__ import annotations

import importlib.util
import json
import os
import shlex
import socket
import threading
import time
import warnings
import zlib
from collections.abc import Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from nova_virt_api.errors import Busy, InvalidSpec, VirtError, VolumeError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from nova_virt_api.model.host_connection import HostConnection

HINT: Final = "look at the storage service, at the log of os-brick, and whether the tools that it calls are installed"
LOADING: Final = threading.Lock()
"""What os-brick runs as root is decided once for the process."""

UNMARKED: Final = 'a connection with manage="all" writes no marks'
FOR_ROOT: Final = Path("/run/nova-virt-libvirt")
LOCKS: Final = "nova-virt-volumes-"
"""What the names of our locks begin with, beside those of os-brick."""

BY_ID: Final = Path("/dev/disk/by-id")
LASTING: Final = ("dm-uuid-mpath-", "wwn-", "nvme-eui.", "nvme-uuid.", "scsi-3")
"""What names of devices begin with that tell which volume it is."""

LOCK_COUNT: Final = 256
"""Volumes share locks, as the files of locks stay."""

PATIENCE: Final = 120.0
"""Seconds that somebody waits for a volume that another connects or disconnects: a path that is gone takes minutes."""

PAUSE: Final = 0.1
NOTHING: Final[Mapping[str, Any]] = MappingProxyType({})


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """What a volume is on this machine.

    Args:
        path: of the block device, or of a file.
        is_block: whether it is a block device.
        told: all that os-brick told of it, a JSON object, by which it is disconnected.
    """

    path: str
    is_block: bool
    told: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Initiator:
    """Connects volumes to this machine, and disconnects them.

    Args:
        uri: the endpoint; volumes can be connected to this machine only.
        root_helper: by which commands become root's, e.g. ``sudo``; None if this process is root's.
        multipath: whether a volume is reached over all paths that there are.
        marks: whether guests have marks, which tell what is connected for them.
    """

    uri: str
    root_helper: str | None
    multipath: bool
    marks: bool = True

    @property
    def refusal(self) -> str:
        """Why no volumes can be connected; empty if they can."""
        if urlsplit(self.uri).hostname is not None:
            return "os-brick works on its own machine: run the driver on the hypervisor's host"
        if importlib.util.find_spec("os_brick") is None:
            return "the library os-brick is not installed: pip install 'nova-virt-libvirt[os-brick]'"
        if os.geteuid() != 0 and self.root_helper is None:
            return "os-brick needs root's privileges: run the driver as root, or set os_brick_root_helper"
        return ""

    def check(self, connection: HostConnection, field: str) -> None:
        """Refuse a connection that cannot be made from here.

        Raises:
            InvalidSpec: it is so.
        """
        if reason := self.refusal or ("" if self.marks else UNMARKED):
            raise InvalidSpec(field, connection.protocol, f"another connection: {reason}")
        known = self._connectors().get_connector_mapping()
        if connection.protocol.upper() not in known:
            names = ", ".join(sorted(name.lower() for name in known))
            raise InvalidSpec(f"{field}.protocol", connection.protocol, f"one of: {names}")

    def told(self) -> Mapping[str, Any]:
        """Who this machine is to storage services, as os-brick says; nothing where there is none.

        Raises:
            VolumeError: os-brick could not tell.
        """
        if self.refusal:
            return {}
        connectors = self._connectors()
        with failing("look who this host is to storage services"):
            found: Mapping[str, Any] = connectors.get_connector_properties(
                self.root_helper or "", None, self.multipath, False, host=socket.gethostname()
            )
            return found

    def connect(
        self, volume_id: str, protocol: str, properties: Mapping[str, Any], hidden: Mapping[str, Any] = NOTHING
    ) -> Device:
        """Connect a volume. Idempotent: one that is connected stays so.

        Args:
            volume_id: the volume, for errors.
            protocol: how.
            properties: what os-brick has to know but secrets.
            hidden: what no error may tell of that.

        Raises:
            VolumeError: os-brick could not, or got no device.
        """
        with failing(f"connect volume {volume_id} to the host", hidden):
            connector = self._connector(protocol)
            found = connector.connect_volume({**properties, **hidden})
            path = found.get("path")
            if not isinstance(path, str | os.PathLike):
                connector.disconnect_volume({**properties, **hidden}, found)
                raise VolumeError(f"os-brick makes no device of volume {volume_id} ({protocol})", hint=HINT)
        plain = {name: value for name, value in found.items() if isinstance(value, str | int | bool)}
        return device_of(json.dumps(plain | {"path": os.fspath(path)}))

    def disconnect(
        self,
        volume_id: str,
        protocol: str,
        properties: Mapping[str, Any],
        device: str | None,
        hidden: Mapping[str, Any] = NOTHING,
        *,
        force: bool = False,
    ) -> None:
        """Disconnect a volume. Idempotent.

        Args:
            volume_id: the volume, for errors.
            protocol: how it was connected.
            properties: what os-brick has to know but secrets.
            device: what it told when it connected the volume; None for one that may not be connected.
            hidden: what no error may tell of what it has to know.
            force: also a device that does not answer any more; QEMU leaves nothing unwritten in the host's memory.

        Raises:
            VolumeError: os-brick could not.
        """
        if refusal := self.refusal:
            raise VolumeError(f"volume {volume_id} cannot be disconnected from here", hint=refusal)
        with failing(f"disconnect volume {volume_id} from the host", hidden):
            told = None if device is None else json.loads(device)
            self._connector(protocol).disconnect_volume({**properties, **hidden}, told, force=force)

    def extend(
        self, volume_id: str, protocol: str, properties: Mapping[str, Any], hidden: Mapping[str, Any] = NOTHING
    ) -> None:
        """Let this machine see how large a volume is now.

        Raises:
            VolumeError: os-brick could not.
        """
        with failing(f"look how large volume {volume_id} is on the host", hidden):
            self._connector(protocol).extend_volume({**properties, **hidden})

    @contextmanager
    def alone(self, volume_id: str) -> Iterator[None]:
        """Be the only one on this machine who connects or disconnects a volume; a dead holder holds nothing.

        Raises:
            Busy: somebody else does so, and went on for minutes.
        """
        self._connectors()
        from oslo_concurrency import lockutils
        from oslo_config import cfg

        name = str(zlib.crc32(volume_id.encode()) % LOCK_COUNT)
        path, end = cfg.CONF.os_brick.lock_path, time.monotonic() + PATIENCE
        with ExitStack() as held:
            while True:
                try:
                    held.enter_context(lockutils.lock(name, LOCKS, external=True, lock_path=path, blocking=False))
                    break
                except lockutils.AcquireLockFailedException:
                    if time.monotonic() > end:
                        message = f"another process connects or disconnects volume {volume_id}, and does not finish"
                        raise Busy(message, hint="try again when the storage service answers") from None
                time.sleep(PAUSE)
            yield

    def _connector(self, protocol: str) -> Any:
        factory = self._connectors().InitiatorConnector.factory
        return factory(protocol.upper(), self.root_helper or "", use_multipath=self.multipath)

    def _connectors(self) -> Any:
        """Load os-brick, once; as root it works in this process, not in one of its own."""
        with LOADING, warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # of libraries below it
            from os_brick import privileged
            from os_brick.initiator import connector
            from oslo_concurrency import lockutils  # noqa: F401 - registers the option below
            from oslo_config import cfg
            from oslo_privsep import priv_context

            if cfg.CONF.os_brick.lock_path is None:
                found = cfg.CONF.oslo_concurrency.lock_path or str(own_directory())
                cfg.CONF.set_default("lock_path", found, group="os_brick")
            if os.geteuid() == 0:
                privileged.default.set_client_mode(False)
                privileged.brick_privsep_hide_output.set_client_mode(False)
            elif self.root_helper is not None:
                priv_context.init(root_helper=shlex.split(self.root_helper))
            return connector


def device_of(told: str) -> Device:
    """The device that os-brick told of."""
    path = lasting(str(json.loads(told)["path"]))
    return Device(path=path, is_block=Path(path).is_block_device(), told=told)


def lasting(path: str) -> str:
    """The name of a device by what it is, if it has one: after a restart of the host, ``/dev/sdb`` may be another."""
    if path.startswith("/dev/") and not path.startswith(f"{BY_ID}/"):
        device = Path(path).resolve()
        for kind in LASTING:
            for link in sorted(BY_ID.glob(f"{kind}*")):
                if link.resolve() == device:
                    return str(link)
    return path


def own_directory() -> Path:
    """Where locks are that all processes of this account on this machine share."""
    found = FOR_ROOT if os.geteuid() == 0 else Path(f"/run/user/{os.geteuid()}/nova-virt-libvirt")
    found.mkdir(mode=0o700, exist_ok=True)
    return found


@contextmanager
def failing(what: str, hidden: Mapping[str, Any] = NOTHING) -> Iterator[None]:
    """Raise our error for what os-brick raises, with no secret in it."""
    try:
        yield
    except VirtError:
        raise
    except Exception as error:  # noqa: BLE001 - connectors raise what they like; it goes on without secrets
        text = str(error)
        for value in sorted(spellings(hidden), key=len, reverse=True):  # one may be the beginning of another
            text = text.replace(value, "***")
        message = f"{what}: {' '.join(text.split())[:500] or type(error).__name__}"
        raise VolumeError(message, hint=HINT) from None


def spellings(hidden: Mapping[str, Any]) -> set[str]:
    """All texts in a JSON value, as they are and as they stand in representations of it."""
    return {said for text in texts(hidden) for said in (text, repr(text)[1:-1], json.dumps(text)[1:-1]) if said}


def texts(found: Any) -> Iterator[str]:
    """The texts in a JSON value, at any depth."""
    if isinstance(found, str):
        yield found
    elif isinstance(found, Mapping | list):
        inner: Iterable[Any] = found.values() if isinstance(found, Mapping) else found
        for one in inner:
            yield from texts(one)
