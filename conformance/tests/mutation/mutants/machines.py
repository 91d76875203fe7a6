"""Drivers that are wrong about nodes, guests that are whole nodes, and guests of other making."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from oslo_config import cfg

from nova_virt_api.driver.operation import Operation
from nova_virt_api.errors import NoCapacity
from nova_virt_api.fake.driver import FakeDriver
from nova_virt_api.model.device import Device
from nova_virt_api.model.identity import InstanceRef
from nova_virt_api.model.instance import Instance, PowerState
from nova_virt_api.model.place import Inventory
from nova_virt_api.model.placement import Placement
from nova_virt_api.model.spec import InstanceSpec

# --- guests that are whole nodes --------------------------------------------------------------------------------------


class Machines(FakeDriver):
    """Base of those whose guests are whole nodes."""

    @classmethod
    def options(cls) -> Sequence[cfg.Opt]:
        hosts = ["fake-host", *(f"fake-host-{number}" for number in range(2, 17))]
        changed = {
            "whole_nodes": cfg.BoolOpt("whole_nodes", default=True, help="as bare metal"),
            "nodes": cfg.ListOpt("nodes", default=hosts, help="names"),
        }
        return [changed.get(option.dest, option) for option in super().options()]


class ClaimedNodeLooksFree(Machines):
    """The inventory of a node that is a guest says that it can be had."""

    caught_by = "test_claimed_node_has_nothing_left_to_give"

    def inventory(self, node: str | None = None) -> Inventory:
        found = super().inventory(node)
        return replace(found, resources=tuple(replace(one, used=0, reserved=0) for one in found.resources))


class SharesNodes(Machines):
    """A node can be claimed by many."""

    caught_by = "test_each_guest_has_a_node_of_its_own"

    def spawn(self, spec: InstanceSpec, op: Operation) -> Instance:
        try:
            return super().spawn(spec, op)
        except NoCapacity:
            made = super().spawn(replace(spec, placement=Placement(pool=spec.placement.pool)), op)
            with self.connection.world.changing() as state:
                for guest in state.claimants(spec.uuid):
                    state.put(replace(guest, node=spec.placement.node or guest.node))
            return replace(made, node=spec.placement.node)


class UnknownPowerLooksOff(Machines):
    """A guest whose power state is not known is shown as one that is off."""

    caught_by = "test_unknown_power_state_is_not_off"

    def instance(self, guest: InstanceRef, *, fresh: bool = False) -> Instance:
        found = super().instance(guest, fresh=fresh)
        unknown = found.power_state is PowerState.NOSTATE
        return replace(found, power_state=PowerState.SHUTDOWN) if unknown else found


# --- nodes ------------------------------------------------------------------------------------------------------------


class ForgetsTheReason(FakeDriver):
    """Why a node is out of use is not kept."""

    caught_by = "test_node_in_maintenance_is_shown_so"

    def enter_maintenance(self, node: str, reason: str, op: Operation) -> None:
        super().enter_maintenance(node, "", op)


class KeepsTheFirstReason(FakeDriver):
    """A node that is out of use keeps the first reason."""

    caught_by = "test_maintenance_is_idempotent"

    def enter_maintenance(self, node: str, reason: str, op: Operation) -> None:
        if next(one.maintenance for one in self.nodes() if one.name == node) is None:
            super().enter_maintenance(node, reason, op)


class MaintenanceStopsGuests(FakeDriver):
    """The guests of a node that is taken out of use are stopped."""

    caught_by = "test_guests_stay_while_their_node_is_in_maintenance"

    def enter_maintenance(self, node: str, reason: str, op: Operation) -> None:
        super().enter_maintenance(node, reason, op)
        with self.connection.world.changing() as state:
            for guest in [guest for guest in state.guests.values() if guest.node == node]:
                state.put(guest.stopped())


class PlacesGuestsInMaintenance(FakeDriver):
    """A node that is out of use still gets guests."""

    caught_by = "test_no_guest_is_placed_on_a_node_in_maintenance"

    def spawn(self, spec: InstanceSpec, op: Operation) -> Instance:
        with self.connection.world.changing() as state:
            before = dict(state.maintenance)
            state.maintenance.clear()
        try:
            return super().spawn(spec, op)
        finally:
            with self.connection.world.changing() as state:
                state.maintenance.update(before)


class ListsDevicesTwice(FakeDriver):
    """A node's disks are listed as disks and as something else, under one id."""

    caught_by = "test_devices_of_each_node"

    def devices(self, node: str | None = None) -> Sequence[Device]:
        return [*super().devices(node), *super().devices(node)]


class ListsADeviceOnNothing(FakeDriver):
    """A node's disk is on a card that is not listed."""

    caught_by = "test_devices_of_each_node"

    def devices(self, node: str | None = None) -> Sequence[Device]:
        first, *others = super().devices(node)
        return [replace(first, parent="elsewhere"), *others]


# --- guests of other making -------------------------------------------------------------------------------------------


class AdoptStarts(FakeDriver):
    """An adopted guest is started."""

    caught_by = "test_adopted_guest_is_owned_and_otherwise_as_it_was"

    def adopt(self, guest: InstanceRef, op: Operation) -> Instance:
        super().adopt(guest, op)
        with self.connection.world.changing() as state:
            for found in state.claimants(guest.uuid):
                if found.power_state is PowerState.SHUTDOWN:
                    self.connection.world.boot(state, found)
        return self.instance(guest)


class ReleaseLeavesTheRecord(FakeDriver):
    """A released guest's record stays."""

    caught_by = "test_release_undoes_adopt"

    def release(self, guest: InstanceRef, op: Operation) -> None:
        with self.connection.world.reading() as state:
            record = state.records.get(guest.uuid)
        super().release(guest, op)
        if record is not None:
            with self.connection.world.changing() as state:
                state.put_record(replace(record, native_id=None))


class StealsGuests(FakeDriver):
    """A guest that another owner has adopted can be adopted by the next."""

    caught_by = "test_guest_of_another_owner_is_not_adopted"

    def adopt(self, guest: InstanceRef, op: Operation) -> Instance:
        with self.connection.world.changing() as state:
            record = state.records.get(guest.uuid)
            if record is not None and record.fingerprint == "adopted":
                state.put_record(replace(record, owner=self.endpoint.owner))
        return super().adopt(guest, op)


class AsksByAdopting(FakeDriver):
    """Whether a guest can be adopted is found out by doing it."""

    caught_by = "test_check_adoptable_changes_nothing"

    def check_adoptable(self, guest: InstanceRef) -> None:
        super().check_adoptable(guest)

        class Nobody:
            def __getattr__(self, name: str) -> Any:
                return lambda *_: 60.0

        self.adopt(guest, Nobody())


class SpawnFindsAdopted(FakeDriver):
    """A spawn with the uuid of an adopted guest takes the guest for its own."""

    caught_by = "test_spawn_does_not_find_an_adopted_guest"

    def spawn(self, spec: InstanceSpec, op: Operation) -> Instance:
        with self.connection.world.reading() as state:
            record = state.records.get(spec.uuid)
        if record is not None and record.fingerprint == "adopted":
            return self.instance(InstanceRef(uuid=spec.uuid))
        return super().spawn(spec, op)
