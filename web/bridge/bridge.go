package bridge

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"vncgate/layers"
)

// Limits on requests, before anything is known of who sends them.
const (
	maxHeader     = 16 << 10 // a token may be a signed and encrypted one
	maxLoggedPath = 200
	headTimeout   = 10 * time.Second // for a request; those taken have no bodies
	answerTimeout = time.Minute      // for 64 KiB of an answer to be taken
	idleTimeout   = time.Minute      // between two requests
	lookupTimeout = 10 * time.Second
	maxLookups    = 128 // at once: each may hold a connection to a service
)

// serverName is what answers call us; the version is nobody's business.
const serverName = "vncgate"

// ErrUnknown is matched by an error of Config.Lookup when the token leads
// nowhere. Any other error says that the look-up itself could not be made.
var ErrUnknown = errors.New("bridge: the token leads nowhere")

// Route is where a connection leads.
type Route struct {
	// Address is in the form of layers.ParseAddress: "host:port",
	// "[v6]:port", "unix:/path".
	Address string

	label string // Address without the token, for logs; "" if there is none in it
}

// labelled takes note of a token that is part of the address: the name of a
// socket in a directory.
func (to Route) labelled(token string) Route {
	if dir, ok := strings.CutSuffix(to.Address, "/"+token); ok && token != "" {
		to.label = dir + "/(token)"
	}
	return to
}

// String is the address as logs may tell it.
func (to Route) String() string { return cmp.Or(to.label, to.Address) }

// scrub is err as logs may tell it: errors of a dial name what was dialled.
func (to Route) scrub(err error) string {
	secret, _ := strings.CutPrefix(to.Address, "unix:")
	label, _ := strings.CutPrefix(to.String(), "unix:")
	return strings.ReplaceAll(err.Error(), secret, label)
}

// Config is what a bridge is made of. It must not be changed afterwards.
type Config struct {
	// Route is where every connection leads, unless Lookup is set.
	Route Route
	// Lookup finds a route by its token. Its error is answered with 403 if it
	// matches ErrUnknown, as it says if it is a *Refusal, else with 502.
	Lookup func(ctx context.Context, token string) (Route, error)
	// HostToken takes the token from the Host header, up to its port, instead
	// of the query's first "token".
	HostToken bool
	// Auths must all let a request in; they are asked in this order, once its
	// token is known to be good, until one refuses.
	Auths []Auth
	// Guard, unless nil, is asked about each request with credentials. It calls
	// proof, which looks at them and is false for a wrong password; or does not,
	// and the client is answered like one whose password was wrong.
	Guard func(r *http.Request, proof func() bool)
	// WebAuth asks Auths about requests for files as well.
	WebAuth bool

	// Dir is the directory whose files are served; "" serves none and answers
	// 405 to whatever is no WebSocket request.
	Dir string
	// Files, if set, answers in place of Dir: a page that is no directory.
	Files http.Handler
	// FileOnly answers 404 instead of listing a directory.
	FileOnly bool
	// Hide names files and directories that are not served though they may lie
	// in Dir, with all that is in them: private keys, tokens. What does not
	// exist is no error, and becomes hidden once it does.
	Hide []string

	// Dial connects to a route within DialTimeout. Nil is layers.Dial.
	Dial func(ctx context.Context, to Route) (net.Conn, error)
	// DialTimeout bounds Dial; 0 is 10 s.
	DialTimeout time.Duration
	// Stall ends a connection one of whose ends takes no byte of what is meant
	// for it for so long; 0 is a minute.
	Stall time.Duration
	// Heartbeat is how often a client is asked for a sign of life; without an
	// answer to two in a row it is given up. 0 is never.
	Heartbeat time.Duration

	// Record, unless "", keeps what was said in session N in the file
	// Record.N, as noVNC's playback takes it. It holds every key pressed.
	Record string
	// Traffic, unless nil, gets a mark for each message, and first of all what
	// the marks mean.
	Traffic io.Writer

	// Opened is called when a request has become a session, before its route
	// is dialled, and Closed when that session has ended; both with the
	// session's number, from 1, and with how many sessions there are now.
	// Either may be nil; they must not block.
	Opened, Closed func(session uint64, live int)
	// Log gets a line at each session's start and end and for each refusal;
	// nil discards them. It never sees a token.
	Log *slog.Logger
}

