"""The simulated vCenter does what vSphere's API reference says where the driver leans on it."""

import time
from collections.abc import Callable
from typing import Any

import pytest
from pyVim.task import WaitForTask
from pyVmomi import vim, vmodl

from tools.vcsim import Failure, Relay, Settings, Tools, VCenter

Query = vim.PropertyCollector
Own = Callable[..., VCenter]


@pytest.fixture
def fresh(own_vcenter: Own) -> VCenter:
    """A vCenter of the test's own."""
    return own_vcenter(Settings(clusters=1, standalone_hosts=0, vms=7))


@pytest.fixture
def server(fresh: VCenter, native: Callable[[VCenter], Any]) -> Any:
    """Its service, through pyvmomi."""
    return native(fresh)


def machine(server: Any, name: str) -> Any:
    found = server.content.searchIndex.FindByInventoryPath(f"/DC0/vm/{name}")
    assert found is not None
    return found


def clone(server: Any, name: str, **config: Any) -> Any:
    """A task that clones the template `small` into the cluster."""
    datacenter = server.content.rootFolder.childEntity[0]
    pool = datacenter.hostFolder.childEntity[0].resourcePool
    spec = vim.vm.CloneSpec(location=vim.vm.RelocateSpec(pool=pool), config=vim.vm.ConfigSpec(**config))
    return machine(server, "small").CloneVM_Task(folder=datacenter.vmFolder, name=name, spec=spec)


def runs(task: Any) -> bool:
    """Whether a task is under way, once it has left the queue."""
    while (state := task.info.state) == "queued":
        time.sleep(0.01)
    return bool(state == "running")


def result(server: Any, task: Any) -> Any:
    WaitForTask(task, server)
    return task.info.result


def every_vm(server: Any, *paths: str) -> Any:
    """What to read of all virtual machines."""
    content = server.content
    view = content.viewManager.CreateContainerView(content.rootFolder, [vim.VirtualMachine], True)
    seen = Query.TraversalSpec(type=vim.view.ContainerView, path="view", skip=False)
    return Query.FilterSpec(
        objectSet=[Query.ObjectSpec(obj=view, skip=True, selectSet=[seen])],
        propSet=[Query.PropertySpec(type=vim.VirtualMachine, pathSet=list(paths))],
    )


def told(updates: Any) -> list[tuple[str, str, dict[str, Any]]]:
    return [
        (str(one.kind), one.obj._moId, {change.name: change.val for change in one.changeSet})
        for each in updates.filterSet
        for one in each.objectSet
    ]


# --- making and changing machines -------------------------------------------------------------------------------------


def test_a_clone_is_as_its_specification_says_and_the_source_stays_as_it_is(server: Any) -> None:
    disk_before = machine(server, "small").layoutEx.disk[0].chain[0].fileKey
    made = result(server, clone(server, "web", numCPUs=2, memoryMB=256, annotation="mine"))
    assert (made.config.hardware.numCPU, made.config.hardware.memoryMB, made.config.annotation) == (2, 256, "mine")
    source = machine(server, "small")
    assert source.config.hardware.numCPU == 1
    assert source.layoutEx.disk[0].chain[0].fileKey == disk_before
    assert made.runtime.host in server.content.rootFolder.childEntity[0].hostFolder.childEntity[0].host


def test_a_name_is_there_once_in_a_folder_also_while_it_is_made(fresh: VCenter, server: Any) -> None:
    with fresh.holding("CloneVM_Task"):
        first, second = clone(server, "web"), clone(server, "web")
        assert runs(first)
        assert runs(second)
    ends = []
    for task in (first, second):
        try:
            WaitForTask(task, server)
            ends.append("made")
        except vim.fault.DuplicateName as error:
            ends.append(error.name)
    assert sorted(ends) == ["made", "web"]
    with pytest.raises(vim.fault.DuplicateName):
        WaitForTask(machine(server, "large").Rename_Task("web"), server)


