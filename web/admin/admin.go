// Package admin shows a gateway to those who look after it: the commands of the
// control socket as an HTTP API, what happens as server-sent events, a
// description of both (OpenAPI 3.1), and the dashboard.
//
//	api := &admin.Server{Table: control.Commands(backend), Allow: …}
//	gate.Observe = api.Observe
//	mux.Handle("/api/v1/", api.Handler())
//
// Nothing here decides what a command does or who may run it. Paths, parameters
// and the description come from the table, so that a command that is added there
// is here as well.
//
// There are no cookies. A page of somebody else's that has a browser ask has
// nothing to prove itself by but a client certificate, and for that the listener
// looks at Sec-Fetch-Site and Origin; what changes something must also be JSON,
// which no form of a page can send.
package admin

import (
	"context"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"vncgate/gateway"
	"vncgate/gateway/control"
)

// prefix is what all paths begin with. What is below it only ever gains.
const prefix = "/api/v1/"

const (
	// maxBody is how large a request may be.
	maxBody = 64 << 10
	// bodyTime is how long it may take to come.
	bodyTime = 15 * time.Second
	// commandTime is how long a command may take.
	commandTime = 2 * time.Minute
	// maxRunning is how many commands run at a time that may take time; one more
	// is turned away. Those that take none are never counted.
	maxRunning = 32
)

// Server answers for a table of commands. Its fields are set before it is used.
type Server struct {
	// Table is the commands there are.
	Table *control.Table
	// Allow says who asks, if that one has at least the role; else it answers
	// itself, and returns false.
	Allow func(rw http.ResponseWriter, r *http.Request, least control.Role) (call control.Call, ok bool)
	// Version is the program's, for the description.
	Version string
	// Screenshot takes a picture, whoever else asks for one; nil takes none. Its
	// error may match ErrCrowded or be a *gateway.Unreachable.
	Screenshot func(ctx context.Context, call control.Call, shot Shot) (Still, error)
	// Origins are those of foreign pages that may use the API with a token;
	// Allow, or what stands before it, has to let them in as well.
	Origins []string

	once     sync.Once
	running  chan struct{}
	journal  *journal
	throttle control.Throttle
}

func (s *Server) begin() {
	s.once.Do(func() {
		s.running = make(chan struct{}, maxRunning)
		s.journal = newJournal()
	})
}

// Observe keeps an event for those who ask for events. It never waits.
func (s *Server) Observe(e gateway.Event) {
	s.begin()
	s.throttle.Pass(e, s.journal.add)
}

// Handler answers everything below /api/v1/.
func (s *Server) Handler() http.Handler {
	s.begin()
	mux := http.NewServeMux()
	paths := map[string]methods{}
	handle := func(method, path string, h http.HandlerFunc) {
		if paths[path] == nil {
			paths[path] = methods{}
		}
		paths[path][method] = h
	}
	for _, r := range routesOf(s.Table) {
		handle(r.method, r.path, func(rw http.ResponseWriter, req *http.Request) { s.run(rw, req, r) })
	}
	handle(http.MethodPost, prefix+"commands/{command}", s.noCommand)
	handle(http.MethodGet, prefix+"events", s.events)
	handle(http.MethodGet, prefix+"targets/{target}/screenshot", s.screenshot)
	handle(http.MethodGet, prefix+"whoami", s.whoAmI)
	handle(http.MethodGet, prefix+"openapi.json", s.openAPI)
	for path, all := range paths {
		mux.Handle(path, all)
	}
	mux.HandleFunc("/", func(rw http.ResponseWriter, r *http.Request) {
		refuse(rw, http.StatusNotFound, control.ClassCommand, "Nothing is at "+r.URL.Path+"; GET "+prefix+"openapi.json describes what there is.")
	})
	return s.shared(mux)
}

// methods are what a path answers to.
type methods map[string]http.HandlerFunc

// ServeHTTP answers to the method, or says which there are.
func (m methods) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	if h, ok := m[r.Method]; ok {
		h(rw, r)
		return
	}
	allowed := strings.Join(slices.Sorted(maps.Keys(m)), ", ")
	rw.Header().Set("Allow", allowed)
	refuse(rw, http.StatusMethodNotAllowed, control.ClassGeneric, "This path answers to "+allowed+".")
}

// shared answers the pages of the foreign origins that may ask.
func (s *Server) shared(next http.Handler) http.Handler {
	return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		h, origin := rw.Header(), r.Header.Get("Origin")
		h.Set("Cache-Control", "no-store")
		if len(s.Origins) > 0 {
			h.Add("Vary", "Origin")
		}
		if origin != "" && slices.Contains(s.Origins, origin) {
			h.Set("Access-Control-Allow-Origin", origin)
			if r.Method == http.MethodOptions {
				h.Set("Access-Control-Allow-Methods", "GET, POST")
				h.Set("Access-Control-Allow-Headers", "Authorization, Content-Type, Last-Event-ID")
				h.Set("Access-Control-Max-Age", "600")
				rw.WriteHeader(http.StatusNoContent)
				return
			}
		}
		next.ServeHTTP(rw, r)
	})
}

// WhoAmI is what somebody who asks is told of himself.
type WhoAmI struct {
	Name     string   `json:"name" doc:"by which the audit calls you"`
	Role     string   `json:"role" doc:"what you may do" enum:"viewer,operator,admin"`
	Commands []string `json:"commands" doc:"those that you may run"`
}

func (s *Server) whoAmI(rw http.ResponseWriter, r *http.Request) {
	call, ok := s.Allow(rw, r, control.Viewer)
	if !ok {
		return
	}
	me := WhoAmI{Name: call.Actor, Role: call.Role.String(), Commands: []string{}}
	for _, c := range s.Table.Commands(call.Role) {
		if !needsFiles(c) {
			me.Commands = append(me.Commands, c.Name)
		}
	}
	answer(rw, me)
}
