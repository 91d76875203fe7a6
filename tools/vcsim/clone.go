package main

import (
	"bytes"
	"sync"

	"github.com/google/uuid"
	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/types"
	"github.com/vmware/govmomi/vim25/xml"
)

// oneClone: the simulator writes into the devices of what it clones.
var oneClone sync.Mutex

// distinctUuids lets a clone that is to have the instanceUuid of another virtual machine get one of its own.
var distinctUuids toggle

// prepareClone: the name must be free, the source stays as it is, and the specification is followed as a whole.
func prepareClone(g *gate, method *simulator.Method) (then, types.BaseMethodFault) {
	request := method.Body.(*types.CloneVM_Task)
	source, ok := simulator.Map.Get(method.This).(*simulator.VirtualMachine)
	if !ok {
		return asItIs, nil
	}
	giveBack, fault := inTheMaking.take(request.Folder, request.Name)
	if fault != nil {
		return nil, fault
	}
	oneClone.Lock()
	devices, err := copied(source.Config.Hardware.Device)
	if err != nil {
		oneClone.Unlock()
		giveBack()
		return nil, &types.SystemError{Reason: err.Error()}
	}
	return func(result types.AnyType, fault types.BaseMethodFault) (types.AnyType, types.BaseMethodFault) {
		defer giveBack()
		simulator.Map.WithLock(source, func() { source.Config.Hardware.Device = devices })
		oneClone.Unlock()
		if fault != nil {
			return result, fault
		}
		ref := result.(types.ManagedObjectReference)
		clone, ok := simulator.Map.Get(ref).(*simulator.VirtualMachine)
		if !ok {
			return nil, &types.ManagedObjectNotFound{Obj: ref} // it was removed meanwhile
		}
		if fault := finish(g, clone, source, &request.Spec); fault != nil {
			return nil, fault
		}
		return result, nil
	}, nil
}

// finish gives a clone what the simulator leaves out.
func finish(
	g *gate, clone, source *simulator.VirtualMachine, spec *types.VirtualMachineCloneSpec,
) types.BaseMethodFault {
	wanted := types.VirtualMachineConfigSpec{Annotation: source.Config.Annotation, Version: source.Config.Version}
	if spec.Config != nil {
		wanted = *spec.Config
		wanted.DeviceChange = nil // the simulator has done that
	}
	simulator.Map.WithLock(clone, func() {
		if distinctUuids.get() && isTwin(clone) {
			clone.Config.InstanceUuid = uuid.New().String()
			wanted.InstanceUuid = ""
		}
		clone.Config.ExtraConfig = merged(source.Config.ExtraConfig, clone.Config.ExtraConfig)
		place(clone, spec.Location.Host)
	})
	if fault := g.again(clone, "ReconfigVM_Task", "spec", wanted); fault != nil {
		return fault
	}
	if spec.PowerOn && !spec.Template {
		return g.again(clone, "PowerOnVM_Task", "", nil)
	}
	return nil
}

// isTwin says whether another virtual machine has the same instanceUuid.
func isTwin(clone *simulator.VirtualMachine) bool {
	for _, entity := range simulator.Map.All("VirtualMachine") {
		other, ok := entity.(*simulator.VirtualMachine)
		if ok && other.Self != clone.Self && other.Config.InstanceUuid == clone.Config.InstanceUuid {
			return true
		}
	}
	return false
}

// again does a further step of a task, as a task of its own would be done.
func (g *gate) again(
	vm *simulator.VirtualMachine, name, argument string, value interface{},
) types.BaseMethodFault {
	var arguments bytes.Buffer
	encoder := xml.NewEncoder(&arguments)
	encoder.EncodeElement(vm.Self, xml.StartElement{Name: xml.Name{Local: "_this"}})
	if argument != "" {
		encoder.EncodeElement(value, xml.StartElement{Name: xml.Name{Local: argument}})
	}
	encoder.Flush()
	body := envelope(name, arguments.String())
	method, err := simulator.UnmarshalBody(types.TypeFunc(), body)
	if err != nil {
		return &types.SystemError{Reason: err.Error()}
	}
	after, fault := prepared[name](g, method)
	if fault != nil {
		return fault
	}
	_, fault = after(g.tasks.perform(body))
	return fault
}

// place puts a new one on the host that is wanted, or on the one of its pool that has the fewest. The caller has locked.
func place(clone *simulator.VirtualMachine, host *types.ManagedObjectReference) {
	if host == nil {
		host = leastUsed(clone)
	}
	if host == nil || *host == *clone.Runtime.Host {
		return
	}
	from := simulator.Map.Get(*clone.Runtime.Host).(*simulator.HostSystem)
	to := simulator.Map.Get(*host).(*simulator.HostSystem)
	simulator.Map.RemoveReference(from, &from.Vm, clone.Self)
	simulator.Map.AddReference(to, &to.Vm, clone.Self)
	simulator.Map.Update(clone, []types.PropertyChange{
		{Name: "runtime.host", Val: to.Self},
		{Name: "summary.runtime.host", Val: to.Self},
	})
}

func leastUsed(clone *simulator.VirtualMachine) *types.ManagedObjectReference {
	if clone.ResourcePool == nil {
		return nil
	}
	pool, ok := simulator.Map.Get(*clone.ResourcePool).(*simulator.ResourcePool)
	if !ok {
		return nil
	}
	var hosts []types.ManagedObjectReference
	switch owner := simulator.Map.Get(pool.Owner).(type) {
	case *simulator.ClusterComputeResource:
		hosts = owner.Host
	case *mo.ComputeResource:
		hosts = owner.Host
	}
	var found *types.ManagedObjectReference
	fewest := 0
	for _, ref := range hosts {
		host := simulator.Map.Get(ref).(*simulator.HostSystem)
		if host.Runtime.ConnectionState != types.HostSystemConnectionStateConnected {
			continue
		}
		if count := len(host.Vm); found == nil || count < fewest {
			one := ref
			found, fewest = &one, count
		}
	}
	return found
}

// copied gives devices that share nothing with others.
func copied(devices []types.BaseVirtualDevice) ([]types.BaseVirtualDevice, error) {
	var text bytes.Buffer
	if err := xml.NewEncoder(&text).Encode(types.VirtualHardware{Device: devices}); err != nil {
		return nil, err
	}
	decoder := xml.NewDecoder(&text)
	decoder.TypeFunc = types.TypeFunc()
	var read types.VirtualHardware
	if err := decoder.Decode(&read); err != nil {
		return nil, err
	}
	return read.Device, nil
}
