package main

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/soap"
	"github.com/vmware/govmomi/vim25/types"
)

// gate stands before the simulator: it counts calls, lets some fail as tests want it, and answers those that the
// simulator does not know or answers unlike the vSphere API reference.
type gate struct {
	simulator http.Handler
	tasks     *tasks
	sessions  *sessions
	admin     string // the key of a session of the gate's own, for what goes on after a caller has gone

	mu       sync.Mutex
	calls    map[string]int
	failures []*failure
}

func newGate(next http.Handler) *gate {
	g := &gate{simulator: next, calls: map[string]int{}, sessions: newSessions()}
	g.tasks = newTasks(g)
	return g
}

func (g *gate) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return // the caller is gone
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	name := methodName(body)
	if r.Method != http.MethodPost || name == "" {
		g.simulator.ServeHTTP(w, r)
		return
	}
	failing := g.count(name, body)
	if failing != nil && failing.answers(w) {
		return
	}
	if failing != nil && failing.Kind == dropAfter {
		g.answer(httptest.NewRecorder(), r, name, body, nil)
		breakOff(w)
		return
	}
	g.answer(w, r, name, body, failing)
}

// answer does what is asked: mended where the simulator differs, and else as it does it.
func (g *gate) answer(w http.ResponseWriter, r *http.Request, name string, body []byte, failing *failure) {
	key := sessionKey(r)
	if !g.sessions.active(key) {
		g.simulator.ServeHTTP(w, r) // it refuses, or lets them log in
		if key := keyOf((&http.Response{Header: w.Header()}).Cookies()); key != "" {
			g.sessions.add(key)
			g.as(key, envelope("CancelWaitForUpdates", collectorItself)) // makes the session's collector
		}
		return
	}
	method, err := simulator.UnmarshalBody(types.TypeFunc(), body)
	if err != nil {
		g.simulator.ServeHTTP(w, r)
		return
	}
	if strings.HasSuffix(name, "_Task") && simulator.Map.Get(method.This) != nil {
		g.tasks.start(w, method, body, failing)
		return
	}
	if mend, ok := mended[name]; ok {
		if done := mend(g, method); done != nil {
			done.write(w, name)
			return
		}
	}
	g.simulator.ServeHTTP(w, r)
	if name == "Logout" {
		g.sessions.end(key)
	}
	if notify, ok := unnoticed[name]; ok {
		touch(method.This, notify...)
	}
}

// count counts a call, and says how it fails, if it does.
func (g *gate) count(name string, body []byte) *failure {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.calls[name]++
	for _, f := range g.failures {
		if f.meets(name, body) {
			return f
		}
	}
	return nil
}

// asAdmin sends a request of somebody else in the gate's own session.
func (g *gate) asAdmin(body []byte) *httptest.ResponseRecorder {
	return g.as(g.admin, body)
}

// as sends a request in a session, or in none.
func (g *gate) as(key string, body []byte) *httptest.ResponseRecorder {
	request := httptest.NewRequest(http.MethodPost, "/sdk", bytes.NewReader(body))
	if key != "" {
		request.AddCookie(&http.Cookie{Name: soap.SessionCookieName, Value: key})
	}
	recorder := httptest.NewRecorder()
	g.simulator.ServeHTTP(recorder, request)
	return recorder
}

func (g *gate) logIn(user, password string) error {
	var arguments bytes.Buffer
	arguments.WriteString(`<_this type="SessionManager">SessionManager</_this><userName>`)
	xml.EscapeText(&arguments, []byte(user))
	arguments.WriteString("</userName><password>")
	xml.EscapeText(&arguments, []byte(password))
	arguments.WriteString("</password>")
	answer := g.asAdmin(envelope("Login", arguments.String())).Result()
	g.sessions.user = user
	g.admin = keyOf(answer.Cookies())
	if g.admin == "" {
		return fmt.Errorf("the gate could not log in: HTTP %d", answer.StatusCode)
	}
	return nil
}

// methodName finds what a SOAP request asks for: the first element in its body.
func methodName(body []byte) string {
	decoder := xml.NewDecoder(bytes.NewReader(body))
	inBody := false
	for {
		token, err := decoder.Token()
		if err != nil {
			return ""
		}
		element, ok := token.(xml.StartElement)
		if !ok {
			continue
		}
		if inBody {
			return element.Name.Local
		}
		inBody = element.Name.Local == "Body"
	}
}

// breakOff ends the caller's connection without an answer.
func breakOff(w http.ResponseWriter) {
	connection, _, err := w.(http.Hijacker).Hijack()
	if err == nil {
		connection.Close()
	}
}
