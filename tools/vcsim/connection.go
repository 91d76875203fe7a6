package main

import (
	"fmt"
	"strings"
	"sync"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/types"
)

// unread are the virtual machines, by id, whose configuration nobody can tell: their files cannot be read.
var unread sync.Map

// setConnection says how a virtual machine stands to its host (VirtualMachineConnectionState), e.g. orphaned, and
// whether its configuration is told; a real server mostly has none of what it cannot reach.
func setConnection(id, state string, configured bool) error {
	ref := types.ManagedObjectReference{Type: "VirtualMachine", Value: id}
	vm, ok := simulator.Map.Get(ref).(*simulator.VirtualMachine)
	if !ok {
		return fmt.Errorf("there is no virtual machine %q", id)
	}
	simulator.Map.WithLock(vm, func() {
		simulator.Map.Update(vm, []types.PropertyChange{
			{Name: "runtime.connectionState", Val: types.VirtualMachineConnectionState(state)},
			{Name: "summary.runtime.connectionState", Val: types.VirtualMachineConnectionState(state)},
		})
	})
	if configured {
		unread.Delete(id)
	} else {
		unread.Store(id, true)
	}
	touch(ref, "config")
	return nil
}

// readable leaves a configuration out that cannot be told.
func readable(content types.ObjectContent) []types.DynamicProperty {
	if _, hidden := unread.Load(content.Obj.Value); !hidden {
		return content.PropSet
	}
	var told []types.DynamicProperty
	for _, property := range content.PropSet {
		if property.Name != "config" && !strings.HasPrefix(property.Name, "config.") {
			told = append(told, property)
		}
	}
	return told
}

// unreachable: of a virtual machine that its host does not know, or cannot read, nothing can be done.
func unreachable(vm *simulator.VirtualMachine) types.BaseMethodFault {
	switch vm.Runtime.ConnectionState {
	case types.VirtualMachineConnectionStateConnected:
		return nil
	case types.VirtualMachineConnectionStateDisconnected:
		return &types.HostNotConnected{}
	default:
		return &types.InvalidState{}
	}
}
