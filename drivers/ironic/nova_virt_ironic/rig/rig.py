"""The rig: Ironic as the conformance kit sees and handles it, by requests that are not the driver's."""

from __future__ import annotations

import uuid
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from nova_virt_api.errors import AuthenticationFailed, InvalidState, NoCapacity, StorageError, Unavailable
from nova_virt_api.model.cloud_init import CloudInitSource
from nova_virt_api.model.image import BackendUrl
from nova_virt_api.model.instance import PowerState
from nova_virt_api.model.nic import Nic
from nova_virt_api.model.secret import Secret
from nova_virt_api.model.volume import Volume
from nova_virt_api.model.volume_connection import IscsiVolume
from nova_virt_conformance.hardware import HardDisk, Hardware, NetworkCard
from nova_virt_conformance.outcome import NotApplicable, NotVerified
from nova_virt_conformance.rig import Rig
from nova_virt_ironic.options import OPTIONS
from nova_virt_ironic.rig.conductor_log import ConductorLog
from nova_virt_ironic.rig.native import Native
from nova_virt_ironic.rig.network import Ports
from nova_virt_ironic.rig.nodes import Nodes, firmware_of
from nova_virt_ironic.rig.objects import Objects, vif_of
from nova_virt_ironic.rig.refusal import NEVER, REFUSALS, unauthorized
from nova_virt_ironic.rig.relay import Relay

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from nova_virt_api.compute.compute import Compute
    from nova_virt_api.errors import VirtError
    from nova_virt_api.model.instance import Instance

POWER: Final = {PowerState.RUNNING: "power on", PowerState.SHUTDOWN: "power off"}
NO_SUCH_STATE: Final = "a machine is on or off"
SCRIPTED: Final = "scripted"
"""The name of the hardware interfaces of this project's test backend, which do as their node's script says."""

MIB: Final = 1024**2
GIB: Final = 1024**3


