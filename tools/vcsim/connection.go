package main

import (
	"fmt"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/types"
)

// setConnection says how a virtual machine stands to its host (VirtualMachineConnectionState), e.g. orphaned.
func setConnection(id, state string) error {
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
	return nil
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
