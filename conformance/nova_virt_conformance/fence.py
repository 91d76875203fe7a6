"""The fence around the kit: what it must not touch, and how much it may have. People will point it at production."""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from nova_virt_api.capability import Capability, Feature
from nova_virt_api.errors import ConfigError, VirtError
from nova_virt_api.model.instance import Instance
from nova_virt_conformance.target import OWNER_PREFIX

if TYPE_CHECKING:
    from collections.abc import Iterable
    from uuid import UUID

    from nova_virt_api.compute.compute import Compute
    from nova_virt_api.driver.driver import Driver
    from nova_virt_api.model.clone import CloneSpec
    from nova_virt_api.model.nic import Nic
    from nova_virt_api.model.place import Network, StoragePool
    from nova_virt_api.model.spec import InstanceSpec
    from nova_virt_conformance.target import Target


class OutOfBounds(VirtError):
    """The kit wanted something outside its fence; the driver was not asked."""

    code = "out-of-bounds"


class Fence:
    """Refuses, before the driver is called, whatever the target does not allow. Thread-safe.

    Args:
        target: what is allowed.
    """

    def __init__(self, target: Target) -> None:
        self._target = target
        self._lock = threading.Lock()
        self._specs: dict[UUID, InstanceSpec] = {}
        self._made: set[UUID] = set()
        self._strangers: set[UUID] = set()
        self._closed_places: dict[str, frozenset[str]] = {"pool": frozenset(), "network": frozenset()}
        self._breaches: list[str] = []
        self.repair: Final = f"{target.owner}: taken out of use by the conformance kit"
        """The reason to tell for a node that is taken out of use; by it a later run finds the node."""

        self.nodes: set[str] = set()
        """Names of nodes that the kit may have taken out of use."""

        self.refusals: list[str] = []
        """Limits of the target that something was kept from the driver for, since they were last cleared."""

    def look_around(self, compute: Compute) -> None:
        """See what is there and not ours, before the first verb.

        Raises:
            ConfigError: a pool, a network or a node of the target is not there.
        """
        pools = {name for pool in compute.storage_pools() for name in (pool.name, pool.id)}
        networks = {name for network in compute.networks() for name in (network.name, network.id)}
        check_named("pools", self._target.pools, pools)
        check_named("networks", self._target.networks, networks)
        check_there("pools", self._target.pools, pools)
        check_there("networks", self._target.networks, networks)
        self._closed_places = {
            "pool": names_beside(compute.storage_pools(), self._target.pools),
            "network": names_beside(compute.networks(), self._target.networks),
        }
        if self._target.nodes or compute.capabilities().has(Capability.HOST_CONTROL):
            nodes = compute.nodes()
            check_there("nodes", self._target.nodes, {name for node in nodes for name in (node.name, node.id)})
            self.nodes |= {node.name for node in nodes if node.maintenance == self.repair}
        for guest in compute.instances(fresh=True):
            if not self._owns(guest):
                self._strangers.add(guest.uuid)

    def saw(self, result: object) -> None:
        """Look for strangers in what the driver returned: other people make guests too while the kit runs.

        Foreign guests that a rig makes for a test have names that begin as the kit's owners do.
        """
        seen = (result,) if isinstance(result, Instance) else result if isinstance(result, list | tuple) else ()
        for guest in seen:
            if isinstance(guest, Instance) and not self._owns(guest) and not guest.name.startswith(OWNER_PREFIX):
                with self._lock:
                    self._strangers |= {guest.uuid} - self._made

    def _owns(self, guest: Instance) -> bool:
        return guest.owner in (self._target.owner, self._target.other_owner)

    def admit_verb(self, method: str, guest: UUID) -> None:
        """Let a verb pass unless its guest is there and not the kit's."""
        with self._lock:
            stranger = guest in self._strangers
            if stranger:
                self._breaches.append(f"{method} was asked for the guest {guest}, which is not the kit's")
        if stranger:
            raise OutOfBounds(f"the guest {guest} is not the kit's", hint="the driver was not asked")

    def take_breaches(self) -> tuple[str, ...]:
        """What the kit wanted of guests that are not its own, a line each; told once."""
        with self._lock:
            taken = tuple(dict.fromkeys(self._breaches))
            self._breaches.clear()
        return taken

    def admit_spec(self, spec: InstanceSpec) -> None:
        """Let a spawn pass if it stays in its places and within the quota, and count it."""
        self.admit_verb("spawn", spec.uuid)
        for kind, name in places(spec):
            if name in self._closed_places[kind]:
                raise self._refusal(f"the {kind} {name} is not one that the kit may use")
        with self._lock:
            specs = [*(other for uuid, other in self._specs.items() if uuid != spec.uuid), spec]
            over = "; ".join(self._excess(specs))
            if not over:
                self._specs[spec.uuid] = spec
                self._made.add(spec.uuid)
        if over:
            raise self._refusal(f"the quota does not allow it: {over}")

    def admit_clone(self, original: UUID, copy: CloneSpec) -> None:
        """Let a copy of a guest pass as a spawn of one like it; of a guest that the kit did not make there is none."""
        with self._lock:
            like = self._specs.get(original)
        if like is None:
            self.admit_verb("clone", copy.uuid)
            return
        nics = like.nics if copy.nics is None else copy.nics
        self.admit_spec(replace(like, uuid=copy.uuid, name=copy.name, nics=nics, volumes=()))

    def admit_nic(self, nic: Nic) -> None:
        """Let an interface pass if its network is one of the target's."""
        if nic.network in self._closed_places["network"]:
            raise self._refusal(f"the network {nic.network} is not one that the kit may use")

    def admit_node(self, method: str, node: str, driver: Driver) -> None:
        """Let a verb on a node pass if the target names the node, or the node is one of the kit's guests.

        Args:
            method: the verb.
            node: the node; one that is not there passes.
            driver: tells what is there.
        """
        same = next((each for each in driver.nodes() if node in (each.name, each.id)), None)
        if same is None:
            return
        known = {same.name, same.id} & {*self._target.nodes, *self.nodes}
        if not known and not (
            driver.capabilities().has(Feature.WHOLE_NODES)
            and any(guest.node in (same.name, same.id) and self._owns(guest) for guest in driver.instances(fresh=True))
        ):
            raise self._refusal(f"{method}: the node {node} is not one that the kit may take out of use")
        self.nodes.add(same.name)

    def forget(self, guest: UUID) -> None:
        """A guest is gone and counts no more."""
        with self._lock:
            self._specs.pop(guest, None)

    def keep_only(self, guests: Iterable[UUID]) -> None:
        """Every guest but these is gone."""
        kept = set(guests)
        with self._lock:
            self._specs = {uuid: spec for uuid, spec in self._specs.items() if uuid in kept}

    def _excess(self, specs: list[InstanceSpec]) -> Iterable[str]:
        quota = self._target.quota
        wanted = {
            "guests": len(specs),
            "vcpus": sum(spec.vcpus for spec in specs),
            "memory_bytes": sum(spec.memory_bytes for spec in specs),
            "disk_bytes": sum(disk.size_bytes or 0 for spec in specs for disk in spec.disks),
        }
        return (f"{what} {n} of {getattr(quota, what)}" for what, n in wanted.items() if n > getattr(quota, what))

    def _refusal(self, text: str) -> OutOfBounds:
        self.refusals.append(text)
        return OutOfBounds(text, hint="widen the target if you mean it")


