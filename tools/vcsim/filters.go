package main

import (
	"strings"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/types"
)

// supertypes are those that filters name for the types below them.
var supertypes = map[string][]string{
	"ClusterComputeResource":      {"ComputeResource"},
	"DistributedVirtualPortgroup": {"Network"},
	"OpaqueNetwork":               {"Network"},
	"StoragePod":                  {"Folder"},
	"VirtualApp":                  {"ResourcePool"},
}

// compare looks at what of a filter's objects is new to one who knows some; gives whom it knows then.
func (c *collector) compare(
	ctx *simulator.Context, spec types.PropertyFilterSpec, known members, changes []change,
) (members, []types.ObjectUpdate) {
	var updates []types.ObjectUpdate
	now := known
	if known == nil || moves(spec, changes) {
		now = members{}
		var entered []types.ManagedObjectReference
		for _, ref := range c.references(ctx, spec) {
			now[ref] = true
			if !known[ref] {
				entered = append(entered, ref)
			}
		}
		for ref := range known {
			if !now[ref] {
				updates = append(updates, types.ObjectUpdate{Kind: types.ObjectUpdateKindLeave, Obj: ref})
			}
		}
		updates = append(updates, c.entering(ctx, spec, entered)...)
	}
	for ref, names := range modified(changes) {
		if known[ref] && now[ref] {
			if set := c.changed(ctx, spec, ref, names); len(set) > 0 {
				updates = append(updates, types.ObjectUpdate{
					Kind: types.ObjectUpdateKindModify, Obj: ref, ChangeSet: set,
				})
			}
		}
	}
	return now, updates
}

// moves says whether changes may let other objects be a filter's.
func moves(spec types.PropertyFilterSpec, changes []change) bool {
	for _, one := range changes {
		if one.kind != types.ObjectUpdateKindModify {
			if wants(spec, one.ref) != nil {
				return true
			}
			continue
		}
		for _, name := range one.names {
			if name == "view" || name == "childEntity" || name == "parent" {
				return true
			}
		}
	}
	return false
}

// modified gives the properties that have changed, by object.
func modified(changes []change) map[types.ManagedObjectReference][]string {
	found := map[types.ManagedObjectReference][]string{}
	for _, one := range changes {
		if one.kind == types.ObjectUpdateKindModify {
			found[one.ref] = append(found[one.ref], one.names...)
		}
	}
	return found
}

// wants gives what a filter tells of an object; nil when it does not tell of such.
func wants(spec types.PropertyFilterSpec, ref types.ManagedObjectReference) *types.PropertySpec {
	kinds := append([]string{ref.Type, "ManagedEntity"}, supertypes[ref.Type]...)
	for i, properties := range spec.PropSet {
		for _, kind := range kinds {
			if properties.Type == kind {
				return &spec.PropSet[i]
			}
		}
	}
	return nil
}

// references gives the objects of a filter.
func (c *collector) references(
	ctx *simulator.Context, spec types.PropertyFilterSpec,
) []types.ManagedObjectReference {
	bare := spec
	bare.ReportMissingObjectsInResults = types.NewBool(true)
	bare.PropSet = nil
	for _, properties := range spec.PropSet { // no path, and not all of them
		bare.PropSet = append(bare.PropSet, types.PropertySpec{Type: properties.Type})
	}
	var found []types.ManagedObjectReference
	contents, _ := c.retrieve(ctx, []types.PropertyFilterSpec{bare})
	for i := range contents {
		found = append(found, contents[i].Obj)
	}
	return found
}

// entering tells of objects that are new.
func (c *collector) entering(
	ctx *simulator.Context, spec types.PropertyFilterSpec, refs []types.ManagedObjectReference,
) []types.ObjectUpdate {
	if len(refs) == 0 {
		return nil
	}
	var updates []types.ObjectUpdate
	contents, _ := c.retrieve(ctx, []types.PropertyFilterSpec{only(spec.PropSet, refs)})
	for i := range contents {
		updates = append(updates, types.ObjectUpdate{
			Kind: types.ObjectUpdateKindEnter, Obj: contents[i].Obj, ChangeSet: assigned(contents[i].PropSet),
		})
	}
	return updates
}

// changed tells of an object's properties that have changed and are wanted, each with its value; without, if it is unset.
func (c *collector) changed(
	ctx *simulator.Context, spec types.PropertyFilterSpec, ref types.ManagedObjectReference, names []string,
) []types.PropertyChange {
	properties := wants(spec, ref)
	if properties == nil {
		return nil
	}
	paths := touched(properties, names)
	if len(paths) == 0 {
		return nil
	}
	some := []types.PropertySpec{{Type: properties.Type, PathSet: paths}}
	contents, _ := c.retrieve(ctx, []types.PropertyFilterSpec{only(some, []types.ManagedObjectReference{ref})})
	if len(contents) == 0 {
		return nil
	}
	set := assigned(contents[0].PropSet)
	for _, path := range paths {
		if !named(set, path) {
			set = append(set, types.PropertyChange{Op: types.PropertyChangeOpAssign, Name: path})
		}
	}
	return set
}

// touched gives the paths of those that are wanted that changes lead into, or that lie in what has changed.
func touched(properties *types.PropertySpec, names []string) []string {
	wanted := properties.PathSet
	if isTrue(properties.All) {
		wanted = nil
		seen := map[string]bool{}
		for _, name := range names {
			if whole := strings.SplitN(name, ".", 2)[0]; !seen[whole] {
				seen[whole] = true
				wanted = append(wanted, whole)
			}
		}
	}
	var paths []string
	for _, path := range wanted {
		for _, name := range names {
			if within(name, path) || within(path, name) {
				paths = append(paths, path)
				break
			}
		}
	}
	return paths
}

// within says whether a path leads to a property, or to a part of it.
func within(path, property string) bool {
	return path == property || strings.HasPrefix(path, property+".") || strings.HasPrefix(path, property+"[")
}

func named(set []types.PropertyChange, name string) bool {
	for i := range set {
		if set[i].Name == name {
			return true
		}
	}
	return false
}

func assigned(properties []types.DynamicProperty) []types.PropertyChange {
	set := make([]types.PropertyChange, 0, len(properties))
	for _, property := range properties {
		set = append(set, types.PropertyChange{
			Op: types.PropertyChangeOpAssign, Name: property.Name, Val: property.Val,
		})
	}
	return set
}

// only asks for properties of certain objects; of those that are gone, for none.
func only(properties []types.PropertySpec, refs []types.ManagedObjectReference) types.PropertyFilterSpec {
	spec := types.PropertyFilterSpec{PropSet: properties, ReportMissingObjectsInResults: types.NewBool(true)}
	for _, ref := range refs {
		spec.ObjectSet = append(spec.ObjectSet, types.ObjectSpec{Obj: ref})
	}
	return spec
}
