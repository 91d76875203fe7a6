package main

import (
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/methods"
	"github.com/vmware/govmomi/vim25/soap"
	"github.com/vmware/govmomi/vim25/types"
)

// collector is the property collector, of which each session has its own. Unlike the simulator's it tells in pages,
// tells of changes at once, and again to those whom an answer did not reach.
type collector struct {
	simulator.PropertyCollector

	mu       sync.Mutex
	pages    map[string]*page
	tokens   int
	listener *listener
	version  int
	last     []types.PropertyFilterUpdate // what made the version
	queued   []types.PropertyFilterUpdate // what was found, and not told yet
	members  map[types.ManagedObjectReference]members
	waiting  chan struct{} // closed to end the call that waits
}

// collectorItself is what a session's first collector is called in a request.
const collectorItself = `<_this type="PropertyCollector">propertyCollector</_this>`

// members are the objects that a filter has told of.
type members map[types.ManagedObjectReference]bool

func newCollector() *collector {
	c := &collector{}
	c.Self = simulator.Map.Get(types.ManagedObjectReference{
		Type: "PropertyCollector", Value: "propertyCollector",
	}).Reference()
	return c
}

// CreatePropertyCollector makes a further one of the same kind.
func (c *collector) CreatePropertyCollector(ctx *simulator.Context, _ *types.CreatePropertyCollector) soap.HasFault {
	further := &collector{}
	further.Self.Type = c.Self.Type
	return &methods.CreatePropertyCollectorBody{
		Res: &types.CreatePropertyCollectorResponse{Returnval: ctx.Session.Put(further).Reference()},
	}
}

// DestroyPropertyCollector ends it, and what waits on it.
func (c *collector) DestroyPropertyCollector(ctx *simulator.Context, r *types.DestroyPropertyCollector) soap.HasFault {
	c.CancelWaitForUpdates(nil)
	c.mu.Lock()
	c.listener.end()
	c.mu.Unlock()
	return c.PropertyCollector.DestroyPropertyCollector(ctx, r)
}

// CancelWaitForUpdates ends the call that waits, if one does.
func (c *collector) CancelWaitForUpdates(*types.CancelWaitForUpdates) soap.HasFault {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.cancel()
	return &methods.CancelWaitForUpdatesBody{Res: new(types.CancelWaitForUpdatesResponse)}
}

// CreateFilter makes a filter, of which a call that waits tells at once.
func (c *collector) CreateFilter(ctx *simulator.Context, r *types.CreateFilter) soap.HasFault {
	made := c.PropertyCollector.CreateFilter(ctx, r)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.listener.wake()
	return made
}

// WaitForUpdatesEx waits until the objects of the filters differ from what was told with the caller's version.
func (c *collector) WaitForUpdatesEx(ctx *simulator.Context, r *types.WaitForUpdatesEx) soap.HasFault {
	waiting, fault := c.begin(ctx, r.Version)
	if fault != nil {
		return &methods.WaitForUpdatesExBody{Fault_: simulator.Fault("the version is not known", fault)}
	}
	deadline, most := limits(r.Options)
	ended := everySession.ended(ctx.Session.Key)
	for {
		if set := c.told(ctx, most); set != nil {
			return &methods.WaitForUpdatesExBody{Res: &types.WaitForUpdatesExResponse{Returnval: set}}
		}
		select {
		case <-c.listener.woken:
		case <-deadline:
			return &methods.WaitForUpdatesExBody{Res: &types.WaitForUpdatesExResponse{}}
		case <-waiting:
			return &methods.WaitForUpdatesExBody{Fault_: simulator.Fault("cancelled", &types.RequestCanceled{})}
		case <-ended:
			return &methods.WaitForUpdatesExBody{Fault_: simulator.Fault("the session has ended", &types.NotAuthenticated{
				NoPermission: types.NoPermission{Object: c.Self, PrivilegeId: "System.View"},
			})}
		}
	}
}