class IronicRig(Rig):
    """Eyes and hands on machines through Ironic.

    Every connection under test is led through a relay on this machine, which can be cut, and counts what is asked.
    Settings of the target: ``conductor_log``, the path of the conductor's log; ``neutron`` and ``network``, the URL of
    a network service that asks for no login and the id of a network there.

    What machines can be made to do depends on their hardware interfaces: of those of Ironic's own fake hardware
    nothing, of the test backend's all.
    """

    def open(self) -> None:
        self._native = Native(self.target.options)
        self._nodes = Nodes(self._native)
        self._relays: dict[str, Relay] = {}
        self._objects = Objects(self._native, self._nodes, (self.target.owner, self.target.other_owner))
        self._closing = ExitStack()
        self._closing.callback(self._native.close)
        settings = self.target.settings
        log = settings.get("conductor_log")
        self._log = None if log is None else ConductorLog(Path(log))
        self._ports: Ports | None = None
        if "neutron" in settings:
            self._ports = Ports(settings["neutron"], settings["network"])
            self._closing.callback(self._ports.remove_all)

    def close(self) -> None:
        self._closing.close()

    def options(self) -> Mapping[str, object]:
        return {**self.target.options, "endpoint": self._led_through().url}

    def _led_through(self) -> Relay:
        """A new relay."""
        options = self._native.options
        relay = Relay(self._native.endpoint, False if options.insecure else (options.cafile or True))
        relay.open()
        self._closing.callback(relay.close)
        self._relays[relay.url] = relay
        return relay

    def _relay(self, compute: Compute) -> Relay:
        with compute.native() as handle:
            return self._relays[handle.http_client.endpoint_override.removesuffix("/v1")]  # type: ignore[attr-defined]

    # --- eyes -----------------------------------------------------------------------------------------------------

    def backend_objects(self) -> Collection[str]:
        return self._objects.list()

    def requests(self, compute: Compute) -> int:
        return self._relay(compute).requests

    def boots(self, guest: Instance) -> int:
        if self._log is None:
            raise NotVerified("the target has no setting conductor_log")
        node = self._nodes.of(guest.uuid)["uuid"]
        self._native.wait(node, lambda now: now["target_power_state"] is None, "its power is at rest")
        return self._log.starts(node)

    def hardware(self, guest: UUID) -> Hardware:
        node = self._nodes.of(guest)
        properties, info = node["properties"], node["instance_info"]
        ports = sorted(self._ports_of(node), key=lambda port: str(port["address"]))
        cards = [(vif, str(port["address"])) for port in ports if (vif := vif_of(port)) is not None]
        targets = self._native.all(f"/volume/targets?node={node['uuid']}&detail=True", "targets")
        return Hardware(
            vcpus=int(properties["cpus"]),
            memory_bytes=int(properties["memory_mb"]) * MIB,
            disks=(HardDisk(size_bytes=int(properties["local_gb"]) * GIB),),
            nics=tuple(NetworkCard(network="", vif_id=vif, mac=mac) for vif, mac in cards),
            firmware=firmware_of(node),
            first_boot_data="configdrive" in info,
            first_boot_source=CloudInitSource.CONFIG_DRIVE if "configdrive" in info else None,
            volumes=tuple(target["volume_id"] for target in targets),
        )

    def _ports_of(self, node: Any) -> list[Any]:
        return self._native.all(f"/ports?node={node['uuid']}&detail=True", "ports")

    def guest_log(self, guest: UUID) -> bytes:
        if all(map(self._is_imitated, self._nodes.all())):
            raise NotApplicable("the machines are imitated: no operating system runs on them")
        raise NotVerified("the rig does not reach the serial ports of real machines")

    def interrupts(self, guest: Instance) -> int:
        node = self._scripted(guest)
        done: dict[str, Any] = node["driver_internal_info"].get(SCRIPTED, {})
        return int(done.get("nmi", 0))

    def secrets(self) -> Sequence[str]:
        named = (getattr(self._native.options, opt.dest) for opt in OPTIONS if opt.secret)
        return [value.reveal() for value in named if isinstance(value, Secret)]

    # --- hands ----------------------------------------------------------------------------------------------------

    def enter(self, guest: Instance, state: PowerState) -> None:
        if state not in POWER:
            raise NotApplicable(NO_SUCH_STATE)
        self._nodes.power(self._nodes.of(guest.uuid)["uuid"], POWER[state])

    def deafen(self, guest: Instance) -> None:
        self._script(self._scripted(guest), deaf=str(guest.uuid))

    @contextmanager
    def hang(self, guest: Instance) -> Iterator[None]:
        """The machine's management controller cannot be reached."""
        with self._failing(guest, "power"):
            yield

    @contextmanager
    def _failing(self, guest: Instance, what: str) -> Iterator[None]:
        """Something that Ironic wants of the guest's machine fails."""
        node = self._scripted(guest)
        self._script(node, fail=[what])
        try:
            yield
        finally:
            self._script(node, fail=[])

    def scribble(self, guest: Instance) -> None:
        raise self._no_disk(guest)

    def scribbled(self, guest: Instance) -> bool:
        raise self._no_disk(guest)

    def _no_disk(self, guest: Instance) -> Exception:
        if self._is_imitated(self._nodes.of(guest.uuid)):
            return NotApplicable("the machines are imitated: they have no disks")
        return NotVerified("the rig does not reach the disks of real machines")

    def _scripted(self, guest: Instance) -> Any:
        """The guest's node, which must be one whose machine does as its script says."""
        node = self._nodes.of(guest.uuid)
        if node["power_interface"] != SCRIPTED:
            what = "imitated machines do as they are told" if self._is_imitated(node) else "the machine is a real one"
            raise (NotApplicable if self._is_imitated(node) else NotVerified)(what)
        return node

    def _is_imitated(self, node: Any) -> bool:
        return bool(node["driver"] == "fake-hardware")

    def _script(self, node: Any, **values: Any) -> None:
        """Change what happens to a node."""
        now = self._native.get(f"/nodes/{node['uuid']}")["driver_info"].get("script", {})
        change = {"op": "add", "path": "/driver_info/script", "value": now | values}
        self._native.change("PATCH", f"/nodes/{node['uuid']}", [change])

    # --- what guests are given ------------------------------------------------------------------------------------

    def new_nic(self) -> Nic:
        return self.new_vif()

    def new_vif(self) -> Nic:
        if self._ports is None:
            raise NotVerified("the target has no setting neutron")
        return Nic(vif_id=self._ports.make())

    def wrong_backend_url(self) -> BackendUrl:
        if all(map(self._is_imitated, self._nodes.all())):
            raise NotApplicable("the machines are imitated: nothing is fetched for them")
        raise NotVerified("the rig has no image with a wrong checksum for real machines")

    def volume(self) -> Volume:
        number = uuid.uuid4()
        iqn = f"iqn.2026-11.org.example:{number.hex[:12]}"
        return Volume(id=str(number), connection=IscsiVolume(portal="192.0.2.7:3260", iqn=iqn))

    # --- guests of other making -----------------------------------------------------------------------------------

    @contextmanager
    def foreign_guest(self, name: str) -> Iterator[UUID]:
        with self._deployed({"display_name": name, "image_source": "http://127.0.0.1:9/foreign"}) as guest:
            yield guest

    @contextmanager
    def native_copy(self, guest: Instance, name: str) -> Iterator[UUID]:
        written = self._nodes.of(guest.uuid)["instance_info"]
        with self._deployed(written | {"display_name": name}) as copy:
            yield copy

    @contextmanager
    def _deployed(self, info: dict[str, Any]) -> Iterator[UUID]:
        guest = uuid.uuid4()
        node = self._nodes.deploy(guest, info)
        try:
            yield guest
        finally:
            if self._native.get(f"/nodes/{node['uuid']}")["instance_uuid"] == str(guest):
                self._nodes.undeploy(node["uuid"])

    def claim_twice(self, guest: Instance) -> Any:
        raise NotApplicable("Ironic lets one node at a time have an instance_uuid")

    # --- losses ---------------------------------------------------------------------------------------------------

    def vanish(self, guest: Instance) -> None:
        self._nodes.undeploy(self._nodes.of(guest.uuid)["uuid"])

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
        if (method, error) in NEVER:
            raise NotApplicable(NEVER[method, error])
        with ExitStack() as stack:
            if (refusal := REFUSALS.get((method, error))) is not None:
                stack.enter_context(self._relay(compute).answering(refusal))
            elif (method, error) == ("Rebuild.rebuild", StorageError) and guest is not None:
                stack.enter_context(self._failing(guest, "deploy"))
            elif error is InvalidState and guest is not None:
                stack.enter_context(self._being_rebuilt(guest))
            elif (method, error) == ("Interfaces.attach_interface", NoCapacity) and guest is not None:
                stack.enter_context(self._all_cards_taken(guest))
            else:
                raise NotVerified(f"the rig cannot provoke {error.__name__} in {method}")
            yield

    @contextmanager
    def _being_rebuilt(self, guest: Instance) -> Iterator[None]:
        """A deployment of the guest's node is under way, for as long as it takes; rescued, it first goes back."""
        node = self._scripted(guest)
        if node["provision_state"] == "rescue":
            self._nodes.provision(node["uuid"], "unrescue", "active")
        path = f"/nodes/{node['uuid']}"
        self._script(node, wait=["deploy"])
        self._nodes.provision(node["uuid"], "rebuild", "wait call-back")
        try:
            yield
        finally:
            self._native.change("POST", f"{path}/vendor_passthru?method=proceed", {})
            self._native.wait(node["uuid"], lambda now: now["provision_state"] == "active", "the deployment is over")
            self._script(node, wait=[])

    @contextmanager
    def _all_cards_taken(self, guest: Instance) -> Iterator[None]:
        """All network cards of the guest's node are connected."""
        path = f"/nodes/{self._nodes.of(guest.uuid)['uuid']}/vifs"
        free = [port for port in self._ports_of(self._nodes.of(guest.uuid)) if vif_of(port) is None]
        vifs = [self.new_vif().vif_id for _ in free]
        for vif in vifs:
            self._native.change("POST", path, {"id": vif})
        try:
            yield
        finally:
            for vif in vifs:
                self._native.change("DELETE", f"{path}/{vif}")

    def broken_options(self, error: type[VirtError]) -> dict[str, object]:
        relay = self._led_through()
        if error is Unavailable:
            relay.close()
        elif error is AuthenticationFailed and self.target.options.get("password") is not None:
            return {"endpoint": relay.url, "password": f"not-{uuid.uuid4().hex}"}
        elif error is AuthenticationFailed:
            self._closing.enter_context(relay.answering(unauthorized))
        else:
            raise NotVerified(f"the rig has no options that end in {error.__name__}")
        return {"endpoint": relay.url}
