package main

import (
	"fmt"
	"strings"
	"sync"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/types"
)

// mended are methods that the simulator lacks, or does unlike the reference; nil is answered where it does it right.
var mended = map[string]func(*gate, *simulator.Method) *reply{
	"FindAllByUuid": func(_ *gate, m *simulator.Method) *reply { return findAll(m.Body.(*types.FindAllByUuid)) },
	"CancelTask":    func(g *gate, m *simulator.Method) *reply { return g.tasks.cancel(m.This) },
	"RebootGuest":   func(_ *gate, m *simulator.Method) *reply { return askGuest(m.This, true) },
	"ShutdownGuest": func(_ *gate, m *simulator.Method) *reply { return askGuest(m.This, false) },
}

// unnoticed are properties that methods change without the simulator telling of it.
var unnoticed = map[string][]string{
	"MarkAsTemplate":       {"config.template", "summary.config.template", "resourcePool"},
	"MarkAsVirtualMachine": {"config.template", "summary.config.template", "resourcePool", "runtime.host"},
	"UnregisterVM":         {"parent"},
}

// toolsKey is the setting of a virtual machine whose tools run while it is on; "deaf" ones do not obey.
const toolsKey = "vcsim.tools"

// askGuest asks a guest's tools to restart it or, which the simulator then does, to shut it down.
func askGuest(ref types.ManagedObjectReference, done bool) *reply {
	vm, ok := simulator.Map.Get(ref).(*simulator.VirtualMachine)
	if !ok {
		return nil
	}
	var answer *reply
	simulator.Map.WithLock(vm, func() {
		switch {
		case vm.Runtime.PowerState != types.VirtualMachinePowerStatePoweredOn:
			answer = &reply{text: "the virtual machine is not on", fault: &types.InvalidPowerState{
				RequestedState: types.VirtualMachinePowerStatePoweredOn, ExistingState: vm.Runtime.PowerState,
			}}
		case vm.Guest.ToolsRunningStatus != string(types.VirtualMachineToolsRunningStatusGuestToolsRunning):
			answer = &reply{text: "no tools run in the guest", fault: &types.ToolsUnavailable{}}
		case done || setting(vm, toolsKey) == "deaf":
			answer = &reply{}
		}
	})
	return answer
}

// setTools lets a guest have tools, which run from its next start on, or at once if it is on; none for an empty value.
func setTools(moref, value string) error {
	vm, ok := simulator.Map.Get(types.ManagedObjectReference{Type: "VirtualMachine", Value: moref}).(*simulator.VirtualMachine)
	if !ok {
		return fmt.Errorf("there is no virtual machine %s", moref)
	}
	simulator.Map.WithLock(vm, func() {
		vm.Config.ExtraConfig = merged(vm.Config.ExtraConfig, []types.BaseOptionValue{
			&types.OptionValue{Key: toolsKey, Value: value},
		})
		runTools(vm)
	})
	return nil
}

// runTools lets a guest's tools run or not, as it is on and has some. The caller has locked.
func runTools(vm *simulator.VirtualMachine) {
	running := types.VirtualMachineToolsRunningStatusGuestToolsNotRunning
	status := types.VirtualMachineToolsStatusToolsNotInstalled
	if setting(vm, toolsKey) != "" {
		status = types.VirtualMachineToolsStatusToolsNotRunning
		if vm.Runtime.PowerState == types.VirtualMachinePowerStatePoweredOn {
			running = types.VirtualMachineToolsRunningStatusGuestToolsRunning
			status = types.VirtualMachineToolsStatusToolsOk
		}
	}
	simulator.Map.Update(vm, []types.PropertyChange{
		{Name: "guest.toolsRunningStatus", Val: string(running)},
		{Name: "guest.toolsStatus", Val: status},
		{Name: "summary.guest.toolsRunningStatus", Val: string(running)},
		{Name: "summary.guest.toolsStatus", Val: status},
	})
}

// setting reads one of a virtual machine's extra settings; empty without.
func setting(vm *simulator.VirtualMachine, key string) string {
	for _, option := range vm.Config.ExtraConfig {
		if option.GetOptionValue().Key == key {
			return fmt.Sprint(option.GetOptionValue().Value)
		}
	}
	return ""
}

// merged sets options: a later value replaces an earlier one, an empty one removes it.
func merged(all ...[]types.BaseOptionValue) []types.BaseOptionValue {
	var order []string
	values := map[string]types.BaseOptionValue{}
	for _, some := range all {
		for _, option := range some {
			key := option.GetOptionValue().Key
			if _, known := values[key]; !known {
				order = append(order, key)
			}
			values[key] = option
		}
	}
	var kept []types.BaseOptionValue
	for _, key := range order {
		if values[key].GetOptionValue().Value != "" {
			kept = append(kept, values[key])
		}
	}
	return kept
}

// findAll answers with all machines of a uuid; templates are machines too.
func findAll(request *types.FindAllByUuid) *reply {
	var found strings.Builder
	for _, entity := range simulator.Map.All("VirtualMachine") {
		vm, ok := entity.(*simulator.VirtualMachine)
		if !ok || !request.VmSearch {
			continue
		}
		uuid := vm.Config.Uuid
		if isTrue(request.InstanceUuid) {
			uuid = vm.Config.InstanceUuid
		}
		if strings.EqualFold(uuid, request.Uuid) {
			fmt.Fprintf(&found, `<returnval type="VirtualMachine">%s</returnval>`, vm.Self.Value)
		}
	}
	return &reply{value: found.String()}
}

// names are those that tasks under way are making objects of.
type names struct {
	mu    sync.Mutex
	taken map[string]bool
}

var inTheMaking = names{taken: map[string]bool{}}

// take reserves a name in a folder until it is given back; a fault when the folder has it.
func (n *names) take(folder types.ManagedObjectReference, name string) (func(), types.BaseMethodFault) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if has := childNamed(folder, name); has != nil {
		return nil, &types.DuplicateName{Name: name, Object: *has}
	}
	key := folder.Value + "/" + name
	if n.taken[key] {
		return nil, &types.DuplicateName{Name: name, Object: folder}
	}
	n.taken[key] = true
	return func() {
		n.mu.Lock()
		defer n.mu.Unlock()
		delete(n.taken, key)
	}, nil
}

func childNamed(folder types.ManagedObjectReference, name string) *types.ManagedObjectReference {
	parent, ok := simulator.Map.Get(folder).(*simulator.Folder)
	if !ok {
		return nil
	}
	if child := simulator.Map.FindByName(name, parent.ChildEntity); child != nil {
		found := child.Reference()
		return &found
	}
	return nil
}
