package main

import (
	"strings"
	"sync"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/methods"
	"github.com/vmware/govmomi/vim25/soap"
	"github.com/vmware/govmomi/vim25/types"
)

// toggle is something that tests switch.
type toggle struct {
	mu sync.Mutex
	on bool
}

func (t *toggle) set(on bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.on = on
}

func (t *toggle) get() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.on
}

var (
	// indexedPaths lets properties be asked for by a key, as in config.extraConfig["guestinfo.metadata"].
	indexedPaths = toggle{on: true}
	// vanishingIsFatal lets a page fail on which an object was that is gone meanwhile, instead of leaving it out.
	vanishingIsFatal toggle
)

// page is what has not been told yet of a list.
type page struct {
	rest []types.PropertyFilterSpec // each for certain objects
	most int
}

// RetrievePropertiesEx tells of objects, up to as many as the caller wants, and gives a token for the others.
func (c *collector) RetrievePropertiesEx(ctx *simulator.Context, r *types.RetrievePropertiesEx) soap.HasFault {
	if ctx.Session == nil || r.Options.MaxObjects <= 0 {
		contents, fault := c.retrieve(ctx, r.SpecSet)
		return retrieved(contents, "", fault)
	}
	whole := &page{most: int(r.Options.MaxObjects)}
	for _, spec := range r.SpecSet {
		if fault := c.missing(ctx, spec); fault != nil {
			return retrieved(nil, "", fault)
		}
		whole.rest = append(whole.rest, only(spec.PropSet, c.references(ctx, spec)))
	}
	return c.turn(ctx, whole)
}

// ContinueRetrievePropertiesEx tells of the next objects.
func (c *collector) ContinueRetrievePropertiesEx(
	ctx *simulator.Context, r *types.ContinueRetrievePropertiesEx,
) soap.HasFault {
	c.mu.Lock()
	rest, ok := c.pages[r.Token]
	delete(c.pages, r.Token)
	c.mu.Unlock()
	if !ok {
		fault := &types.InvalidArgument{InvalidProperty: "token"}
		return &methods.ContinueRetrievePropertiesExBody{Fault_: simulator.Fault("there is no such page", fault)}
	}
	turned := c.turn(ctx, rest)
	if turned.Fault_ != nil {
		return &methods.ContinueRetrievePropertiesExBody{Fault_: turned.Fault_}
	}
	return &methods.ContinueRetrievePropertiesExBody{
		Res: &types.ContinueRetrievePropertiesExResponse{Returnval: *turned.Res.Returnval},
	}
}

// CancelRetrievePropertiesEx forgets the rest of a list.
func (c *collector) CancelRetrievePropertiesEx(
	_ *simulator.Context, r *types.CancelRetrievePropertiesEx,
) soap.HasFault {
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, ok := c.pages[r.Token]; !ok {
		fault := &types.InvalidArgument{InvalidProperty: "token"}
		return &methods.CancelRetrievePropertiesExBody{Fault_: simulator.Fault("there is no such page", fault)}
	}
	delete(c.pages, r.Token)
	return &methods.CancelRetrievePropertiesExBody{Res: &types.CancelRetrievePropertiesExResponse{}}
}

// turn tells the first objects of a page, and keeps the others.
func (c *collector) turn(ctx *simulator.Context, from *page) *methods.RetrievePropertiesExBody {
	now, rest := divide(from.rest, from.most)
	if vanishingIsFatal.get() {
		for i := range now {
			now[i].ReportMissingObjectsInResults = nil
		}
	}
	contents, fault := c.retrieve(ctx, now)
	token := ""
	if fault == nil && len(rest) > 0 {
		c.mu.Lock()
		if c.pages == nil {
			c.pages = map[string]*page{}
		}
		token = c.nextToken()
		c.pages[token] = &page{rest: rest, most: from.most}
		c.mu.Unlock()
	}
	return retrieved(contents, token, fault)
}

