"""Ports that os-vif makes and removes on this machine, as Neutron or another network service describes them.

The library is an extra, ``nova-virt-libvirt[os-vif]``, and loaded when a guest asks for such a port. It configures
itself from oslo.config's global options, which belong to the application; those that it leaves alone are set from ours.
"""

from __future__ import annotations

import importlib.util
import json
import os
import threading
import warnings
from dataclasses import dataclass, replace
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit
from uuid import UUID

from nova_virt_api.errors import InvalidSpec, NetworkError, StateAfter
from nova_virt_api.model.leftover import Leftover
from nova_virt_api.model.nic_binding import check_device_name
from nova_virt_libvirt.network.wire import Wire, WireKind

if TYPE_CHECKING:
    from nova_virt_api.model.nic import Nic
    from nova_virt_api.model.nic_binding import OpaquePort
    from nova_virt_libvirt.network.vif_note import VifNote

KIND: Final = "os-vif"
"""What such a port is called in an ``OpaquePort``."""

HINT: Final = "look at the log of Open vSwitch, and at os-vif's options: the group os_vif_ovs of oslo.config"
LOADING: Final = threading.Lock()
"""os-vif keeps its plug-ins in a variable of its own."""


@dataclass(frozen=True, slots=True)
class Owner:
    """The guest that ports are made for.

    Args:
        uuid: its uuid.
        name: its name.
    """

    uuid: UUID
    name: str


@dataclass(frozen=True, slots=True)
class Vifs:
    """Makes and removes ports.

    Args:
        uri: the endpoint; ports can be made on this machine only.
        ovsdb: where Open vSwitch's database is; None leaves that to os-vif.
    """

    uri: str
    ovsdb: str | None

    @property
    def refusal(self) -> str:
        """Why no such ports can be made; empty if they can."""
        if urlsplit(self.uri).hostname is not None:
            return "os-vif works on its own machine: run the driver on the hypervisor's host"
        if importlib.util.find_spec("os_vif") is None:
            return "the library os-vif is not installed: pip install 'nova-virt-libvirt[os-vif]'"
        return ""

    def described(self, field: str, nic: Nic, binding: OpaquePort) -> tuple[Nic, Wire]:
        """The interface with the address that its port was made for, and what it is plugged into.

        Raises:
            InvalidSpec: this is no port of os-vif, or one of a kind that this driver does not know.
        """
        if binding.kind != KIND:
            raise InvalidSpec(f"{field}.binding.kind", binding.kind, f"{KIND!r}")
        if refusal := self.refusal:
            raise InvalidSpec(f"{field}.binding", binding.kind, f"another port: {refusal}")
        self._load()
        vif = parsed(f"{field}.binding.properties", binding.properties)
        wire = wire_of(f"{field}.binding.properties", vif)
        address = str(vif.address).lower() if "address" in vif and vif.address is not None else nic.mac
        if address is None or (nic.mac or address) != address:
            raise InvalidSpec(f"{field}.mac", nic.mac, f"{address or 'an address'}, as the port has it")
        return replace(nic, mac=address, binding=None), wire

    def plug(self, owner: Owner, properties: str) -> None:
        """Make a port, or complete it. Idempotent.

        Raises:
            NetworkError: os-vif could not.
        """
        self._load()
        import os_vif

        vif = parsed("binding.properties", properties)
        try:
            os_vif.plug(vif, instance_info(owner))
        except Exception as error:  # plug-ins raise what they like
            message = f"os-vif could not make the port of interface {vif.address}: {error}"
            raise NetworkError(message, hint=HINT, state_after=StateAfter.UNKNOWN) from error

    def unplug(self, owner: Owner, properties: str) -> None:
        """Remove a port. Idempotent.

        Raises:
            NetworkError: os-vif could not.
        """
        if refusal := self.refusal:
            raise NetworkError("the guest has a port of os-vif's, which cannot be removed from here", hint=refusal)
        self._load()
        import os_vif

        vif = parsed("binding.properties", properties)
        try:
            os_vif.unplug(vif, instance_info(owner))
        except Exception as error:  # plug-ins raise what they like
            message = f"os-vif could not remove the port of interface {vif.address}: {error}"
            left = [Leftover(uuid=owner.uuid, kind="port", name=str(vif.id))]
            raise NetworkError(message, hint=HINT, state_after=StateAfter.UNKNOWN, leftovers=left) from error

    def plug_all(self, owner: Owner, note: VifNote) -> None:
        """Make all ports of a guest that is going to start.

        Raises:
            NetworkError: os-vif could not make one.
        """
        for properties in note.ports.values():
            self.plug(owner, properties)

    def plug_again(self, owner: Owner, note: VifNote) -> None:
        """Make the ports that were made for a guest: a restart of its host may have taken them.

        From another machine nobody can; then libvirt says which one is missing.

        Raises:
            NetworkError: os-vif could not make one.
        """
        if not self.refusal:
            self.plug_all(owner, note)

    def unplug_all(self, owner: Owner, note: VifNote) -> None:
        """Remove all ports of a guest that is going to be removed.

        Raises:
            NetworkError: os-vif could not remove one.
        """
        for properties in note.ports.values():
            self.unplug(owner, properties)

    def _load(self) -> None:
        """Load os-vif and its plug-ins, once; as root they work in this process, not in one of their own."""
        with LOADING, warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # of libraries below it
            import os_vif
            from oslo_config import cfg
            from vif_plug_ovs import privsep
            from vif_plug_ovs.ovs import OvsPlugin

            if self.ovsdb is not None:
                group = "os_vif_ovs"
                cfg.CONF.register_opts(OvsPlugin.CONFIG_OPTS, group=group)
                cfg.CONF.set_default("ovsdb_connection", self.ovsdb, group=group)
            if os.geteuid() == 0:
                privsep.vif_plug.set_client_mode(False)
            os_vif.initialize()


