package main

import (
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/vmware/govmomi/object"
	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/types"
)

// prepareDestroy: disks that were detached before stay; the simulator takes the whole directory.
func prepareDestroy(_ *gate, method *simulator.Method) (then, types.BaseMethodFault) {
	vm, ok := simulator.Map.Get(method.This).(*simulator.VirtualMachine)
	if !ok {
		return asItIs, nil
	}
	directory := directoryOf(vm)
	spared := detached(vm, directory)
	aside, err := os.MkdirTemp("", "detached-")
	if err != nil {
		return nil, &types.SystemError{Reason: err.Error()}
	}
	for _, file := range spared {
		os.Rename(file, filepath.Join(aside, filepath.Base(file)))
	}
	return func(result types.AnyType, fault types.BaseMethodFault) (types.AnyType, types.BaseMethodFault) {
		for _, file := range spared {
			os.MkdirAll(directory, 0700)
			os.Rename(filepath.Join(aside, filepath.Base(file)), file)
		}
		os.RemoveAll(aside)
		if fault == nil {
			touch(method.This, "parent") // who looked while it left may have seen it in a view, and is told no more
		}
		return result, fault
	}, nil
}

// directoryOf is where the simulator keeps a machine's files.
func directoryOf(vm *simulator.VirtualMachine) string {
	var place object.DatastorePath
	place.FromString(vm.Config.Files.VmPathName)
	for _, reference := range vm.Datastore {
		if store, ok := simulator.Map.Get(reference).(*simulator.Datastore); ok && store.Name == place.Datastore {
			return filepath.Join(store.Info.GetDatastoreInfo().Url, path.Dir(place.Path))
		}
	}
	return ""
}

// detached are the disks' files in a machine's directory that are none of its devices'.
func detached(vm *simulator.VirtualMachine, directory string) []string {
	if directory == "" {
		return nil
	}
	used := map[string]bool{}
	for _, device := range vm.Config.Hardware.Device {
		if backing, ok := device.GetVirtualDevice().Backing.(types.BaseVirtualDeviceFileBackingInfo); ok {
			name := path.Base(backing.GetVirtualDeviceFileBackingInfo().FileName)
			used[strings.TrimSuffix(name, ".vmdk")] = true
		}
	}
	var spared []string
	found, _ := filepath.Glob(filepath.Join(directory, "*.vmdk"))
	for _, file := range found {
		name := strings.TrimSuffix(strings.TrimSuffix(filepath.Base(file), ".vmdk"), "-flat")
		if !used[name] {
			spared = append(spared, file)
		}
	}
	return spared
}
