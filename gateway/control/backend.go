package control

import (
	"context"
	"os"
	"time"

	"vncgate/gateway"
)

// Backend is what the commands work on. Gateway is needed; a command whose func
// is nil answers that it is not available here. The funcs may block, until ctx
// ends, except where it is said.
type Backend struct {
	Gateway *gateway.Gateway
	// Version is told in the greeting and by query-version.
	Version Version

	// Node is the name of this gateway among several; "" where it is the only one.
	Node string

	// Targets are the displays that have names, in the order of these.
	Targets func() []Target
	// Listeners are the ways in.
	Listeners func() []Listener
	// Stats fills in what the program knows of itself beyond the gateway.
	Stats func(*Stats)
	// Probe opens a session to a target through the whole stack and ends it.
	Probe func(ctx context.Context, target string) (Probe, error)
	// Revoke takes back what a token or a user came in by, and returns how many
	// sessions ended.
	Revoke func(ctx context.Context, what Revocation) (ended int, err error)
	// Reload puts in force what the configuration's file says now.
	Reload func(ctx context.Context) (Reloaded, error)
	// Upgrade starts the program anew, which takes the listening sockets over,
	// and returns once it serves. An error says why nothing has changed.
	Upgrade func(ctx context.Context) (Upgraded, error)
	// Drain lets nobody in any more, and ends those who are in at a deadline. It
	// returns at once. Undrain takes it back.
	Drain   func(Draining) error
	Undrain func() error
	// LogLevel is the log's level, SetLogLevel changes it.
	LogLevel    func() string
	SetLogLevel func(level string) error
	// SetClass moves a session to another class. An error may be NotFound.
	SetClass func(session, class string) error
	// Classes are those there are; none where no session can be moved.
	Classes func() []Class
	// Followed reports whether others may look on in a session; nil: in none.
	Followed func(session string) bool
	// Mark says that what is typed in a session from here on is a password, or no
	// longer is; ok is false where it is not recorded.
	Mark func(session string, secret bool) (ok bool)
	// Agents are those that are connected, with away those that are known beside
	// them; Streams what passes through their tunnels. Nil: none can come in.
	Agents  func(ctx context.Context, away bool) ([]Agent, error)
	Streams func() []AgentStream
	// KickAgent cuts an agent's tunnels, and returns how many these were. It may
	// come again. RevokeAgent lets it, or one certificate, in no more.
	KickAgent   func(name, words string) (cut int)
	RevokeAgent func(ctx context.Context, what AgentRevocation, actor string) (cut int, err error)
	// KnowsAgent reports whether what is to be revoked was ever seen; nil: nobody
	// can tell.
	KnowsAgent func(ctx context.Context, what AgentRevocation) bool
	// AddListener serves another listening socket like the listener of that
	// name. It owns file.
	AddListener func(like string, file *os.File) (address string, err error)
	// AddDisplay hands the connected socket of a display to the viewers of a
	// target that waits for one. It owns file.
	AddDisplay func(target string, file *os.File) error
	// Quit ends the program as a signal would; it returns at once.
	Quit func()
}

// Version is what QMP's greeting tells. Clients of QEMU insist on the numbers.
type Version struct {
	Major, Minor, Micro int
	Package             string // name and version of the program
}

// Target is a display.
type Target struct {
	Name    string `json:"name" doc:"what viewers and policies call it"`
	Address string `json:"address,omitempty" doc:"where it is, without secrets"`
	State   string `json:"state" doc:"what the last try to reach it came to" enum:"up,down,unknown"`
	// Since is of State.
	Since    time.Time `json:"since,omitzero" doc:"since when"`
	Reason   string    `json:"reason,omitempty" doc:"why it is down"`
	Sessions int       `json:"sessions" doc:"how many are open"`
	Class    string    `json:"class,omitempty" doc:"in which its sessions run"`
	Starts   string    `json:"starts,omitempty" doc:"how it is started when it is wanted"`
	Arrives  bool      `json:"arrives,omitempty" doc:"it dials in"`
	Agent    string    `json:"agent,omitempty" doc:"it is reached through this agent's tunnel" of:"agent"`
	// Node is told of what agents announce alone: others are in the configuration of
	// each gateway.
	Node string `json:"node,omitempty" doc:"the gateway that the agent is connected to which announces it, where there are several" of:"node"`
}

// Listener is a way in.
type Listener struct {
	Name     string    `json:"name" doc:"its address as it was configured"`
	Address  string    `json:"address" doc:"where it listens"`
	For      string    `json:"for" doc:"who comes in here" enum:"browsers,natives,displays,agents"`
	Target   string    `json:"target,omitempty" doc:"the display that viewers get here"`
	Security []string  `json:"security,omitempty" doc:"what viewers are offered"`
	Sources  []string  `json:"sources,omitempty" doc:"whose tokens are taken"`
	TLS      bool      `json:"tls" doc:"it has a certificate"`
	CertEnds time.Time `json:"certificate_ends,omitzero" doc:"when the certificate ends"`
	Class    string    `json:"class,omitempty" doc:"in which its sessions run"`
	Page     string    `json:"page,omitempty" doc:"URL of a display's page here: {target} stands for its name, {host} for this machine's"`
	Sessions int       `json:"sessions" doc:"how many are open"`
}