def places(spec: InstanceSpec) -> Iterable[tuple[str, str]]:
    """The places that a spec names, with their kind."""
    for pool in (spec.placement.pool, *(disk.pool for disk in spec.disks)):
        if pool is not None:
            yield "pool", pool
    for nic in spec.nics:
        if nic.network is not None:
            yield "network", nic.network


def names_beside(places: Iterable[StoragePool | Network], allowed: Iterable[str]) -> frozenset[str]:
    """The names and ids of all places that are not among the allowed ones."""
    wanted = set(allowed)
    return frozenset(name for place in places if not {place.name, place.id} & wanted for name in (place.name, place.id))


def check_named(field: str, wanted: tuple[str, ...], found: set[str]) -> None:
    """Refuse to go without places where the endpoint has some: they may be other people's."""
    if found and not wanted:
        hint = f"name those that the kit may use; there are: {', '.join(sorted(found))}"
        raise ConfigError(field, "none is named", hint=hint)


def check_there(field: str, wanted: Iterable[str], found: set[str]) -> None:
    """Refuse places that the endpoint does not have."""
    missing = sorted(set(wanted) - found)
    if missing:
        there = ", ".join(sorted(found)) or "nothing"
        raise ConfigError(field, f"not there: {', '.join(missing)}", hint=f"the endpoint has: {there}")
