package main

import (
	"bytes"
	"net/http"

	"github.com/vmware/govmomi/vim25/types"
)

// How calls fail.
const (
	withFault     = "fault"       // the call is refused, and nothing is done
	withTaskFault = "task fault"  // the task is started, and ends with the fault
	dropBefore    = "drop before" // the connection breaks before anything is done
	dropAfter     = "drop after"  // the connection breaks instead of an answer, after it was done
	withStatus    = "status"      // an HTTP status without a fault, and nothing is done
)

// failure lets calls of a method fail, some times.
type failure struct {
	Kind   string
	Method string
	About  string // only requests that contain this text
	Times  int    // how often yet; below 0 always
	Fault  types.BaseMethodFault
	Text   string
	Status int
}

// meets says whether a call fails so, and counts it.
func (f *failure) meets(method string, body []byte) bool {
	if f.Method != method || f.Times == 0 || !bytes.Contains(body, []byte(f.About)) {
		return false
	}
	if f.Times > 0 {
		f.Times--
	}
	return true
}

// answers answers a call that is not to be done.
func (f *failure) answers(w http.ResponseWriter) bool {
	switch f.Kind {
	case withFault:
		(&reply{fault: f.Fault, text: f.Text}).write(w, f.Method)
	case withStatus:
		w.WriteHeader(f.Status)
	case dropBefore:
		breakOff(w)
	default:
		return false
	}
	return true
}
