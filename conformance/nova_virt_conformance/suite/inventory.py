"""What nodes have to give, and the places for disks and networks."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any, Final

import os_resource_classes
import os_traits
import pytest

from nova_virt_api.compute.compute import Compute
from nova_virt_api.driver.driver import Driver
from nova_virt_api.errors import InvalidSpec
from nova_virt_api.model.place import Inventory, Network, Node, Resource, StoragePool
from nova_virt_api.model.units import MiB
from nova_virt_conformance.covers import covers
from nova_virt_conformance.lab import SMALL_MEMORY, Lab
from nova_virt_conformance.outcome import NotApplicable, NotVerified
from nova_virt_conformance.promise import Promise

CUSTOM: Final = re.compile(r"CUSTOM_[A-Z0-9_]+")
LONGEST_NAME: Final = 255
MANY: Final = 20


@covers(Promise.INVENTORY, Driver.inventory, Driver.nodes)
def test_inventory_of_each_node(compute: Compute) -> None:
    """Every node has an inventory that names it, and a hypervisor with a version; of many nodes, some are asked."""
    nodes = compute.nodes()
    assert nodes, "there is no node"
    assert len({node.id for node in nodes}) == len({node.name for node in nodes}) == len(nodes), "a node twice"
    for node in some(nodes):
        inventory = compute.inventory(node.name)
        assert inventory.node == node
        assert inventory.hypervisor.strip()
        assert inventory.hypervisor_version.strip()
        assert inventory.uptime_seconds is None or inventory.uptime_seconds >= 0


@covers(Promise.INVENTORY, Driver.inventory)
def test_inventory_without_a_node(compute: Compute) -> None:
    """With one node its name may be left out; with several, leaving it out is an InvalidSpec."""
    nodes = compute.nodes()
    if len(nodes) == 1:
        assert compute.inventory().node == nodes[0]
        return
    with pytest.raises(InvalidSpec):
        compute.inventory()


@covers(Promise.INVENTORY, Driver.inventory)
def test_inventory_of_an_unknown_node(compute: Compute) -> None:
    """A node that is not there is an InvalidSpec that lists the nodes there are."""
    with pytest.raises(InvalidSpec) as caught:
        compute.inventory("conformance-no-such-node")
    assert caught.value.field == "node"
    assert any(node.name in str(caught.value) for node in compute.nodes()), f"lists no node: {caught.value}"


@covers(Promise.INVENTORY, Driver.inventory)
def test_resource_classes_and_traits_have_placements_names(compute: Compute) -> None:
    """Resource classes and traits are OpenStack's, or begin with CUSTOM_, and come once each."""
    inventory = inventory_of(compute)
    classes = [resource.resource_class for resource in inventory.resources]
    unknown = [name for name in classes if name not in os_resource_classes.STANDARDS and not custom(name)]
    assert not unknown, f"no resource classes: {', '.join(unknown)}"
    traits = set(os_traits.get_traits())
    strange = [name for name in inventory.traits if name not in traits and not custom(name)]
    assert not strange, f"no traits: {', '.join(strange)}"
    assert len(classes) == len(set(classes)), "a resource class twice"
    assert len(inventory.traits) == len(set(inventory.traits)), "a trait twice"


@covers(Promise.INVENTORY, Driver.inventory)
def test_resources_make_sense(compute: Compute) -> None:
    """CPUs and memory are told, totals are positive, and nothing is negative."""
    resources = {resource.resource_class: resource for resource in inventory_of(compute).resources}
    assert {"VCPU", "MEMORY_MB"} <= resources.keys() or any(custom(name) for name in resources), "nothing to give"
    for name, resource in resources.items():
        assert resource.total > 0, f"{name}: a total of {resource.total}"
        assert 0 <= resource.reserved <= resource.total, f"{name}: {resource.reserved} of {resource.total} reserved"
        assert resource.used is None or resource.used >= 0, f"{name}: {resource.used} in use"


@covers(Promise.INVENTORY, Driver.inventory)
def test_cells_of_a_node(compute: Compute) -> None:
    """A processor is in one NUMA cell, whose parts are its own; those that can be dedicated are counted as PCPU."""
    inventory = inventory_of(compute)
    if not inventory.cells:
        raise NotApplicable("the endpoint tells no NUMA cells")
    assert len({cell.id for cell in inventory.cells}) == len(inventory.cells), "a cell twice"
    everywhere = [cpu for cell in inventory.cells for cpu in cell.cpus]
    assert len(everywhere) == len(set(everywhere)), "a processor in two cells"
    for cell in inventory.cells:
        of_cores = [cpu for core in cell.siblings for cpu in core]
        assert len(of_cores) == len(set(of_cores)), f"cell {cell.id}: a processor in two cores"
        for part in (cell.dedicated, cell.shared, of_cores):
            assert set(part) <= set(cell.cpus), f"cell {cell.id} has no processors {set(part) - set(cell.cpus)}"
        for pages in cell.pages:
            assert 0 <= pages.free <= pages.total, f"cell {cell.id}: {pages.free} of {pages.total} pages free"
    given = [item.total for item in inventory.resources if item.resource_class == "PCPU"]
    dedicated = sum(len(cell.dedicated) for cell in inventory.cells)
    assert sum(given) == dedicated, f"{dedicated} processors of cells can be dedicated, and PCPU has {given}"


