"""The pools and networks that a spec means."""

from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final, TypeVar

import libvirt

from nova_virt_api.errors import ConfigError, InvalidSpec, Unavailable
from nova_virt_api.model.nic import Nic
from nova_virt_api.model.nic_binding import BridgePort, OvsPort
from nova_virt_api.model.spec import require_one
from nova_virt_libvirt.errors import translated
from nova_virt_libvirt.names import is_opened_directory
from nova_virt_libvirt.network.bridges import NO_BRIDGES, Bridges, require_bridge
from nova_virt_libvirt.network.user_network import USER_MODE, is_own_daemon
from nova_virt_libvirt.network.wire import Wire, WireKind
from nova_virt_libvirt.storage.pools import OVERLAY_KINDS, Pool, inactive

T = TypeVar("T")

MISSING: Final = frozenset({libvirt.VIR_ERR_NO_STORAGE_POOL, libvirt.VIR_ERR_NO_NETWORK, libvirt.VIR_ERR_INVALID_ARG})
"""Answers to a lookup by a name or uuid that is none, or nobody's."""

KINDS: Final[dict[str, str]] = {}
"""Kind of each pool by uuid; it never changes."""

PREFERRED: Final = "default"
"""Name of the pool that libvirt's tools make; the one to use, of several, if nobody says which."""


