"""The rig: libvirt's daemon as the conformance kit sees and handles it, on a connection that is not the driver's."""

from __future__ import annotations

import re
import shutil
import tempfile
import threading
import time
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qs, urlsplit
from uuid import UUID, uuid4

import libvirt
from lxml import etree
from lxml.builder import E

from nova_virt_api.capability import Feature
from nova_virt_api.config.secret_reference import resolve
from nova_virt_api.errors import AuthenticationFailed, Busy, InvalidState, Unavailable
from nova_virt_api.model.instance import PowerState
from nova_virt_api.model.nic import Nic
from nova_virt_api.model.nic_binding import BridgePort, OvsPort
from nova_virt_conformance.outcome import NotApplicable, NotVerified
from nova_virt_conformance.rig import Rig
from nova_virt_libvirt import event_loop
from nova_virt_libvirt.rig.boots import Boots
from nova_virt_libvirt.rig.fill import fill
from nova_virt_libvirt.rig.hardware import definition_of, hardware_of
from nova_virt_libvirt.rig.meddling import being_destroyed, being_worked_on
from nova_virt_libvirt.rig.objects import Objects
from nova_virt_libvirt.rig.processes import standing_still
from nova_virt_libvirt.rig.refusal import CREDENTIALS, REFUSALS
from nova_virt_libvirt.rig.relay import Relay
from nova_virt_libvirt.rig.scribble import Scribble
from nova_virt_libvirt.rig.shares import SharedDirectories
from nova_virt_libvirt.rig.trial import lacking
from nova_virt_libvirt.rig.volumes import Exports, PoolVolumes

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from nova_virt_api.compute.compute import Compute
    from nova_virt_api.errors import VirtError
    from nova_virt_api.model.instance import Instance
    from nova_virt_api.model.share import Share
    from nova_virt_api.model.volume import Volume
    from nova_virt_conformance.hardware import Hardware

SOCKET: Final = Path("/run/libvirt/libvirt-sock")
"""Where this machine's daemon, or its proxy, serves every part of libvirt."""

STATE: Final = Path("/var/lib/libvirt/qemu")
"""Where it keeps what is no volume, unless the target's setting ``state_directory`` says otherwise."""

UNDEFINE: Final = (
    libvirt.VIR_DOMAIN_UNDEFINE_MANAGED_SAVE
    | libvirt.VIR_DOMAIN_UNDEFINE_SNAPSHOTS_METADATA
    | libvirt.VIR_DOMAIN_UNDEFINE_NVRAM
)
PANIC: Final = "o /b 0x505 1"
"""What a guest's own kernel does when it panics: it writes to the port of the pvpanic device (QEMU's specs/pvpanic)."""

UNFINISHED: Final = frozenset({"Adopt.adopt", "Adopt.check_adoptable", "Adopt.release", "Rescue.unrescue"})
"""Verbs that only a guest in the middle of something keeps from their work."""

PATIENCE: Final = 10.0

RESETS: Final = 0.5
"""Seconds from one reset of a guest that is to let go of a card to the next."""