def test_options_are_set_and_removed_by_their_key_and_copied_by_a_clone(server: Any) -> None:
    def option(value: str) -> Any:
        return vim.vm.ConfigSpec(extraConfig=[vim.option.OptionValue(key="k", value=value)])

    made = result(server, clone(server, "web", extraConfig=[vim.option.OptionValue(key="k", value="1")]))
    for value, expected in (("2", ["2"]), ("", [])):
        WaitForTask(made.ReconfigVM_Task(option(value)), server)
        assert [each.value for each in made.config.extraConfig if each.key == "k"] == expected


def test_a_change_of_an_older_version_is_refused(server: Any) -> None:
    made = result(server, clone(server, "web"))
    version = made.config.changeVersion
    WaitForTask(made.ReconfigVM_Task(vim.vm.ConfigSpec(annotation="1", changeVersion=version)), server)
    with pytest.raises(vim.fault.ConcurrentAccess):
        WaitForTask(made.ReconfigVM_Task(vim.vm.ConfigSpec(annotation="2", changeVersion=version)), server)
    assert made.config.annotation == "1"


def test_a_guest_obeys_when_its_tools_run(fresh: VCenter, server: Any) -> None:
    vm = machine(server, "DC0_C0_RP0_VM0")
    with pytest.raises(vim.fault.ToolsUnavailable):
        vm.ShutdownGuest()
    fresh.set_tools(vm._moId, Tools.DEAF)
    vm.ShutdownGuest()
    assert vm.runtime.powerState == "poweredOn"
    fresh.set_tools(vm._moId, Tools.OBEY)
    vm.ShutdownGuest()
    assert vm.runtime.powerState == "poweredOff"


# --- tasks ------------------------------------------------------------------------------------------------------------


def test_a_task_that_runs_tells_how_far_it_is_and_can_be_cancelled(fresh: VCenter, server: Any) -> None:
    with fresh.holding("CloneVM_Task"):
        task = clone(server, "web")
        assert fresh.progress("CloneVM_Task", 40) == 1
        assert runs(task)
        assert (task.info.progress, task.info.cancelable) == (40, True)
        assert task in server.content.taskManager.recentTask
        task.CancelTask()
        with pytest.raises(vmodl.fault.RequestCanceled):
            WaitForTask(task, server)
    with pytest.raises(vim.fault.InvalidState):
        task.CancelTask()


# --- reading ----------------------------------------------------------------------------------------------------------


def test_a_list_comes_in_pages_and_leaves_out_what_vanishes(fresh: VCenter, server: Any) -> None:
    collector = server.content.propertyCollector
    page = collector.RetrievePropertiesEx([every_vm(server, "name")], Query.RetrieveOptions(maxObjects=4))
    assert len(page.objects) == 4
    names = {one.obj: one.propSet[0].val for one in page.objects}
    victim = next(vm for vm in machine_list(server) if vm not in names)
    result(server, victim.PowerOffVM_Task())
    result(server, victim.Destroy_Task())
    while page.token:
        page = collector.ContinueRetrievePropertiesEx(page.token)
        names |= {one.obj: one.propSet[0].val for one in page.objects}
    assert len(names) == 8
    assert victim not in names
    first = collector.RetrievePropertiesEx([every_vm(server, "name")], Query.RetrieveOptions(maxObjects=4))
    collector.CancelRetrievePropertiesEx(first.token)
    with pytest.raises(vmodl.fault.InvalidArgument):
        collector.ContinueRetrievePropertiesEx(first.token)


def machine_list(server: Any) -> list[Any]:
    """Virtual machines that are no templates."""
    return [vm for vm in server.content.rootFolder.childEntity[0].vmFolder.childEntity if not vm.config.template]


