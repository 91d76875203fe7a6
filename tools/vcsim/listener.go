package main

import (
	"sync"
	"sync/atomic"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/types"
)

// change is what happened to an object.
type change struct {
	kind  types.ObjectUpdateKind
	ref   types.ManagedObjectReference
	names []string // of properties
}

// listener notes the changes of all objects for one collector. A nil one notes nothing.
type listener struct {
	ref   types.ManagedObjectReference
	woken chan struct{}

	mu      sync.Mutex
	changes []change
}

var (
	listenersMade int64
	listening     sync.Map // of all listeners
)

// listen notes changes from now on, until the session ends or somebody ends it.
func listen(session string) *listener {
	number := atomic.AddInt64(&listenersMade, 1)
	l := &listener{
		ref:   types.ManagedObjectReference{Type: "Listener", Value: string(rune(number))},
		woken: make(chan struct{}, 1),
	}
	listening.Store(l, true)
	simulator.Map.AddHandler(l)
	if ended := everySession.ended(session); ended != nil {
		go func() {
			<-ended
			l.end()
		}()
	}
	return l
}

// end notes nothing any more.
func (l *listener) end() {
	if l != nil {
		listening.Delete(l)
		simulator.Map.RemoveHandler(l)
	}
}

// wake lets the call that waits look again.
func (l *listener) wake() {
	if l == nil {
		return
	}
	select {
	case l.woken <- struct{}{}:
	default: // it will, already
	}
}

// take gives what was noted since it was last asked.
func (l *listener) take() []change {
	l.mu.Lock()
	defer l.mu.Unlock()
	taken := l.changes
	l.changes = nil
	return taken
}

func (l *listener) note(c change) {
	l.mu.Lock()
	l.changes = append(l.changes, c)
	l.mu.Unlock()
	l.wake()
}

// Reference is what the simulator keeps it under.
func (l *listener) Reference() types.ManagedObjectReference { return l.ref }

// PutObject notes that an object was made.
func (l *listener) PutObject(o mo.Reference) {
	l.note(change{kind: types.ObjectUpdateKindEnter, ref: o.Reference()})
}

// UpdateObject notes that properties of an object have changed.
func (l *listener) UpdateObject(o mo.Reference, changes []types.PropertyChange) {
	names := make([]string, 0, len(changes))
	for i := range changes {
		names = append(names, changes[i].Name)
	}
	l.note(change{kind: types.ObjectUpdateKindModify, ref: o.Reference(), names: names})
}

// RemoveObject notes that an object is gone.
func (l *listener) RemoveObject(ref types.ManagedObjectReference) {
	l.note(change{kind: types.ObjectUpdateKindLeave, ref: ref})
}

// touch notes changes that the simulator makes without telling of them.
func touch(ref types.ManagedObjectReference, names ...string) {
	listening.Range(func(l, _ interface{}) bool {
		l.(*listener).note(change{kind: types.ObjectUpdateKindModify, ref: ref, names: names})
		return true
	})
}
