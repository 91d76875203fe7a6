package main

import (
	"fmt"
	"sync/atomic"
	"time"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/types"
)

// then ends a task that the simulator has done: it gives what the task gives.
type then func(result types.AnyType, fault types.BaseMethodFault) (types.AnyType, types.BaseMethodFault)

// prepared are tasks that the simulator does unlike the reference: what is looked at before, and set right after.
var prepared map[string]func(*gate, *simulator.Method) (then, types.BaseMethodFault)

func init() { // a clone is reconfigured by the same map
	prepared = map[string]func(*gate, *simulator.Method) (then, types.BaseMethodFault){
		"CloneVM_Task":    prepareClone,
		"CreateVM_Task":   prepareCreate,
		"Destroy_Task":    prepareDestroy,
		"PowerOffVM_Task": preparePower,
		"PowerOnVM_Task":  preparePower,
		"ReconfigVM_Task": prepareReconfigure,
		"Rename_Task":     prepareRename,
		"ResetVM_Task":    prepareRunning,
		"SuspendVM_Task":  prepareRunning,
	}
}

// everything of a virtual machine: the simulator makes and changes some without telling of it.
var everything = []string{
	"config", "datastore", "guest", "name", "network", "resourcePool", "runtime", "summary",
}

// changed counts the changes of configurations.
var changed int64

func asItIs(result types.AnyType, fault types.BaseMethodFault) (types.AnyType, types.BaseMethodFault) {
	return result, fault
}

func prepareCreate(_ *gate, method *simulator.Method) (then, types.BaseMethodFault) {
	request := method.Body.(*types.CreateVM_Task)
	giveBack, fault := inTheMaking.take(method.This, request.Config.Name)
	if fault != nil {
		return nil, fault
	}
	return func(result types.AnyType, fault types.BaseMethodFault) (types.AnyType, types.BaseMethodFault) {
		giveBack()
		ref, ok := result.(types.ManagedObjectReference)
		if !ok {
			return result, fault
		}
		if vm, ok := simulator.Map.Get(ref).(*simulator.VirtualMachine); ok {
			simulator.Map.WithLock(vm, func() {
				setVersion(vm)
				place(vm, request.Host)
			})
			touch(ref, everything...)
		}
		return result, fault
	}, nil
}

// setVersion marks a configuration as another than before. The caller has locked.
func setVersion(vm *simulator.VirtualMachine) {
	vm.Config.ChangeVersion = fmt.Sprintf("%s-%d", time.Now().UTC().Format(time.RFC3339), atomic.AddInt64(&changed, 1))
}

// prepareRename: a name that the folder has is DuplicateName; a virtual machine's own name is in its configuration too.
func prepareRename(_ *gate, method *simulator.Method) (then, types.BaseMethodFault) {
	request := method.Body.(*types.Rename_Task)
	vm, ok := simulator.Map.Get(method.This).(*simulator.VirtualMachine)
	if !ok {
		return asItIs, nil
	}
	giveBack := func() {}
	if vm.Name != request.NewName {
		var fault types.BaseMethodFault
		if giveBack, fault = inTheMaking.take(*vm.Parent, request.NewName); fault != nil {
			return nil, fault
		}
	}
	return func(result types.AnyType, fault types.BaseMethodFault) (types.AnyType, types.BaseMethodFault) {
		defer giveBack()
		if _, own := fault.(*types.InvalidArgument); own && vm.Name == request.NewName {
			fault = nil // it has the name already
		}
		if fault == nil {
			simulator.Map.WithLock(vm, func() {
				simulator.Map.Update(vm, []types.PropertyChange{
					{Name: "config.name", Val: request.NewName},
					{Name: "summary.config.name", Val: request.NewName},
				})
			})
		}
		return result, fault
	}, nil
}

// prepareReconfigure: a change of another version than the caller's is ConcurrentAccess, options are replaced by their keys, only some hardware changes while it runs, all changes are told.
func prepareReconfigure(_ *gate, method *simulator.Method) (then, types.BaseMethodFault) {
	request := method.Body.(*types.ReconfigVM_Task)
	vm, ok := simulator.Map.Get(method.This).(*simulator.VirtualMachine)
	if !ok {
		return asItIs, nil
	}
	if known := request.Spec.ChangeVersion; known != "" && known != vm.Config.ChangeVersion {
		return nil, &types.ConcurrentAccess{}
	}
	if fault := tooLate(vm, &request.Spec); fault != nil {
		return nil, fault
	}
	giveBack := func() {}
	if request.Spec.Name != "" && request.Spec.Name != vm.Name {
		var fault types.BaseMethodFault
		if giveBack, fault = inTheMaking.take(*vm.Parent, request.Spec.Name); fault != nil {
			return nil, fault
		}
	}
	return func(result types.AnyType, fault types.BaseMethodFault) (types.AnyType, types.BaseMethodFault) {
		defer giveBack()
		simulator.Map.WithLock(vm, func() {
			vm.Config.ExtraConfig = merged(vm.Config.ExtraConfig)
			setVersion(vm)
			if fault == nil {
				vm.Summary.Config.Annotation = vm.Config.Annotation
				runTools(vm)
			}
		})
		touch(vm.Self, everything...)
		return result, fault
	}, nil
}

// tooLate says whether a change wants the virtual machine to be off.
func tooLate(vm *simulator.VirtualMachine, spec *types.VirtualMachineConfigSpec) types.BaseMethodFault {
	if vm.Runtime.PowerState == types.VirtualMachinePowerStatePoweredOff {
		return nil
	}
	hardware := vm.Config.Hardware
	cpus := spec.NumCPUs != 0 && spec.NumCPUs != hardware.NumCPU && !isTrue(vm.Config.CpuHotAddEnabled)
	memory := spec.MemoryMB != 0 && int32(spec.MemoryMB) != hardware.MemoryMB && !isTrue(vm.Config.MemoryHotAddEnabled)
	if !cpus && !memory {
		return nil
	}
	return &types.InvalidPowerState{
		RequestedState: types.VirtualMachinePowerStatePoweredOff, ExistingState: vm.Runtime.PowerState,
	}
}

func isTrue(value *bool) bool { return value != nil && *value }

// prepareRunning: only what is on can be reset or suspended.
func prepareRunning(g *gate, method *simulator.Method) (then, types.BaseMethodFault) {
	vm, ok := simulator.Map.Get(method.This).(*simulator.VirtualMachine)
	if ok && vm.Runtime.PowerState != types.VirtualMachinePowerStatePoweredOn {
		return nil, &types.InvalidPowerState{
			RequestedState: types.VirtualMachinePowerStatePoweredOn, ExistingState: vm.Runtime.PowerState,
		}
	}
	return preparePower(g, method)
}

// preparePower: the time of the start is told in runtime too, and tools run in guests that are on.
func preparePower(_ *gate, method *simulator.Method) (then, types.BaseMethodFault) {
	vm, ok := simulator.Map.Get(method.This).(*simulator.VirtualMachine)
	if !ok {
		return asItIs, nil
	}
	return func(result types.AnyType, fault types.BaseMethodFault) (types.AnyType, types.BaseMethodFault) {
		if fault == nil {
			simulator.Map.WithLock(vm, func() {
				vm.Runtime.BootTime = vm.Summary.Runtime.BootTime
				runTools(vm)
			})
			touch(vm.Self, "runtime.bootTime")
		}
		return result, fault
	}, nil
}
