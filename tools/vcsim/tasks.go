package main

import (
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"time"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/soap"
	"github.com/vmware/govmomi/vim25/types"
	"github.com/vmware/govmomi/vim25/xml"
)

// descriptions are what the server calls its operations (TaskInfo.descriptionId) where it is not the method's name.
var descriptions = map[string]string{
	"CloneVM_Task":    "clone",
	"CreateVM_Task":   "createVm",
	"PowerOnVM_Task":  "powerOn",
	"PowerOffVM_Task": "powerOff",
	"ReconfigVM_Task": "reconfigure",
	"RelocateVM_Task": "relocate",
	"ResetVM_Task":    "reset",
	"SuspendVM_Task":  "suspend",
}

// cancelable are the operations that can be cancelled.
var cancelable = map[string]bool{"CloneVM_Task": true, "RelocateVM_Task": true}

const (
	recentTasks         = 10
	recentTasksOfServer = 200
)

// tasks run in the background, as those of a real server; the simulator's own are over before it answers.
type tasks struct {
	gate    *gate
	manager *simulator.TaskManager

	mu      sync.Mutex
	running map[types.ManagedObjectReference]*running
	holds   []*hold

	turns sync.Map // a *sync.Mutex for each object that a task works on
}

// running is a task that has not ended.
type running struct {
	*simulator.Task
	method    *simulator.Method
	cancelled chan struct{}
}

// hold lets tasks wait before they do anything.
type hold struct {
	method   string
	released chan struct{}
}

// newTasks takes the list of recent tasks over from the simulator, which would list its own.
func newTasks(g *gate) *tasks {
	t := &tasks{gate: g, running: map[types.ManagedObjectReference]*running{}}
	ref := types.ManagedObjectReference{Type: "TaskManager", Value: "TaskManager"}
	t.manager = simulator.Map.Get(ref).(*simulator.TaskManager)
	simulator.Map.RemoveHandler(t.manager)
	simulator.Map.Update(t.manager, []types.PropertyChange{{Name: "recentTask", Val: nil}})
	return t
}

// list adds a task to those that the server tells of.
func (t *tasks) list(task types.ManagedObjectReference) {
	t.mu.Lock()
	defer t.mu.Unlock()
	recent := append(append([]types.ManagedObjectReference{}, t.manager.RecentTask...), task)
	if len(recent) > recentTasksOfServer {
		recent = recent[1:]
	}
	update(t.manager, types.PropertyChange{Name: "recentTask", Val: recent})
}

// start answers with a task, which then does what the method says.
func (t *tasks) start(w http.ResponseWriter, method *simulator.Method, body []byte, failing *failure) {
	object := simulator.Map.Get(method.This)
	if object == nil {
		(&reply{fault: &types.ManagedObjectNotFound{Obj: method.This}, text: "it is gone"}).write(w, method.Name)
		return
	}
	name := strings.TrimSuffix(method.Name, "_Task")
	task := simulator.CreateTask(object, name+"Task", nil)
	task.Info.DescriptionId = method.This.Type + "." + strings.ToLower(name[:1]) + name[1:]
	if known, ok := descriptions[method.Name]; ok {
		task.Info.DescriptionId = method.This.Type + "." + known
	}
	task.Info.Cancelable = cancelable[method.Name]
	if entity, ok := object.(mo.Entity); ok {
		task.Info.EntityName = entity.Entity().Name
		listRecent(entity, task.Self)
	} else {
		task.Info.Entity, task.Info.EntityName = nil, ""
	}
	t.list(task.Self)
	now := &running{Task: task, method: method, cancelled: make(chan struct{})}
	t.mu.Lock()
	t.running[task.Self] = now
	held := t.holdOf(method.Name)
	t.mu.Unlock()
	go t.run(now, held, body, failing)
	(&reply{value: fmt.Sprintf(`<returnval type="Task">%s</returnval>`, task.Self.Value)}).write(w, method.Name)
}

// run does it, and says how it went.
func (t *tasks) run(r *running, held *hold, body []byte, failing *failure) {
	update(r.Task,
		types.PropertyChange{Name: "info.startTime", Val: time.Now()},
		types.PropertyChange{Name: "info.state", Val: types.TaskInfoStateRunning},
	)
	result, fault := t.result(r, held, body, failing)
	t.mu.Lock()
	delete(t.running, r.Self)
	t.mu.Unlock()
	changes := []types.PropertyChange{{Name: "info.completeTime", Val: time.Now()}}
	if fault == nil {
		changes = append(changes,
			types.PropertyChange{Name: "info.state", Val: types.TaskInfoStateSuccess},
			types.PropertyChange{Name: "info.result", Val: result},
			types.PropertyChange{Name: "info.progress", Val: int32(100)},
		)
	} else {
		text := fmt.Sprintf("the simulator's %T", fault)
		if failing != nil && failing.Text != "" {
			text = failing.Text
		}
		told := types.LocalizedMethodFault{Fault: fault, LocalizedMessage: text}
		changes = append(changes,
			types.PropertyChange{Name: "info.state", Val: types.TaskInfoStateError},
			types.PropertyChange{Name: "info.error", Val: told},
		)
	}
	update(r.Task, changes...)
}

// update changes an object's properties as one: nobody may read that a task has succeeded, and no result of it yet.
func update(object mo.Reference, changes ...types.PropertyChange) {
	simulator.Map.WithLock(object, func() { simulator.Map.Update(object, changes) })
}