def parsed(field: str, properties: str) -> Any:
    """os-vif's object for a description.

    Raises:
        InvalidSpec: it is none.
    """
    from os_vif import objects
    from oslo_versionedobjects.exception import VersionedObjectsException

    try:
        return objects.vif.VIFBase.obj_from_primitive(json.loads(properties))
    except (KeyError, ValueError, TypeError, AttributeError, VersionedObjectsException) as error:
        raise InvalidSpec(field, f"what os-vif cannot read ({error})", "a VIF object of os-vif as JSON") from None


def wire_of(field: str, vif: Any) -> Wire:
    """What the guest's end of a port is plugged into.

    Raises:
        InvalidSpec: it is of a kind that is no port of a bridge, or nobody here makes it.
    """
    makers = entry_points(group="os_vif").names
    maker = said(field, vif, "plugin")
    if maker not in makers:
        raise InvalidSpec(field, f"a port that plug-in {maker} makes", f"one of: {', '.join(sorted(makers))}")
    said(field, vif, "id")
    profile = vif.port_profile if "port_profile" in vif else None
    match type(vif).__name__:
        case "VIFOpenVSwitch" if profile is not None:
            bridge, known = said(field, said(field, vif, "network"), "bridge"), interface_id_of(field, profile)
            if "create_port" in profile and profile.create_port:
                return Wire(kind=WireKind.TAP, name=device_of(field, vif))
            return Wire(kind=WireKind.OVS, name=bridge, interface_id=known, device=device_of(field, vif))
        case "VIFBridge":
            return Wire(kind=WireKind.BRIDGE, name=said(field, vif, "bridge_name"), device=device_of(field, vif))
        case "VIFGeneric":
            return Wire(kind=WireKind.TAP, name=device_of(field, vif))
        case other:
            raise InvalidSpec(field, other, "a VIFOpenVSwitch with a port profile, VIFBridge or VIFGeneric")


def said(field: str, part: Any, name: str) -> Any:
    """What a part of a description says of itself; os-vif lets everything be left out.

    Raises:
        InvalidSpec: it does not.
    """
    value = getattr(part, name) if name in part else None
    if value is None:
        raise InvalidSpec(field, f"a {type(part).__name__} that does not say its {name}", f"one that says its {name}")
    return value


def device_of(field: str, vif: Any) -> str:
    """The name of a port's device on the host.

    Raises:
        InvalidSpec: no device can have it.
    """
    name = str(said(field, vif, "vif_name"))
    check_device_name(field, name)
    return name


def interface_id_of(field: str, profile: Any) -> UUID:
    """What controllers of Open vSwitch know a port by.

    Raises:
        InvalidSpec: that is no uuid, which libvirt wants.
    """
    known = str(said(field, profile, "interface_id"))
    try:
        return UUID(known)
    except ValueError:
        raise InvalidSpec(field, f"a port with the interface_id {known!r}", "one with a uuid there") from None


def instance_info(owner: Owner) -> Any:
    """os-vif's object for a guest."""
    from os_vif import objects

    return objects.instance_info.InstanceInfo(uuid=str(owner.uuid), name=owner.name)