// missing says whether an object that was asked for by itself is gone.
func (c *collector) missing(ctx *simulator.Context, spec types.PropertyFilterSpec) types.BaseMethodFault {
	if reported := spec.ReportMissingObjectsInResults; reported != nil && *reported {
		return nil
	}
	for _, object := range spec.ObjectSet {
		if ctx.Session.Get(object.Obj) == nil {
			return &types.ManagedObjectNotFound{Obj: object.Obj}
		}
	}
	return nil
}

// divide takes the first so many objects.
func divide(specs []types.PropertyFilterSpec, most int) (now, rest []types.PropertyFilterSpec) {
	for _, spec := range specs {
		first, second := spec, spec
		count := len(spec.ObjectSet)
		if count > most {
			count = most
		}
		first.ObjectSet, second.ObjectSet = spec.ObjectSet[:count], spec.ObjectSet[count:]
		most -= count
		if len(first.ObjectSet) > 0 {
			now = append(now, first)
		}
		if len(second.ObjectSet) > 0 {
			rest = append(rest, second)
		}
	}
	return now, rest
}

// retrieve reads properties, by a key too. A property that there is not is a fault, as at a real server.
func (c *collector) retrieve(
	ctx *simulator.Context, specs []types.PropertyFilterSpec,
) ([]types.ObjectContent, types.BaseMethodFault) {
	if len(specs) == 0 {
		return nil, nil
	}
	plain, keys := withoutKeys(specs)
	answer := c.PropertyCollector.RetrievePropertiesEx(ctx, &types.RetrievePropertiesEx{This: c.Self, SpecSet: plain})
	if failed := answer.Fault(); failed != nil {
		return nil, failed.VimFault().(types.BaseMethodFault)
	}
	contents := answer.(*methods.RetrievePropertiesExBody).Res.Returnval.Objects
	for i := range contents {
		for _, absent := range contents[i].MissingSet {
			if invalid, ok := absent.Fault.Fault.(*types.InvalidProperty); ok && ctx.Session != nil {
				return nil, invalid
			}
		}
		contents[i].PropSet = withKeys(readable(contents[i]), keys)
	}
	return contents, nil
}

const keyed = `config.extraConfig["`

// withoutKeys asks for whole properties where one of their parts is asked for, and gives those parts.
func withoutKeys(specs []types.PropertyFilterSpec) (plain []types.PropertyFilterSpec, keys []string) {
	if !indexedPaths.get() {
		return specs, nil
	}
	for _, spec := range specs {
		properties := append([]types.PropertySpec{}, spec.PropSet...)
		for i := range properties {
			var paths []string
			for _, path := range properties[i].PathSet {
				if strings.HasPrefix(path, keyed) {
					keys = append(keys, path)
					path = "config.extraConfig"
				}
				paths = append(paths, path)
			}
			properties[i].PathSet = paths
		}
		spec.PropSet = properties
		plain = append(plain, spec)
	}
	return plain, keys
}

// withKeys tells of the parts that were asked for instead of the whole.
func withKeys(properties []types.DynamicProperty, keys []string) []types.DynamicProperty {
	if len(keys) == 0 {
		return properties
	}
	var told []types.DynamicProperty
	for _, property := range properties {
		options, ok := property.Val.(*types.ArrayOfOptionValue)
		if !ok || property.Name != "config.extraConfig" {
			told = append(told, property)
			continue
		}
		for _, path := range keys {
			for _, option := range options.OptionValue {
				if path == keyed+option.GetOptionValue().Key+`"]` {
					told = append(told, types.DynamicProperty{Name: path, Val: *option.GetOptionValue()})
				}
			}
		}
	}
	return told
}

func retrieved(
	contents []types.ObjectContent, token string, fault types.BaseMethodFault,
) *methods.RetrievePropertiesExBody {
	if fault != nil {
		return &methods.RetrievePropertiesExBody{Fault_: simulator.Fault("it cannot be retrieved", fault)}
	}
	if len(contents) == 0 {
		return &methods.RetrievePropertiesExBody{Res: &types.RetrievePropertiesExResponse{}}
	}
	return &methods.RetrievePropertiesExBody{Res: &types.RetrievePropertiesExResponse{
		Returnval: &types.RetrieveResult{Objects: contents, Token: token},
	}}
}