// Server is a bridge that serves HTTP.
type Server struct {
	cfg   Config
	http  *http.Server
	files http.Handler
	ids   atomic.Uint64

	lookups chan struct{} // under way

	mu      sync.Mutex
	live    map[uint64]context.CancelCauseFunc // sessions by their numbers
	down    bool
	running int       // sessions, until the hooks have been told of their end
	ended   sync.Cond // running has changed
}

// New makes a bridge. It fails if cfg leads nowhere or Dir cannot be opened.
func New(cfg Config) (*Server, error) {
	if cfg.Lookup == nil && cfg.Route.Address == "" {
		return nil, errors.New("bridge: there is neither a target nor a source of tokens")
	}
	if cfg.WebAuth && (cfg.Dir == "" && cfg.Files == nil || len(cfg.Auths) == 0) {
		return nil, errors.New("bridge: log-in for files needs both a directory and a log-in plugin")
	}
	s := &Server{cfg: withDefaults(cfg), live: map[uint64]context.CancelCauseFunc{}, lookups: make(chan struct{}, maxLookups)}
	s.ended.L = &s.mu
	s.files = http.HandlerFunc(noFiles)
	if cfg.Dir != "" {
		files, err := newFiles(cfg.Dir, cfg.FileOnly, cfg.Hide)
		if err != nil {
			return nil, fmt.Errorf("bridge: directory to serve: %w", err)
		}
		s.files = files
	}
	if cfg.Files != nil {
		s.files = cfg.Files
	}
	s.http = &http.Server{
		Handler:        s,
		ReadTimeout:    headTimeout,
		WriteTimeout:   answerTimeout, // patientWriter sets it anew
		IdleTimeout:    idleTimeout,
		MaxHeaderBytes: maxHeader,
		ErrorLog:       slog.NewLogLogger(s.cfg.Log.Handler(), slog.LevelDebug),
	}
	return s, nil
}

func withDefaults(cfg Config) Config {
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.Dial == nil {
		cfg.Dial = func(ctx context.Context, to Route) (net.Conn, error) { return layers.Dial(ctx, to.Address) }
	}
	if cfg.DialTimeout == 0 {
		cfg.DialTimeout = 10 * time.Second
	}
	if cfg.Stall == 0 {
		cfg.Stall = time.Minute
	}
	if cfg.Traffic != nil {
		cfg.Traffic = &lockedWriter{w: cfg.Traffic}
		_, _ = io.WriteString(cfg.Traffic, legend)
	}
	return cfg
}

// Serve answers on ln, which may hand over *tls.Conn, until Shutdown or until
// ln is closed. It may be called for several listeners. It does not wait for
// sessions; its error is nil after Shutdown.
func (s *Server) Serve(ln net.Listener) error {
	if err := s.http.Serve(ln); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("bridge: %w", err)
	}
	return nil
}

// Wait returns when there is no session and every call of Closed is over.
func (s *Server) Wait() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for s.running > 0 {
		s.ended.Wait()
	}
}

// Shutdown closes the listeners, tells every client that we are going away
// (close code 1001), and waits for all of them to be gone or for ctx.
func (s *Server) Shutdown(ctx context.Context) error {
	s.mu.Lock()
	s.down = true
	for _, cancel := range s.live {
		cancel(errShutdown)
	}
	s.mu.Unlock()
	err := s.http.Shutdown(ctx)
	gone := make(chan struct{})
	go func() { defer close(gone); s.Wait() }()
	select {
	case <-gone:
		return err
	case <-ctx.Done():
		_ = s.http.Close()
		return fmt.Errorf("bridge: shutdown: %w", ctx.Err())
	}
}