class LibvirtRig(Rig):
    """Eyes and hands on QEMU's guests through libvirt.

    With this machine's daemon every connection under test is led through a relay, which can be cut and counts what is
    asked; and guests' processes and libvirt's directories can be reached. With another machine's, what needs these is
    not verified.
    """

    def open(self) -> None:
        event_loop.ensure("own")
        self._native = libvirt.open(self._uri)
        self._directory = Path(tempfile.mkdtemp(prefix="nova-virt-rig-"))
        self._relays: dict[str, Relay] = {}
        self._refused = ExitStack()
        self._boots = Boots(self._native)
        owners = (self.target.owner, self.target.other_owner)
        self._volumes = PoolVolumes(self._native, self.target.pools[0])
        self._exports = Exports(self._directory)
        self._shares = SharedDirectories(self.target.options, self._directory, local=self._socket is not None)
        self._objects = Objects(self._native, self.target.pools, owners, self._state_directory)

    def close(self) -> None:
        self._exports.close()
        self._shares.remove_all()
        self._volumes.remove_all()
        self._boots.stop()
        self._refused.close()
        for relay in self._relays.values():
            relay.close()
        shutil.rmtree(self._directory)
        self._native.close()

    def options(self) -> Mapping[str, object]:
        if self._socket is None:
            return self.target.options
        uri, _ = self._led_through(self._socket)
        return {**self.target.options, "uri": uri}

    def elsewhere(self) -> Mapping[str, object]:
        """The options of another host: those of the target with what its setting ``elsewhere`` says beside."""
        differing = self.target.settings.get("elsewhere")
        if differing is None:
            raise NotVerified("the target's settings name no endpoint elsewhere")
        options = {**self.target.options, **differing}
        socket = socket_of(str(options["uri"]))
        return options if socket is None else {**options, "uri": self._led_through(socket)[0]}

    def _led_through(self, daemon: Path) -> tuple[str, Relay]:
        """A new relay, with the URI that leads through it."""
        relay = Relay(self._directory / str(len(self._relays)), daemon)
        relay.open()
        uri = f"qemu+unix:///system?socket={relay.path}"
        self._relays[uri] = relay
        return uri, relay

    @property
    def _uri(self) -> str:
        return str(self.target.options.get("uri", "qemu:///system"))

    @property
    def _socket(self) -> Path | None:
        """The daemon's socket; None for one that is not this machine's own."""
        return socket_of(self._uri)

    @property
    def _state_directory(self) -> Path | None:
        """Where this machine's daemon keeps what is no volume; of another's it cannot be seen."""
        return None if self._socket is None else Path(self.target.settings.get("state_directory", STATE))

    def _relay(self, compute: Compute) -> Relay:
        with compute.native() as handle:
            relay = self._relays.get(handle.getURI())  # type: ignore[attr-defined]
        if relay is None:
            raise NotVerified("the connection does not go through a relay of the rig's: the daemon is not local")
        return relay

    # --- eyes -----------------------------------------------------------------------------------------------------

    def backend_objects(self) -> Collection[str]:
        return self._objects.list()

    def requests(self, compute: Compute) -> int:
        return self._relay(compute).requests

    def boots(self, guest: Instance) -> int:
        return self._boots.of(guest.uuid)

    def hardware(self, guest: UUID) -> Hardware:
        return hardware_of(self._native, self._domain(guest))

    def lacking(self, feature: Feature) -> str | None:
        return lacking(self._native, feature, self.target.network)

    def scribbled(self, guest: Instance) -> bool:
        return Scribble.of(self._native, self._domain(guest.uuid)).is_there()

    def secrets(self) -> Sequence[str]:
        password = self.target.options.get("password")
        return () if password is None else (resolve("password", password).reveal(),)

    # --- states ---------------------------------------------------------------------------------------------------

    def enter(self, guest: Instance, state: PowerState) -> None:
        domain = self._domain(guest.uuid)
        match state:
            case PowerState.RUNNING:
                domain.resume() if domain.isActive() else domain.create()
            case PowerState.PAUSED:
                domain.suspend()
            case PowerState.SHUTDOWN:
                domain.destroy()
            case PowerState.SUSPENDED:
                domain.managedSave(0)
            case PowerState.CRASHED:
                self._crash(domain)
            case PowerState.NOSTATE:
                raise NotVerified("libvirt brings no guest of QEMU's into this state")

    def scribble(self, guest: Instance) -> None:
        Scribble.of(self._native, self._domain(guest.uuid)).write()

    def fill(self, guest: Instance, offset: int, length: int, byte: int) -> None:
        fill(self._native, self._domain(guest.uuid), offset, length, byte)

    def _crash(self, domain: Any) -> None:
        """Start the guest anew with a panic device, keep it when it panics, and let it panic."""
        import libvirt_qemu

        definition = definition_of(domain)
        definition.find("on_crash").text = "preserve"
        definition.find("devices").append(E.panic(model="isa"))
        domain.destroy()
        domain = self._native.defineXML(etree.tostring(definition, encoding="unicode"))
        domain.create()
        libvirt_qemu.qemuMonitorCommand(domain, PANIC, libvirt_qemu.VIR_DOMAIN_QEMU_MONITOR_COMMAND_HMP)
        wait_until(lambda: domain.state()[0] == libvirt.VIR_DOMAIN_CRASHED, "the guest has crashed")

    @contextmanager
    def letting_go(self, guest: UUID) -> Iterator[None]:
        """A blank guest lets go of a card only at a reset, so it is reset again and again."""
        over = threading.Event()

        def reset() -> None:
            while not over.wait(RESETS):
                with suppress(libvirt.libvirtError):  # it is off
                    self._domain(guest).reset(0)

        resetting = threading.Thread(target=reset, name="nova-virt-libvirt-reset", daemon=True)
        resetting.start()
        try:
            yield
        finally:
            over.set()
            resetting.join()

    @contextmanager
    def hang(self, guest: Instance) -> Iterator[None]:
        if self._socket is None:
            raise NotVerified("guests' processes are on another machine")
        with ExitStack() as until_over:
            try:
                until_over.enter_context(standing_still(guest.uuid))
            except LookupError as error:
                raise NotVerified(str(error)) from error
            yield

    # --- guests of other making -----------------------------------------------------------------------------------

    @contextmanager
    def foreign_guest(self, name: str) -> Iterator[UUID]:
        guest = uuid4()
        definition = E.domain(
            E.name(name),
            E.uuid(str(guest)),
            E.memory("16", unit="MiB"),
            E.vcpu("1"),
            E.os(E.type("hvm", arch="x86_64", machine="pc")),
            type="qemu",
        )
        with self._defined(definition) as domain:
            yield UUID(bytes=domain.UUID())

    @contextmanager
    def native_copy(self, guest: Instance, name: str) -> Iterator[UUID]:
        definition = definition_of(self._domain(guest.uuid))
        definition.find("name").text = name
        definition.find("uuid").text = str(uuid4())
        with self._defined(definition) as domain:
            yield UUID(bytes=domain.UUID())

    @contextmanager
    def _defined(self, definition: Any) -> Iterator[Any]:
        domain = self._native.defineXML(etree.tostring(definition, encoding="unicode"))
        try:
            yield domain
        finally:
            self._remove(domain)

    def claim_twice(self, guest: Instance) -> Any:
        raise NotApplicable("a guest's uuid is the uuid of its domain, of which libvirt has no two")

    # --- ports outside of libvirt's networks ---------------------------------------------------------------------

    def new_port(self, feature: Feature) -> Nic:
        """On the bridge below the target's network, or the one that the setting ``ovs_bridge`` names."""
        if feature is Feature.NIC_BRIDGE and self.target.network is not None:
            return Nic(binding=BridgePort(bridge=self._native.networkLookupByName(self.target.network).bridgeName()))
        if feature is Feature.NIC_OVS and "ovs_bridge" in self.target.settings:
            return Nic(binding=OvsPort(bridge=self.target.settings["ovs_bridge"], interface_id=uuid4(), vlan=7))
        return super().new_port(feature)

    # --- volumes of a storage service -----------------------------------------------------------------------------

    def volume(self) -> Volume:
        return self._volumes.new()

    def special_volume(self, feature: Feature) -> Volume:
        if feature is Feature.HOST_VOLUMES:
            return self._volumes.new()
        if feature is Feature.VOLUME_ENCRYPTION:
            return self._volumes.new_encrypted()
        if feature is Feature.NBD_VOLUMES and self._socket is not None:
            return self._exports.new()
        if feature is Feature.HOST_CONNECTIONS and self._socket is not None:
            return self._volumes.new_local()
        return super().special_volume(feature)

    def has_volume(self, volume: Volume) -> bool:
        return self._volumes.has(volume)

    # --- shared directories ---------------------------------------------------------------------------------------

    def share(self) -> Share:
        return self._shares.new()

    def forbidden_shares(self) -> Sequence[Share]:
        return self._shares.forbidden()

    def missing_share(self) -> Share:
        return self._shares.missing()

    def write_share(self, share: Share, name: str, content: bytes) -> None:
        self._shares.write(share, name, content)

    def read_share(self, share: Share, name: str) -> bytes | None:
        return self._shares.read(share, name)

    # --- losses ---------------------------------------------------------------------------------------------------

    def vanish(self, guest: Instance) -> None:
        self._remove(self._domain(guest.uuid))

    def _remove(self, domain: Any) -> None:
        """Remove a domain and what libvirt itself keeps for it; nothing happens if it is gone."""
        try:
            if domain.isActive():
                domain.destroy()
            domain.undefineFlags(UNDEFINE)
        except libvirt.libvirtError as error:
            if error.get_error_code() != libvirt.VIR_ERR_NO_DOMAIN:
                raise

    def remove_kept_disks(self, guest: UUID) -> None:
        for pool in self.target.pools:
            for volume in self._native.storagePoolLookupByName(pool).listAllVolumes(0):
                if re.match(rf"{guest}\.disk\d+\.", volume.name()):
                    volume.delete(0)

    @contextmanager
    def removing_image(self, name: str) -> Iterator[None]:
        try:
            yield
        finally:
            pool = self._native.storagePoolLookupByName(self.target.pools[0])
            if name in pool.listVolumes():
                pool.storageVolLookupByName(name).delete(0)

    @contextmanager
    def cut_connection(self, compute: Compute) -> Iterator[None]:
        relay = self._relay(compute)
        relay.close()
        try:
            yield
        finally:
            relay.open()

    # --- refusals -------------------------------------------------------------------------------------------------

    @contextmanager
    def provoke(self, compute: Compute, method: str, error: type[VirtError], guest: Instance | None) -> Iterator[None]:
        if (method, error) == ("Driver.update", InvalidState) and guest is not None:
            self.enter(guest, PowerState.RUNNING)  # guests of QEMU's are renamed only while they are off
            yield
        elif method in UNFINISHED and error is InvalidState and guest is not None:
            with being_destroyed(self._domain(guest.uuid), self.target.owner):
                yield
        elif (method, error) == ("Adopt.check_adoptable", Busy) and guest is not None:
            with being_worked_on(self._native, self.target.pools[0], guest.uuid, self.target.owner):
                yield
        elif (refusal := REFUSALS.get((method, error))) is not None:
            with self._relay(compute).refusing(refusal):
                yield
        else:
            raise NotVerified(f"the rig cannot provoke {error.__name__} in {method}")

    def broken_options(self, error: type[VirtError]) -> dict[str, object]:
        if error is Unavailable:
            return {"uri": f"qemu+unix:///system?socket={self._directory}/nobody"}
        if error is AuthenticationFailed and self._socket is not None:
            uri, relay = self._led_through(self._socket)
            self._refused.enter_context(relay.refusing(CREDENTIALS))
            return {"uri": uri}
        raise NotVerified(f"the rig has no options that end in {error.__name__}")

    def _domain(self, guest: UUID) -> Any:
        return self._native.lookupByUUID(guest.bytes)


def socket_of(uri: str) -> Path | None:
    """The socket of the daemon that a URI leads to; None for one that is not this machine's own."""
    parts = urlsplit(uri)
    if parts.hostname or parts.path != "/system":
        return None
    named = parse_qs(parts.query).get("socket")
    path = Path(named[0]) if named else SOCKET
    return path if path.is_socket() else None


def wait_until(condition: Any, what: str) -> None:
    """Return once it holds.

    Raises:
        TimeoutError: it does not.
    """
    end = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError(f"not within {PATIENCE:g} s: {what}")
        time.sleep(0.01)
