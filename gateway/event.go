package gateway

import (
	"slices"
	"time"
)

// EventKind says what an Event tells of. The names are those of the control
// protocol.
type EventKind string

// What the gateway itself reports. Those who steer it add kinds of their own
// through Emit.
const (
	// SessionAuthenticated: a viewer has proved who it is and has a grant.
	SessionAuthenticated EventKind = "SESSION_AUTHENTICATED"
	// SessionOpened: the viewer sees the display. Stages say what took how long.
	SessionOpened EventKind = "SESSION_OPENED"
	// SessionClosed is the end of a session that was opened.
	SessionClosed EventKind = "SESSION_CLOSED"
	// SessionRefused is the end of one that was not.
	SessionRefused EventKind = "SESSION_REFUSED"
	// SessionPaused and SessionResumed: somebody has stopped the session's
	// messages, or let them go on.
	SessionPaused  EventKind = "SESSION_PAUSED"
	SessionResumed EventKind = "SESSION_RESUMED"
	// SessionMessage: words were shown to the session's viewer.
	SessionMessage EventKind = "SESSION_MESSAGE"
	// AuthFailed: a proof was wrong. Method says of which kind.
	AuthFailed EventKind = "AUTH_FAILED"
	// GrantChanged: what an open session may do is no longer what it was.
	GrantChanged EventKind = "GRANT_CHANGED"
	// TargetDown: a display that had answered, or had not been tried yet, did
	// not let the gateway in; TargetUp: it does again.
	TargetDown EventKind = "TARGET_DOWN"
	TargetUp   EventKind = "TARGET_UP"
	// Draining: nobody is let in any more.
	Draining EventKind = "DRAINING"
	// Undrained: viewers are let in again.
	Undrained EventKind = "UNDRAINED"
	// Panicked: a session met a fault in the program, which ended it alone.
	Panicked EventKind = "PANIC"

	// AgentConnected: an agent has dialled in, of which there was no connection;
	// AgentLost: its last one has ended. AgentRefused: one that called itself an
	// agent was not let in. AgentEnrolled: one has a certificate now, by a token
	// or by the one it had. Details have its name.
	AgentConnected EventKind = "AGENT_CONNECTED"
	AgentLost      EventKind = "AGENT_LOST"
	AgentRefused   EventKind = "AGENT_REFUSED"
	AgentEnrolled  EventKind = "AGENT_ENROLLED"

	// CertExpiring: a certificate of ours ends soon, or has ended.
	CertExpiring EventKind = "CERT_EXPIRING"
	// ConfigReloaded and ConfigRejected: a changed configuration is in force, or
	// is not because of a mistake in it.
	ConfigReloaded EventKind = "CONFIG_RELOADED"
	ConfigRejected EventKind = "CONFIG_REJECTED"
	// Commanded: somebody has had the gateway do something, through its control
	// socket or its API.
	Commanded EventKind = "COMMAND"
	// Shared: somebody has made a link by which others see a display. Details
	// have the ID of its token, never the token.
	Shared EventKind = "SHARED"
	// Unshared: it was taken back by who made it.
	Unshared EventKind = "UNSHARED"
	// RecordingStarted and RecordingStopped: what passes in a session is recorded,
	// or is no longer, since it is over or somebody has stopped it.
	RecordingStarted EventKind = "RECORDING_STARTED"
	RecordingStopped EventKind = "RECORDING_STOPPED"
	// RecordingFailed: what passes can no longer be recorded.
	RecordingFailed EventKind = "RECORDING_FAILED"
	// RecordingRemoved: a recording that had ended was deleted.
	RecordingRemoved EventKind = "RECORDING_REMOVED"
	// AuditFailing and AuditRecovered: events can, or could again, not be
	// written down.
	AuditFailing   EventKind = "AUDIT_FAILING"
	AuditRecovered EventKind = "AUDIT_RECOVERED"
)

// Event is something that has happened and that somebody outside may want to
// know, now or years later. It holds no secret. Who receives one changes nothing
// in it.
type Event struct {
	Kind EventKind
	Time time.Time
	// Node is the other gateway that it happened at, of several; "" is this one.
	Node string
	// Session is the one that it is about, as it was then; nil: about none. Of
	// one that has no grant yet it holds but ID, Listener, Target, From, Ticket
	// and Since.
	Session *SessionInfo
	// Target, Listener and From are those of the session, or what else the
	// event is about; "" where there is none.
	Target, Listener, From string
	// Actor is who had it done, such as "uid:1000" or a token's name; "" for
	// what the gateway did by itself.
	Actor string
	// Method is the kind of proof, as auth.Identity names it.
	Method string
	// Reason is one of a few words, Words what a viewer or a person was told.
	Reason, Words string
	// Err is the cause, nil where there is none.
	Err error
	// BytesUp and BytesDown are what went from the viewer and to it, Duration
	// how long what has ended had lasted.
	BytesUp, BytesDown int64
	Duration           time.Duration
	// Count is how many like this there were, where it stands for several; else 0.
	Count int
	// Stages are the steps of setting a session up, in order, as far as it came.
	Stages []Stage
	// Details are further facts by name, such as a command's arguments.
	Details map[string]string
}

