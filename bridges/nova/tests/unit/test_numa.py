"""Processors, NUMA cells and pages: what Nova is told of the host, and what becomes of its claim."""

from typing import Any

import pytest
from nova import exception, objects
from nova.objects import fields
from nova.virt import hardware

import nova_virt_api as virt
from nova_virt_bridge.host_numa import numa_topology
from nova_virt_bridge.numa import Claimed
from nova_virt_bridge.spec import Request, spec_of

NODE = "fake-host"
ORDINARY = {4096}
DEDICATED = fields.CPUAllocationPolicy.DEDICATED
MIXED = fields.CPUAllocationPolicy.MIXED
MIB = 1024**2


def cell(**more: Any) -> Any:
    given = {"id": 0, "cpuset": set(), "pcpuset": set(), "memory": 256, "cpu_policy": None, "cpu_pinning": None}
    return objects.InstanceNUMACell(**given | more)


def claim(extra: dict[str, str], vcpus: int, *cells: virt.HostCell) -> Claimed:
    """What Nova's own code claims of these cells for a flavor."""
    flavor = objects.Flavor(vcpus=vcpus, memory_mb=512, extra_specs=extra)
    asked = hardware.numa_get_constraints(flavor, objects.ImageMeta.from_dict({"properties": {}}))
    fitted = hardware.numa_fit_instance_to_host(host_topology(*cells), asked, provider_mapping=None)
    assert fitted is not None
    return Claimed.of(fitted, ORDINARY)


def inventory(*cells: virt.HostCell) -> virt.Inventory:
    node = virt.Node(id="1", name="n")
    return virt.Inventory(node=node, hypervisor="QEMU", hypervisor_version="1", resources=(), cells=cells)


def host_topology(*cells: virt.HostCell) -> Any:
    told = numa_topology(inventory(*cells))
    assert told is not None
    return objects.NUMATopology.obj_from_db_obj(told)


TWO = (
    virt.HostCell(
        id=0,
        cpus=(0, 1, 2, 3),
        memory_bytes=virt.GiB(4),
        pages=(virt.HostPages(size_bytes=virt.MiB(2), total=512, free=100),),
        page_bytes=4096,
        dedicated=(2, 3),
        shared=(0,),
        siblings=((0, 1), (2, 3)),
    ),
    virt.HostCell(id=1, cpus=(4, 5), memory_bytes=virt.GiB(1), dedicated=(5,), shared=(4,)),
)


