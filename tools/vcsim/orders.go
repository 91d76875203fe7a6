package main

import (
	"encoding/json"
	"fmt"
)

// order is what a line of standard input asks for; what belongs to which order, obey says.
type order struct {
	Do      string          `json:"do"`
	Kind    string          `json:"kind"`
	Method  string          `json:"method"`
	About   string          `json:"about"`
	Times   int             `json:"times"`
	Fault   string          `json:"fault"`
	Fields  json.RawMessage `json:"fields"` // of the fault, by their names in Go
	Text    string          `json:"text"`
	Status  int             `json:"status"`
	Percent int32           `json:"percent"`
	VM      string          `json:"vm"` // the id
	Value   string          `json:"value"`
	On      bool            `json:"on"`
}

// obey does what an order says and gives the answer.
func (g *gate) obey(o *order) interface{} {
	switch o.Do {
	case "fail":
		return g.fail(o)
	case "mend":
		g.mend(o.Method)
	case "hold":
		g.tasks.hold(o.Method)
	case "release":
		g.tasks.release(o.Method)
	case "progress":
		return g.tasks.progress(o.Method, o.Percent)
	case "calls":
		g.mu.Lock()
		defer g.mu.Unlock()
		calls := map[string]int{}
		for method, count := range g.calls {
			calls[method] = count
		}
		return calls
	case "sessions":
		return g.sessions.count()
	case "expire sessions":
		return g.sessions.expire(g)
	case "tools":
		return told(setTools(o.VM, o.Value))
	case "connection":
		return told(setConnection(o.VM, o.Value, o.On))
	case "question":
		return told(ask(o.VM, o.Text))
	case "distinct uuids":
		distinctUuids.set(o.On)
	case "indexed paths":
		indexedPaths.set(o.On)
	case "vanishing is fatal":
		vanishingIsFatal.set(o.On)
	default:
		return map[string]string{"error": fmt.Sprintf("there is no order %q", o.Do)}
	}
	return nil
}

func (g *gate) fail(o *order) interface{} {
	f := &failure{Kind: o.Kind, Method: o.Method, About: o.About, Times: o.Times, Text: o.Text, Status: o.Status}
	if o.Fault != "" {
		fault, err := faultNamed(o.Fault)
		if err == nil && o.Fields != nil {
			err = json.Unmarshal(o.Fields, fault)
		}
		if err != nil {
			return told(err)
		}
		f.Fault = fault
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.failures = append(g.failures, f)
	return nil
}

// mend lets no calls of a method fail any more.
func (g *gate) mend(method string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	var kept []*failure
	for _, f := range g.failures {
		if f.Method != method {
			kept = append(kept, f)
		}
	}
	g.failures = kept
}

func told(err error) interface{} {
	if err == nil {
		return nil
	}
	return map[string]string{"error": err.Error()}
}