// result does it.
func (t *tasks) result(
	r *running, held *hold, body []byte, failing *failure,
) (result types.AnyType, fault types.BaseMethodFault) {
	defer recovered(&fault)
	if held != nil {
		select {
		case <-held.released:
		case <-r.cancelled:
			return nil, &types.RequestCanceled{}
		}
	}
	if failing != nil && failing.Kind == withTaskFault {
		return nil, failing.Fault
	}
	defer t.alone(r.method.This)()
	if vm, ok := simulator.Map.Get(r.method.This).(*simulator.VirtualMachine); ok {
		if fault := unreachable(vm); fault != nil {
			return nil, fault
		}
	}
	if own, ok := performed[r.method.Name]; ok {
		return nil, own(r.method)
	}
	prepare, ok := prepared[r.method.Name]
	if !ok {
		return t.perform(body)
	}
	then, fault := prepare(t.gate, r.method)
	if fault != nil {
		return nil, fault
	}
	return then(t.perform(body))
}

// recovered lets a task fail where the simulator breaks, e.g. over an object that somebody removed meanwhile.
func recovered(fault *types.BaseMethodFault) {
	if broken := recover(); broken != nil {
		log.Printf("the simulator broke: %v", broken)
		*fault = &types.SystemError{Reason: fmt.Sprint(broken)}
	}
}

// alone lets one task at a time work on an object, until what it gives is called.
func (t *tasks) alone(ref types.ManagedObjectReference) func() {
	turn, _ := t.turns.LoadOrStore(ref, &sync.Mutex{})
	turn.(*sync.Mutex).Lock()
	return turn.(*sync.Mutex).Unlock
}

// perform lets the simulator do it, whose task is over at once, and is then forgotten.
func (t *tasks) perform(body []byte) (result types.AnyType, fault types.BaseMethodFault) {
	defer recovered(&fault)
	answer, fault := answered(t.gate.asAdmin(body))
	if fault != nil {
		return nil, fault
	}
	inner := simulator.Map.Get(answer).(*simulator.Task)
	simulator.Map.Remove(inner.Self)
	if inner.Info.Error != nil {
		return nil, inner.Info.Error.Fault
	}
	return inner.Info.Result, nil
}

// cancel ends a task that has not begun to do anything.
func (t *tasks) cancel(ref types.ManagedObjectReference) *reply {
	t.mu.Lock()
	defer t.mu.Unlock()
	r, ok := t.running[ref]
	switch {
	case !ok:
		return &reply{fault: &types.InvalidState{}, text: "the task is over"}
	case !r.Info.Cancelable:
		return &reply{fault: &types.NotSupported{}, text: "the task cannot be cancelled"}
	case !r.Info.Cancelled:
		r.Info.Cancelled = true
		close(r.cancelled)
	}
	return &reply{}
}

// holdOf gives the hold that meets a method. The caller has locked.
func (t *tasks) holdOf(method string) *hold {
	for _, held := range t.holds {
		if held.method == method {
			return held
		}
	}
	return nil
}

// hold lets new tasks of a method wait.
func (t *tasks) hold(method string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.holdOf(method) == nil {
		t.holds = append(t.holds, &hold{method: method, released: make(chan struct{})})
	}
}

// release lets them go on.
func (t *tasks) release(method string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	var kept []*hold
	for _, held := range t.holds {
		if held.method == method {
			close(held.released)
		} else {
			kept = append(kept, held)
		}
	}
	t.holds = kept
}

// progress lets the running tasks of a method tell how far they are; gives how many there are.
func (t *tasks) progress(method string, percent int32) int {
	t.mu.Lock()
	defer t.mu.Unlock()
	told := 0
	for _, r := range t.running {
		if r.method.Name == method {
			update(r.Task, types.PropertyChange{Name: "info.progress", Val: percent})
			told++
		}
	}
	return told
}

// listRecent adds a task to those of an entity.
func listRecent(entity mo.Entity, task types.ManagedObjectReference) {
	simulator.Map.WithLock(entity, func() {
		recent := append([]types.ManagedObjectReference{}, entity.Entity().RecentTask...)
		recent = append(recent, task)
		if len(recent) > recentTasks {
			recent = recent[1:]
		}
		entity.Entity().RecentTask = recent
		touch(entity.Reference(), "recentTask")
	})
}

// answered reads what the simulator answered: the task that it made, or a fault.
func answered(recorder *httptest.ResponseRecorder) (task types.ManagedObjectReference, fault types.BaseMethodFault) {
	var read struct {
		Body struct {
			Fault    *soap.Fault `xml:"http://schemas.xmlsoap.org/soap/envelope/ Fault"`
			Response struct {
				Returnval types.ManagedObjectReference `xml:"returnval"`
			} `xml:",any"`
		}
	}
	decoder := xml.NewDecoder(recorder.Body)
	decoder.TypeFunc = types.TypeFunc()
	if err := decoder.Decode(&read); err != nil {
		return task, &types.SystemError{Reason: err.Error()}
	}
	if read.Body.Fault != nil {
		if known, ok := read.Body.Fault.VimFault().(types.BaseMethodFault); ok {
			return task, known
		}
		return task, &types.SystemError{Reason: read.Body.Fault.String}
	}
	return read.Body.Response.Returnval, nil
}