// Emit completes e and hands it to Observe. It is for those who steer the
// gateway; what the gateway does by itself, it reports by itself.
func (g *Gateway) Emit(e Event) {
	if g.Observe == nil {
		return
	}
	if e.Time.IsZero() {
		e.Time = time.Now()
	}
	if s := e.Session; s != nil {
		e.Target, e.Listener, e.From = s.Target, s.Listener, s.From
	}
	g.Observe(e)
}

// emit reports what has happened in the session.
func (s *Session) emit(e Event) {
	if s.g.Observe == nil || s.kept.quiet && e.Kind != Panicked {
		return
	}
	info := s.described()
	e.Session = &info
	s.g.Emit(e)
}

// described is info, or what there is to say of a session without a grant.
func (s *Session) described() SessionInfo {
	if info, ok := s.info(); ok {
		return info
	}
	return SessionInfo{ID: s.id, Listener: s.kept.name, Target: s.name, Ticket: s.kept.ticketID, From: s.from, Since: s.begun}
}

// opened reports that the session is set up.
func (s *Session) opened() {
	e := Event{Kind: SessionOpened, Stages: s.stages.list()}
	e.Duration = time.Since(s.begun) // no less than the stages took
	s.emit(e)
}

// ended reports the end of the session.
func (s *Session) ended(end ending) {
	e := Event{Kind: SessionRefused, Reason: end.reason, Words: end.words, Err: end.err, Stages: s.stages.list()}
	e.Duration = time.Since(s.begun)
	if s.traffic != nil {
		e.Kind, e.Stages = SessionClosed, nil // SessionOpened has told of them
		e.BytesUp, e.BytesDown = s.traffic.up.moved.Load(), s.traffic.down.moved.Load()
	}
	s.emit(e)
}

// failed reports a wrong proof.
func (s *Session) failed(method string, err error) {
	s.emit(Event{Kind: AuthFailed, Method: method, Reason: "wrong proof", Err: err})
}

// Stage is one step of setting a session up.
type Stage struct {
	// Name is one of StageNames.
	Name string
	// Begun is when it was entered first, Duration the time spent in it: a
	// display may be dialled several times.
	Begun    time.Time
	Duration time.Duration
}

// The stages of setting a session up.
const (
	stageAccept    stage = iota // from the place to the first byte: for browsers the upgrade
	stageLayers                 // PROXY header, TLS, WebSocket
	stageSecurity               // RFB's versions, security type and proof, a person's typing included
	stageAuthorize              // policy, and finding the target
	stageQueue                  // waiting for a place at the display
	stageStart                  // starting the display, and pauses between tries
	stageDial                   // reaching it
	stageDisplay                // its layers and RFB's handshake
	stageInit                   // ClientInit and ServerInit
	stageCount
	stageNone stage = -1
)

type stage int

var stageNames = [stageCount]string{
	"accept", "layers", "security", "authorize", "queue", "start", "dial", "display_handshake", "init",
}

// StageNames are the names of all stages, in order.
func StageNames() []string { return slices.Clone(stageNames[:]) }

// stages measures the setting up of one session. Only the goroutine that serves
// it uses them.
type stages struct {
	now   stage
	since time.Time
	spent [stageCount]Stage
}

func newStages(begun time.Time) stages {
	t := stages{now: stageAccept, since: begun}
	t.spent[stageAccept].Begun = begun
	return t
}

// enter ends the stage there is and begins next.
func (t *stages) enter(next stage) {
	if t == nil {
		return
	}
	now := time.Now()
	if t.now != stageNone {
		t.spent[t.now].Duration += now.Sub(t.since)
	}
	t.now, t.since = next, now
	if next != stageNone && t.spent[next].Begun.IsZero() {
		t.spent[next].Begun = now
	}
}

// list ends the last stage and returns those that were entered.
func (t *stages) list() []Stage {
	var list []Stage
	if t == nil {
		return list
	}
	t.enter(stageNone)
	for i, s := range t.spent {
		if !s.Begun.IsZero() {
			s.Name = stageNames[i]
			list = append(list, s)
		}
	}
	return list
}