class Places:
    """What names and ids of an endpoint's places mean. Short-lived: made for one verb, remembers what it found.

    Args:
        connection: the connection to look with.
        configured_pool: the driver's option ``pool``: where records are kept, and disks that name no pool.
        bridges: the host's bridges that count as networks.
    """

    def __init__(
        self, connection: libvirt.virConnect, configured_pool: str | None, bridges: Bridges = NO_BRIDGES
    ) -> None:
        self._connection = connection
        self._configured_pool = configured_pool
        self._bridges = bridges
        self._pools: dict[str, Pool] = {}

    def records_pool(self) -> Pool:
        """The pool that records are kept in: the configured one, or ``default``, or the first by name that serves.

        Raises:
            ConfigError: the configured one is not there or does not serve, or none does.
            Unavailable: it is not active.
        """
        if self._configured_pool is not None:
            try:
                return self._pool("pool", self._configured_pool)
            except InvalidSpec as error:
                message = f"storage pool {self._configured_pool} cannot be used"
                raise ConfigError("pool", message, hint=f"name {error.allowed}") from error
        for name in sorted(self._pool_names(), key=lambda name: (name != PREFERRED, name)):
            with suppress(InvalidSpec):  # of a kind that cannot hold files
                return self._pool("pool", name)
        kinds = ", ".join(sorted(OVERLAY_KINDS))
        raise ConfigError("pool", "there is no active storage pool for guests", hint=f"make one of kind {kinds}")

    def pool(self, field: str, wanted: str | None) -> Pool:
        """The pool that a field of a spec means: by name or id; left out, the configured or the obvious one.

        Raises:
            InvalidSpec: there is none such, or several and none was named, or it cannot hold a guest's disks.
            Unavailable: it is not active.
        """
        return self._pool(field, wanted if wanted is not None else self._usual_pool(field))

    def active_pools(self) -> list[Pool]:
        """All pools that can be looked into."""
        active = libvirt.VIR_CONNECT_LIST_STORAGE_POOLS_ACTIVE
        with translated("look for storage pools"):
            pools = [Pool(self._connection, native) for native in self._connection.listAllStoragePools(active)]
            return [pool for pool in pools if not is_opened_directory(pool.name)]

    def wire(self, field: str, nic: Nic) -> Wire:
        """What an interface of a spec is plugged into: the port that it names, or its network. Not one of os-vif's.

        Args:
            field: what errors call the interface.
            nic: the interface.

        Raises:
            InvalidSpec: there is no such network, or several and none was named.
            Unavailable: the network is not active, or the host has no such bridge.
        """
        if isinstance(nic.binding, BridgePort | OvsPort):
            return require_bridge(self._connection, Wire.of_binding(nic.binding))
        return self.network(f"{field}.network", nic.network)

    def network(self, field: str, wanted: str | None) -> Wire:
        """The network that a field of a spec means: by name or id, or the only one.

        Raises:
            InvalidSpec: there is none such, or several and none was named.
            Unavailable: it is not active, or the host has no such bridge.
        """
        with translated("look for networks"):
            if wanted is None:
                active = [*self._connection.listNetworks(), *(wire.id for wire in self._bridges)]
                wanted = require_one(field, None, active or self._connection.listDefinedNetworks() or self._user_mode())
            if wanted in self._user_mode():
                return Wire.of_id(wanted)
            found = either(self._connection.networkLookupByName, self._connection.networkLookupByUUIDString, wanted)
            if found is None:
                return require_bridge(self._connection, self._bridge(field, wanted))
            name: str = found.name()
            if not found.isActive():
                raise Unavailable(f"network {name} is not active", hint=f"start it: virsh net-start {name}")
            return Wire(kind=WireKind.NETWORK, name=name)

    def again(self, field: str, known: str) -> Wire:
        """What a guest that was somewhere else is plugged into here, by its id there.

        Raises:
            InvalidSpec: there is no such network here.
            Unavailable: it is not active, or the host has no such bridge.
        """
        wire = Wire.of_id(known)
        if wire.binding is not None:
            return require_bridge(self._connection, wire)
        return self.network(field, known)

    def _bridge(self, field: str, wanted: str) -> Wire:
        found = self._bridges.find(wanted)
        if found is None:
            names = [*self._connection.listNetworks(), *(wire.name for wire in self._bridges), *self._user_mode()]
            raise none_such(field, wanted, names)
        return found

    def _user_mode(self) -> list[str]:
        return [USER_MODE] if is_own_daemon(self._connection) else []

    def _usual_pool(self, field: str) -> str:
        if self._configured_pool is not None:
            return self._configured_pool
        names = self._pool_names()
        return PREFERRED if PREFERRED in names else require_one(field, None, names)

    def _pool_names(self) -> list[str]:
        with translated("look for storage pools"):
            pools = self._connection.listAllStoragePools(libvirt.VIR_CONNECT_LIST_STORAGE_POOLS_ACTIVE)
            names = [pool.name() for pool in pools]  # listStoragePools() counts first, then lists
            return [name for name in names if not is_opened_directory(name)]

    def _pool(self, field: str, wanted: str) -> Pool:
        if wanted not in self._pools:
            self._pools[wanted] = self._find_pool(field, wanted)
        return self._pools[wanted]

    def _find_pool(self, field: str, wanted: str) -> Pool:
        connection = self._connection
        with translated("look for storage pools"):
            found = either(connection.storagePoolLookupByName, connection.storagePoolLookupByUUIDString, wanted)
            if found is None or is_opened_directory(found.name()):
                raise none_such(field, wanted, self._pool_names())
            pool = Pool(connection, found)
            if not found.isActive():
                raise inactive(pool.name)
            kind = KINDS.get(found.UUIDString()) or KINDS.setdefault(found.UUIDString(), pool.kind())
        if kind not in OVERLAY_KINDS:
            kinds = ", ".join(sorted(OVERLAY_KINDS))
            raise InvalidSpec(field, f"{wanted}, of kind {kind}", f"a storage pool of kind {kinds}")
        return pool


def either(by_name: Callable[[str], T], by_uuid: Callable[[str], T], wanted: str) -> T | None:
    """What a name, or else a uuid, stands for."""
    for look in (by_name, by_uuid):
        try:
            return look(wanted)
        except libvirt.libvirtError as error:
            if error.get_error_code() not in MISSING:
                raise
    return None


def none_such(field: str, wanted: Any, candidates: list[str]) -> InvalidSpec:
    """The error for a place that is not there."""
    allowed = f"one of: {', '.join(sorted(candidates))}" if candidates else "none: there is none here"
    return InvalidSpec(field, wanted, allowed)
