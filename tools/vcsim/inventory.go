package main

import (
	"context"
	"fmt"

	"github.com/vmware/govmomi/find"
	"github.com/vmware/govmomi/object"
	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/simulator/esx"
	"github.com/vmware/govmomi/vim25"
	"github.com/vmware/govmomi/vim25/types"
)

// inventory is how much of what there shall be; names are the simulator's, e.g. DC0_C0_H1.
type inventory struct {
	Datacenters     int        `json:"datacenters"`
	Clusters        int        `json:"clusters"`         // in each datacenter
	Hosts           int        `json:"hosts"`            // in each cluster
	StandaloneHosts int        `json:"standalone_hosts"` // in each datacenter
	Datastores      int        `json:"datastores"`
	Portgroups      int        `json:"portgroups"` // of a distributed switch, beside the standard network "VM Network"
	VMs             int        `json:"vms"`        // running, in each cluster and on each standalone host
	Templates       []template `json:"templates"`
}

// template is a virtual machine that others are cloned from, in the first datacenter.
type template struct {
	Name     string `json:"name"`
	CPUs     int32  `json:"vcpus"`
	MemoryMB int64  `json:"memory_mb"`
	DiskMB   int64  `json:"disk_mb"`
}

func (i *inventory) model() *simulator.Model {
	model := simulator.VPX()
	model.Datacenter = i.Datacenters
	model.Cluster = i.Clusters
	model.ClusterHost = i.Hosts
	model.Host = i.StandaloneHosts
	model.Datastore = i.Datastores
	model.Portgroup = i.Portgroups
	model.Machine = i.VMs
	return model
}

// furnish adds what the simulator's model has no numbers for.
func (i *inventory) furnish(service *simulator.Service) error {
	ctx := context.Background()
	client, err := vim25.NewClient(ctx, service)
	if err != nil {
		return err
	}
	finder := find.NewFinder(client, false)
	datacenter, err := finder.Datacenter(ctx, "/DC0")
	if err != nil {
		return err
	}
	finder.SetDatacenter(datacenter)
	folders, err := datacenter.Folders(ctx)
	if err != nil {
		return err
	}
	pools, err := finder.ResourcePoolList(ctx, "*/Resources")
	if err != nil {
		return err
	}
	for _, wanted := range i.Templates {
		if err := wanted.make(ctx, folders.VmFolder, pools[0]); err != nil {
			return fmt.Errorf("template %s: %s", wanted.Name, err)
		}
	}
	for _, entity := range simulator.Map.All("VirtualMachine") {
		setVersion(entity.(*simulator.VirtualMachine))
	}
	return nil
}

func (t *template) make(ctx context.Context, folder *object.Folder, pool *object.ResourcePool) error {
	spec := types.VirtualMachineConfigSpec{
		Name:     t.Name,
		GuestId:  string(types.VirtualMachineGuestOsIdentifierOtherLinux64Guest),
		Files:    &types.VirtualMachineFileInfo{VmPathName: "[LocalDS_0]"},
		NumCPUs:  t.CPUs,
		MemoryMB: t.MemoryMB,
	}
	var devices object.VirtualDeviceList
	scsi, err := devices.CreateSCSIController("pvscsi")
	if err != nil {
		return err
	}
	disk := devices.CreateDisk(scsi.(types.BaseVirtualController), types.ManagedObjectReference{}, "")
	disk.CapacityInKB = t.DiskMB * 1024
	disk.CapacityInBytes = t.DiskMB * 1024 * 1024
	card := esx.EthernetCard
	card.Backing = &types.VirtualEthernetCardNetworkBackingInfo{
		VirtualDeviceDeviceBackingInfo: types.VirtualDeviceDeviceBackingInfo{DeviceName: "VM Network"},
	}
	devices = append(devices, scsi, disk, &card)
	spec.DeviceChange, err = devices.ConfigSpec(types.VirtualDeviceConfigSpecOperationAdd)
	if err != nil {
		return err
	}
	task, err := folder.CreateVM(ctx, spec, pool, nil)
	if err != nil {
		return err
	}
	info, err := task.WaitForResult(ctx, nil)
	if err != nil {
		return err
	}
	made := object.NewVirtualMachine(folder.Client(), info.Result.(types.ManagedObjectReference))
	return made.MarkAsTemplate(ctx)
}