// WaitForUpdates is the same in an older fashion, which clients still use to wait for a task.
func (c *collector) WaitForUpdates(ctx *simulator.Context, r *types.WaitForUpdates) soap.HasFault {
	found := c.WaitForUpdatesEx(ctx, &types.WaitForUpdatesEx{This: r.This, Version: r.Version})
	if found.Fault() != nil {
		return &methods.WaitForUpdatesBody{Fault_: found.Fault()}
	}
	set := found.(*methods.WaitForUpdatesExBody).Res.Returnval
	return &methods.WaitForUpdatesBody{Res: &types.WaitForUpdatesResponse{Returnval: *set}}
}

// begin takes the place of a call that waits, and goes to where the caller is.
func (c *collector) begin(ctx *simulator.Context, version string) (<-chan struct{}, types.BaseMethodFault) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.cancel()
	if version != "" && c.listener == nil {
		return nil, &types.InvalidCollectorVersion{}
	}
	switch version {
	case "":
		c.listener.end()
		c.listener = listen(ctx.Session.Key)
		c.queued, c.last, c.members = nil, nil, map[types.ManagedObjectReference]members{}
	case strconv.Itoa(c.version):
		c.last = nil
	case strconv.Itoa(c.version - 1): // the answer was lost on its way
		c.queued, c.last = append(c.last, c.queued...), nil
	default:
		return nil, &types.InvalidCollectorVersion{}
	}
	c.waiting = make(chan struct{})
	return c.waiting, nil
}

// cancel ends the call that waits. The caller has locked.
func (c *collector) cancel() {
	if c.waiting != nil {
		close(c.waiting)
		c.waiting = nil
	}
}

// told gives what is new, up to so many objects; nil when nothing is.
func (c *collector) told(ctx *simulator.Context, most int) *types.UpdateSet {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.queued = append(c.queued, c.news(ctx)...)
	if len(c.queued) == 0 {
		return nil
	}
	now, rest := cut(c.queued, most)
	c.last, c.queued = now, rest
	c.version++
	return &types.UpdateSet{
		Version:   strconv.Itoa(c.version),
		FilterSet: now,
		Truncated: types.NewBool(len(rest) > 0),
	}
}

// news looks at what has changed since it last did. The caller has locked.
func (c *collector) news(ctx *simulator.Context) []types.PropertyFilterUpdate {
	var found []types.PropertyFilterUpdate
	changes := c.listener.take()
	kept := map[types.ManagedObjectReference]members{}
	for _, ref := range append([]types.ManagedObjectReference{}, c.Filter...) {
		filter, ok := ctx.Session.Get(ref).(*simulator.PropertyFilter)
		if !ok {
			continue // it was destroyed meanwhile
		}
		var objects []types.ObjectUpdate
		kept[ref], objects = c.compare(ctx, filter.Spec, c.members[ref], changes)
		if len(objects) > 0 {
			found = append(found, types.PropertyFilterUpdate{Filter: ref, ObjectSet: objects})
		}
	}
	c.members = kept
	return found
}

func limits(options *types.WaitOptions) (deadline <-chan time.Time, most int) {
	if options == nil {
		return nil, 0
	}
	if options.MaxWaitSeconds != nil {
		deadline = time.After(time.Duration(*options.MaxWaitSeconds) * time.Second)
	}
	return deadline, int(options.MaxObjectUpdates)
}

// cut divides updates so that the first part tells of no more than so many objects; all of them for 0.
func cut(all []types.PropertyFilterUpdate, most int) (now, rest []types.PropertyFilterUpdate) {
	if most <= 0 {
		return all, nil
	}
	for i, update := range all {
		if len(update.ObjectSet) <= most {
			now, most = append(now, update), most-len(update.ObjectSet)
			continue
		}
		first, second := update, update
		first.ObjectSet, second.ObjectSet = update.ObjectSet[:most], update.ObjectSet[most:]
		if most > 0 {
			now = append(now, first)
		}
		return now, append([]types.PropertyFilterUpdate{second}, all[i+1:]...)
	}
	return now, nil
}

// nextToken names a page. The caller has locked.
func (c *collector) nextToken() string {
	c.tokens++
	return fmt.Sprintf("page-%d", c.tokens)
}