// Class is a kind of service for sessions.
type Class struct {
	Name       string `json:"name" doc:"what the configuration calls it"`
	Sessions   int    `json:"sessions" doc:"how many run in it"`
	Max        int    `json:"max,omitempty" doc:"how many may"`
	Handshakes int    `json:"handshakes,omitempty" doc:"its viewers that are not in yet"`
	Resting    int    `json:"resting" doc:"directions of sessions, two each, that hold neither goroutine nor large buffer for now"`
	Buffers    int64  `json:"buffers,omitempty" doc:"bytes in large buffers"`
}

// Stats is the state of the whole process.
type Stats struct {
	Version    string    `json:"version" doc:"of the program"`
	PID        int       `json:"pid" doc:"number of the process"`
	Started    time.Time `json:"started" doc:"when it began to serve"`
	Draining   bool      `json:"draining" doc:"nobody is let in any more"`
	DrainEnds  time.Time `json:"drain_ends,omitzero" doc:"when those are ended who are left"`
	Config     string    `json:"config,omitempty" doc:"file of the configuration"`
	Loaded     time.Time `json:"loaded,omitzero" doc:"when it was read last"`
	Handshakes int       `json:"handshakes" doc:"viewers that have not proved who they are"`
	Waiting    int       `json:"waiting" doc:"viewers that wait for a display"`
	Open       int       `json:"open" doc:"sessions whose viewers see the display"`
	Paused     int       `json:"paused" doc:"those of them that are paused"`
	BytesUp    int64     `json:"bytes_up" doc:"from the viewers of open sessions"`
	BytesDown  int64     `json:"bytes_down" doc:"to the viewers of open sessions"`
	Classes    []Class   `json:"classes,omitempty" doc:"the classes of sessions"`
	Goroutines int       `json:"goroutines" doc:"of the process"`
	Memory     uint64    `json:"memory" doc:"bytes that the process holds of the system"`
	Files      int       `json:"files,omitempty" doc:"descriptors that are open"`
	LogLevel   string    `json:"log_level,omitempty" doc:"of the log"`
	Clients    int       `json:"clients" doc:"connections to the control socket"`
	// Those of before an upgrade. Over the control socket each is asked itself.
	OlderProcesses int `json:"older_processes,omitempty" doc:"processes that an upgrade has left with their sessions"`
	OlderSessions  int `json:"older_sessions,omitempty" doc:"viewers that are in there"`
}

// Probe is what a session through the whole stack came to.
type Probe struct {
	Target   string  `json:"target" doc:"that was tried"`
	OK       bool    `json:"ok" doc:"a viewer would see the display"`
	Error    string  `json:"error,omitempty" doc:"what went wrong"`
	Stage    string  `json:"stage,omitempty" doc:"how far it came: start, dial, layers, handshake"`
	Millis   float64 `json:"ms" doc:"how long it took, in milliseconds"`
	Reached  string  `json:"reached,omitempty" doc:"the fall-back that answered"`
	Security string  `json:"security,omitempty" doc:"what we proved ourselves by"`
	Stack    string  `json:"stack,omitempty" doc:"layers of the connection, bottom first"`
	Name     string  `json:"name,omitempty" doc:"what the display calls itself"`
	Width    int     `json:"width,omitempty" doc:"of its picture"`
	Height   int     `json:"height,omitempty" doc:"of its picture"`
}

// Revocation says what is taken back: exactly one of the first three.
type Revocation struct {
	Token   string `json:"token,omitempty" doc:"ID of a token that was issued here" of:"token"`
	User    string `json:"user,omitempty" doc:"name of a user: all tokens and sessions" of:"user"`
	Session string `json:"session,omitempty" doc:"ID of one session" of:"session"`
	Note    string `json:"note,omitempty" doc:"why, for people"`
}

// Reloaded is what a reload came to.
type Reloaded struct {
	Changes  []string `json:"changes" doc:"what is in force now and was not"`
	Later    []string `json:"later,omitempty" doc:"what has changed in the file and takes effect at the next start"`
	Warnings []string `json:"warnings,omitempty" doc:"what is allowed and unwise"`
}

// Upgraded is what an upgrade came to.
type Upgraded struct {
	Process int `json:"process" doc:"number of the process that lets viewers in now"`
	Left    int `json:"left" doc:"sessions that go on in the one before, until they end or limits.upgrade_timeout is over"`
	// Ends is when that is over.
	Ends time.Time `json:"ends,omitzero" doc:"when those are ended who are left there"`
}

// Undraining says where viewers are let in again.
type Undraining struct {
	Node string `json:"node,omitempty" doc:"another gateway, where there are several" of:"node"`
}

// Draining is how a drain goes.
type Draining struct {
	Timeout Duration `json:"timeout,omitempty" doc:"after which those are ended who are left; without it nobody is"`
	Words   string   `json:"words,omitempty" doc:"shown to the viewers"`
	Quit    bool     `json:"quit,omitempty" doc:"end the program once nobody is left"`
	Node    string   `json:"node,omitempty" doc:"another gateway, where there are several" of:"node"`
}
