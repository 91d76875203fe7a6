package main

import (
	"fmt"
	"net/http"
	"strings"
	"sync"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/methods"
	"github.com/vmware/govmomi/vim25/soap"
	"github.com/vmware/govmomi/vim25/types"
)

// sessions are those that callers have opened.
type sessions struct {
	user string

	mu   sync.Mutex
	open map[string]chan struct{} // closed when the session ends
}

// everySession is what collectors ask, of which the simulator makes its own, one for each session.
var everySession *sessions

func newSessions() *sessions {
	everySession = &sessions{open: map[string]chan struct{}{}}
	return everySession
}

// active says whether a session is logged in.
func (s *sessions) active(key string) bool {
	if key == "" {
		return false
	}
	manager := simulator.Map.SessionManager()
	answer := manager.SessionIsActive(
		&simulator.Context{Map: simulator.Map},
		&types.SessionIsActive{This: manager.Self, SessionID: key, UserName: s.user},
	)
	return answer.(*methods.SessionIsActiveBody).Res.Returnval
}

func (s *sessions) add(key string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.open[key] = make(chan struct{})
}

// ended gives what is closed once a session has ended.
func (s *sessions) ended(key string) <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	if ended, ok := s.open[key]; ok {
		return ended
	}
	return nil
}

// end lets go of what a session had.
func (s *sessions) end(key string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if ended, ok := s.open[key]; ok {
		close(ended)
		delete(s.open, key)
	}
}

// expire ends all sessions, as the server does with those that were idle for long; gives how many there were.
func (s *sessions) expire(g *gate) int {
	s.mu.Lock()
	keys := make([]string, 0, len(s.open))
	for key := range s.open {
		keys = append(keys, key)
	}
	s.mu.Unlock()
	for _, key := range keys {
		which := fmt.Sprintf(`<_this type="SessionManager">SessionManager</_this><sessionId>%s</sessionId>`, key)
		g.asAdmin(envelope("TerminateSession", which))
		s.end(key)
	}
	return len(keys)
}

func (s *sessions) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.open)
}

// sessionKey is the key that a request shows.
func sessionKey(r *http.Request) string {
	return keyOf(r.Cookies())
}

func keyOf(cookies []*http.Cookie) string {
	for _, cookie := range cookies {
		if cookie.Name == soap.SessionCookieName {
			return strings.Trim(cookie.Value, `"`)
		}
	}
	return ""
}