@pytest.mark.usefixtures("config")
def test_cells_as_nova_wants_them() -> None:
    first, second = host_topology(*TWO).cells
    assert (first.cpuset, first.pcpuset, first.siblings) == ({0}, {2, 3}, [{0}, {2, 3}])
    assert first.memory == 4096
    assert [(pages.size_kb, pages.total, pages.used) for pages in first.mempages] == [
        (4, (virt.GiB(4) - 512 * virt.MiB(2)) // 4096, 0),
        (2048, 512, 0),
    ]
    assert (second.id, second.cpuset, second.pcpuset, second.siblings) == (1, {4}, {5}, [])
    assert [pages.size_kb for pages in second.mempages] == [4]


def test_pages_that_are_kept_for_the_host(config: Any) -> None:
    config.config(reserved_huge_pages=[{"node": "0", "size": "2048", "count": "12"}])
    first, _ = host_topology(*TWO).cells
    assert [(pages.size_kb, pages.reserved) for pages in first.mempages] == [(4, 0), (2048, 12)]


def test_an_endpoint_that_tells_no_cells_is_sent_nothing_that_needs_them() -> None:
    assert numa_topology(inventory()) is None


@pytest.mark.usefixtures("config")
def test_novas_own_claim_of_these_cells_becomes_ours() -> None:
    claimed = claim({"hw:cpu_policy": "dedicated"}, 2, *TWO)
    assert claimed.cells == (virt.NumaCell(vcpus=(0, 1), memory_bytes=virt.MiB(512), host_cell=0),)
    assert sorted(claimed.host_cpus) == [2, 3]
    assert claimed.page_bytes is None


@pytest.mark.usefixtures("config")
@pytest.mark.parametrize(
    ("size", "page_bytes"), [("large", virt.MiB(2)), ("2048", virt.MiB(2)), ("small", None), ("any", virt.MiB(2))]
)
def test_pages_that_nova_has_chosen(size: str, page_bytes: int | None) -> None:
    claimed = claim({"hw:mem_page_size": size}, 1, TWO[0])
    assert (claimed.page_bytes, claimed.host_cpus) == (page_bytes, ())


def test_several_cells_with_processors_of_their_own() -> None:
    cells = [
        cell(id=1, pcpuset={2, 3}, cpu_pinning={2: 9, 3: 8}, cpu_policy=DEDICATED),
        cell(id=0, pcpuset={0, 1}, cpu_pinning={0: 4, 1: 6}, cpu_policy=DEDICATED, memory=128),
    ]
    claimed = Claimed.of(objects.InstanceNUMATopology(cells=cells), ORDINARY)
    assert claimed.host_cpus == (4, 6, 9, 8)
    assert claimed.cells == (
        virt.NumaCell(vcpus=(2, 3), memory_bytes=virt.MiB(256), host_cell=1),
        virt.NumaCell(vcpus=(0, 1), memory_bytes=virt.MiB(128), host_cell=0),
    ), "the guest's cells are numbered as Nova numbers them"


@pytest.mark.parametrize(
    ("claimed", "named"),
    [
        ({"cpuset": {0}, "pcpuset": {1}, "cpu_policy": MIXED, "cpu_pinning": {1: 5}}, "hw:cpu_policy=mixed"),
        ({"pcpuset": {0, 1}, "cpu_policy": DEDICATED}, "Nova has chosen no processor"),
        ({"cpuset": {0, 1}, "id": -1}, "Nova has chosen no NUMA cell"),
    ],
    ids=["mixed", "no-pinning", "no-cell"],
)
def test_claims_that_cannot_be_kept(claimed: Any, named: str) -> None:
    with pytest.raises(exception.ComputeResourcesUnavailable, match=named):
        Claimed.of(objects.InstanceNUMATopology(cells=[cell(**claimed)]), ORDINARY)


def test_a_claim_is_passed_on_to_the_endpoint(driver: Any, make_instance: Any, image_meta: Any) -> None:
    pinned = cell(pcpuset={0, 1}, cpu_pinning={0: 9, 1: 8}, cpu_policy=DEDICATED, memory=512, pagesize=4)
    instance = make_instance(numa_topology=objects.InstanceNUMATopology(cells=[pinned]))
    request = Request(context=None, instance=instance, image_meta=image_meta, block_devices={})
    spec = spec_of(request, driver.compute, driver.site.nodes.node(NODE))
    assert spec.cpu == virt.Cpu(dedicated=True, host_cpus=(9, 8))
    assert spec.numa == (virt.NumaCell(vcpus=(0, 1), memory_bytes=512 * MIB, host_cell=0),)
    assert spec.backing is None


def test_a_whole_machine_has_no_cells_to_choose(make_driver: Any, make_instance: Any, image_meta: Any) -> None:
    driver = make_driver(nodes="a", whole_nodes=True, world="whole-numa")
    assert driver.get_available_resource("a")["numa_topology"] is None
    instance = make_instance(node="a", numa_topology=objects.InstanceNUMATopology(cells=[cell(cpuset={0, 1})]))
    request = Request(context=None, instance=instance, image_meta=image_meta, block_devices={})
    with pytest.raises(exception.ComputeResourcesUnavailable, match="a NUMA topology"):
        spec_of(request, driver.compute, driver.site.nodes.node("a"))


@pytest.mark.parametrize(("first", "second", "page_bytes"), [(2048, 2048, 2048 * 1024), (4, None, None)])
def test_pages_of_one_size(first: int, second: int | None, page_bytes: int | None) -> None:
    cells = [cell(cpuset={0}, pagesize=first), cell(cpuset={1}, pagesize=second)]
    assert Claimed.of(objects.InstanceNUMATopology(cells=cells), ORDINARY).page_bytes == page_bytes


@pytest.mark.parametrize("other", [4, None, 1048576])
def test_pages_of_several_sizes_are_refused(other: int | None) -> None:
    cells = [cell(cpuset={0}, pagesize=other), cell(cpuset={1}, pagesize=2048)]
    with pytest.raises(exception.ComputeResourcesUnavailable, match="several sizes"):
        Claimed.of(objects.InstanceNUMATopology(cells=cells), ORDINARY)