def test_a_property_that_there_is_not_is_a_fault_and_a_part_has_a_path(fresh: VCenter, server: Any) -> None:
    collector = server.content.propertyCollector
    with pytest.raises(vmodl.query.InvalidProperty):
        collector.RetrievePropertiesEx([every_vm(server, "config.colour")], Query.RetrieveOptions())
    path = 'config.extraConfig["govcsim"]'
    page = collector.RetrievePropertiesEx([every_vm(server, path)], Query.RetrieveOptions())
    assert {(prop.name, prop.val.value) for one in page.objects for prop in one.propSet} == {(path, "TRUE")}
    fresh.order("indexed paths", on=False)
    with pytest.raises(vmodl.query.InvalidProperty):
        collector.RetrievePropertiesEx([every_vm(server, path)], Query.RetrieveOptions())


def test_updates_come_in_parts_and_again_to_whom_they_did_not_reach(server: Any) -> None:
    collector = server.content.propertyCollector.CreatePropertyCollector()
    collector.CreateFilter(every_vm(server, "name", "runtime.powerState"), True)
    first = collector.WaitForUpdatesEx("", Query.WaitOptions(maxObjectUpdates=5))
    rest = collector.WaitForUpdatesEx(first.version, Query.WaitOptions(maxObjectUpdates=5))
    assert (first.truncated, rest.truncated) == (True, False)
    assert len({moref for _, moref, _ in told(first) + told(rest)}) == 9
    vm = machine(server, "DC0_C0_RP0_VM0")
    result(server, vm.PowerOffVM_Task())
    for _ in range(2):  # as if the first answer had been lost
        news = collector.WaitForUpdatesEx(rest.version, Query.WaitOptions(maxWaitSeconds=30))
        assert told(news) == [("modify", vm._moId, {"runtime.powerState": "poweredOff"})]
    assert collector.WaitForUpdatesEx(news.version, Query.WaitOptions(maxWaitSeconds=0)) is None
    with pytest.raises(vmodl.query.InvalidCollectorVersion):
        collector.WaitForUpdatesEx("77", Query.WaitOptions(maxWaitSeconds=0))


# --- what is made to fail ---------------------------------------------------------------------------------------------


def test_sessions_end_and_take_their_filters_along(fresh: VCenter, server: Any) -> None:
    assert fresh.sessions == 1
    assert fresh.expire_sessions() == 1
    assert fresh.sessions == 0
    with pytest.raises(vim.fault.NotAuthenticated):
        server.CurrentTime()


def test_calls_fail_as_they_are_told_to(fresh: VCenter, server: Any) -> None:
    vm = machine(server, "DC0_C0_RP0_VM0")
    with fresh.failing("PowerOffVM_Task", fault="TaskInProgress", about=vm._moId):
        with pytest.raises(vim.fault.TaskInProgress):
            vm.PowerOffVM_Task()
        other = machine(server, "DC0_C0_RP0_VM1")
        result(server, other.PowerOffVM_Task())
    with fresh.failing("PowerOffVM_Task", Failure.TASK_FAULT, fault="GenericVmConfigFault", times=1):
        task = vm.PowerOffVM_Task()
        with pytest.raises(vim.fault.GenericVmConfigFault):
            WaitForTask(task, server)
    with fresh.failing("PowerOffVM_Task", Failure.DROP_AFTER, times=1), pytest.raises(OSError):  # noqa: PT011
        vm.PowerOffVM_Task()
    result(server, machine(server, "large").ReconfigVM_Task(vim.vm.ConfigSpec(annotation="the next task in line")))
    assert vm.runtime.powerState == "poweredOff"


def test_a_way_can_be_cut_and_restored(
    fresh: VCenter, relay_to: Callable[[VCenter], Relay], native: Callable[[Any], Any]
) -> None:
    relay = relay_to(fresh)
    server = native(relay)
    relay.cut()
    with pytest.raises(OSError):  # noqa: PT011 - whatever the operating system says
        server.CurrentTime()
    relay.restore()
    assert server.CurrentTime()
