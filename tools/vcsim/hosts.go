package main

import (
	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/types"
)

// performed are tasks that the simulator does not know.
var performed = map[string]func(*simulator.Method) types.BaseMethodFault{
	"DisconnectHost_Task": func(m *simulator.Method) types.BaseMethodFault {
		return connect(m.This, types.HostSystemConnectionStateDisconnected)
	},
	"ReconnectHost_Task": func(m *simulator.Method) types.BaseMethodFault {
		return connect(m.This, types.HostSystemConnectionStateConnected)
	},
}

// connect lets the server reach a host, or not any more; its virtual machines go along.
func connect(ref types.ManagedObjectReference, state types.HostSystemConnectionState) types.BaseMethodFault {
	host, ok := simulator.Map.Get(ref).(*simulator.HostSystem)
	if !ok {
		return &types.ManagedObjectNotFound{Obj: ref}
	}
	simulator.Map.WithLock(host, func() {
		simulator.Map.Update(host, []types.PropertyChange{
			{Name: "runtime.connectionState", Val: state},
			{Name: "summary.runtime.connectionState", Val: state},
		})
	})
	for _, guest := range append([]types.ManagedObjectReference{}, host.Vm...) {
		if err := setConnection(guest.Value, string(state), true); err != nil {
			continue // it was removed meanwhile
		}
	}
	return nil
}