@covers(Promise.INVENTORY, Driver.inventory)
def test_used_counts_a_guest(lab: Lab) -> None:
    """What is in use grows by what a running guest was given, and shrinks again when it is gone."""
    if lab.whole_nodes:
        raise NotApplicable("guests are whole nodes here, of which not a part is used")
    before = {node.name: used(lab.compute, node.name) for node in some(lab.compute.nodes())}
    if all(count is None for counts in before.values() for count in counts.values()):
        raise NotApplicable("the endpoint does not know how much is in use")
    guest = lab.spawn(vcpus=2, memory_bytes=2 * SMALL_MEMORY)
    if guest.node not in before:
        raise NotVerified(f"of the endpoint's many nodes, {guest.node} was not looked at before")
    assert used(lab.compute, guest.node) == grown(before[guest.node], vcpus=2, memory_mb=2 * SMALL_MEMORY // MiB(1))
    lab.compute.destroy(guest)
    assert used(lab.compute, guest.node) == before[guest.node]


@covers(Promise.INVENTORY, Driver.nodes)
def test_guests_live_on_nodes_that_are_there(lab: Lab) -> None:
    """A guest's node is one of the endpoint's nodes."""
    guest = lab.spawn(power_on=False)
    names = {node.name for node in lab.compute.nodes()}
    assert guest.node is None or guest.node in names, f"the guest is on {guest.node}, the nodes are {sorted(names)}"


@covers(Promise.INVENTORY, Driver.storage_pools)
def test_storage_pools(lab: Lab) -> None:
    """Storage pools have ids and names of their own and sizes that make sense, and the target's are usable."""
    pools = lab.compute.storage_pools()
    check_places(pools, lab.target.pools, lab.compute)
    for pool in pools:
        if pool.capacity_bytes is not None:
            assert pool.capacity_bytes > 0, f"pool {pool.name}: {pool.capacity_bytes} bytes large"
        if pool.free_bytes is not None:
            assert pool.free_bytes >= 0, f"pool {pool.name}: {pool.free_bytes} bytes free"
        if pool.free_bytes is not None and pool.capacity_bytes is not None:
            assert pool.free_bytes <= pool.capacity_bytes, f"pool {pool.name}: more free than there is"


@covers(Promise.INVENTORY, Driver.networks)
def test_networks(lab: Lab) -> None:
    """Networks have ids and names of their own, and the target's are usable."""
    check_places(lab.compute.networks(), lab.target.networks, lab.compute)


@covers(Promise.INVENTORY, Driver.nodes, Driver.storage_pools, Driver.networks)
def test_places_stay_the_same(compute: Compute) -> None:
    """As long as nothing changes, the ids and names of all places are the same each time."""
    for read in (compute.nodes, compute.storage_pools, compute.networks):
        places: Sequence[Any] = read()
        assert names_of(read()) == names_of(places)


def check_places(places: Sequence[StoragePool | Network], wanted: Iterable[str], compute: Compute) -> None:
    """What every list of places has to show."""
    assert len({place.id for place in places}) == len(places), "an id twice"
    assert len({place.name for place in places}) == len(places), "a name twice"
    nodes = {node.name for node in compute.nodes()}
    for place in places:
        assert place.id.strip()
        assert place.name.strip()
        assert place.kind.strip(), f"{place.name} is of no kind"
        assert set(place.nodes) <= nodes, f"{place.name} is on {', '.join(place.nodes)}, which is no node"
    for name in wanted:
        found = [place for place in places if name in (place.name, place.id)]
        assert len(found) == 1, f"{len(found)} places answer to {name}"
        assert found[0].available, f"{name} cannot be used"


def inventory_of(compute: Compute) -> Inventory:
    """The inventory of the first node."""
    return compute.inventory(compute.nodes()[0].name)


def some(nodes: Sequence[Node]) -> Sequence[Node]:
    """As many nodes as can be asked for one by one, where there may be thousands."""
    return nodes[:MANY]


def used(compute: Compute, node: str) -> dict[str, int | None]:
    """CPUs and memory in use on a node."""
    inventory = compute.inventory(node)
    resources = {resource.resource_class: resource for resource in inventory.resources}
    nothing = Resource(resource_class="none", total=1)
    return {name: resources.get(name, nothing).used for name in ("VCPU", "MEMORY_MB")}


def grown(before: dict[str, int | None], *, vcpus: int, memory_mb: int) -> dict[str, int | None]:
    """What is in use, and that much more; what is not known stays so."""
    more = {"VCPU": vcpus, "MEMORY_MB": memory_mb}
    return {name: None if count is None else count + more[name] for name, count in before.items()}


def names_of(places: Sequence[Any]) -> list[tuple[str, str]]:
    """Ids and names, sorted."""
    return sorted((place.id, place.name) for place in places)


def custom(name: str) -> bool:
    """Whether a name is one that a driver may make up."""
    return CUSTOM.fullmatch(name) is not None and len(name) <= LONGEST_NAME
