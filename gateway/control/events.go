package control

import (
	"slices"
	"time"

	"vncgate/gateway"
)

// EventData is what an event tells beside its name and time. What does not
// apply is left out.
type EventData struct {
	Session  *Session `json:"session,omitempty" doc:"the one that it is about, as it was then"`
	Node     string   `json:"node,omitempty" doc:"the other gateway at which it happened, where there are several" of:"node"`
	Target   string   `json:"target,omitempty" doc:"that it is about"`
	Listener string   `json:"listener,omitempty" doc:"that it is about"`
	From     string   `json:"from,omitempty" doc:"address of the viewer"`
	Actor    string   `json:"actor,omitempty" doc:"who had it done"`
	Method   string   `json:"method,omitempty" doc:"kind of proof"`
	Reason   string   `json:"reason,omitempty" doc:"one of a few words"`
	Words    string   `json:"words,omitempty" doc:"what the viewer was told"`
	Error    string   `json:"error,omitempty" doc:"the cause"`

	BytesUp   int64             `json:"bytes_up,omitempty" doc:"from the viewer"`
	BytesDown int64             `json:"bytes_down,omitempty" doc:"to the viewer"`
	Seconds   float64           `json:"seconds,omitempty" doc:"how long what has ended had lasted"`
	Details   map[string]string `json:"details,omitempty" doc:"further facts by name"`
	Missed    int               `json:"missed,omitempty" doc:"how many of this kind were left out before it, within a second"`
}

// EventDataOf is an event of the gateway in the form in which it is told.
func EventDataOf(e *gateway.Event) EventData {
	d := EventData{
		Node: e.Node, Target: e.Target, Listener: e.Listener, From: e.From, Actor: e.Actor, Method: e.Method, Reason: e.Reason, Words: e.Words,
		BytesUp: e.BytesUp, BytesDown: e.BytesDown, Seconds: e.Duration.Round(time.Millisecond).Seconds(), Details: e.Details,
	}
	if e.Err != nil {
		d.Error = clip(e.Err.Error())
	}
	if e.Session != nil {
		s := SessionOf(e.Session)
		s.Node = e.Node
		d.Session = &s
	}
	return d
}

// Events are the names of the events that there are, with what they say.
func Events() []EventDoc { return slices.Clone(eventDocs) }

// EventDoc says what an event is for.
type EventDoc struct {
	Name string `json:"name" doc:"of the event"`
	Doc  string `json:"doc" doc:"when it comes"`
}

var eventDocs = []EventDoc{
	{string(gateway.SessionAuthenticated), "A viewer has proved who it is and has a grant"},
	{string(gateway.SessionOpened), "A viewer sees its display"},
	{string(gateway.SessionClosed), "A session that was open has ended; reason says why"},
	{string(gateway.SessionRefused), "One that was not open has ended; reason says why"},
	{string(gateway.SessionPaused), "Nothing passes in a session for now"},
	{string(gateway.SessionResumed), "A session goes on"},
	{string(gateway.SessionMessage), "Words were shown to a viewer"},
	{string(gateway.AuthFailed), "A proof was wrong"},
	{string(gateway.GrantChanged), "What an open session may do has changed"},
	{string(gateway.TargetDown), "A display does not let the gateway in"},
	{string(gateway.TargetUp), "It does again"},
	{string(gateway.AgentConnected), "An agent has dialled in; details have its name"},
	{string(gateway.AgentLost), "The last tunnel of an agent has ended; reason says why"},
	{string(gateway.AgentRefused), "One that called itself an agent was not let in; reason says why"},
	{string(gateway.AgentEnrolled), "An agent has a new certificate, by a token or by the one before"},
	{string(gateway.CertExpiring), "A certificate of ours ends soon, or has ended"},
	{string(gateway.Draining), "Nobody is let in any more"},
	{string(gateway.Undrained), "Viewers are let in again"},
	{string(gateway.ConfigReloaded), "A changed configuration is in force"},
	{string(gateway.ConfigRejected), "A changed configuration has a mistake and is not in force"},
	{string(gateway.Commanded), "Somebody has had the gateway do something"},
	{string(gateway.Shared), "Somebody has made a link to a display; details have its token's ID"},
	{string(gateway.Unshared), "Somebody has taken such a link back"},
	{string(gateway.RecordingStarted), "What passes in a session is recorded; details have the recording's name"},
	{string(gateway.RecordingStopped), "A recording has ended and is written"},
	{string(gateway.RecordingFailed), "A session can no longer be recorded; details say what becomes of it"},
	{string(gateway.RecordingRemoved), "A recording was removed: for its age, or for want of room"},
	{"SHADOW_STARTED", "Somebody has begun to look on in a session; details have the session that does"},
	{"SHADOW_ENDED", "One who looked on in a session has left it"},
	{string(gateway.Panicked), "A session met a fault in the program, which ended it alone"},
	{"NODE_JOINED", "Another gateway is there, for the first time or again; details have its node"},
	{"NODE_LEFT", "Another gateway has ended"},
	{"NODE_LOST", "Nothing is heard of another gateway any more"},
	{"SESSION_LOST", "A session was at a gateway that is lost; how it ended is not known"},
	{"REDIS_AWAY", "Redis does not answer: what the other gateways do is not known"},
	{"REDIS_BACK", "It does again, and knows everything of this gateway"},
	{string(gateway.AuditFailing), "Events cannot be written down"},
	{string(gateway.AuditRecovered), "Events can be written down again"},
	{"UPGRADED", "Another process accepts viewers now; this one serves those it has"},
	{"EVENTS_LOST", "This client read too slowly: count events were lost here"},
}

// Observe tells the clients of an event. It never waits.
func (s *Server) Observe(e gateway.Event) {
	if s.Clients() > 0 {
		s.limits.pass(e, s.broadcast)
	}
}

func (s *Server) broadcast(e gateway.Event, missed int) {
	data := EventDataOf(&e)
	data.Missed = missed
	line := event(e.Time, string(e.Kind), data)
	if line == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.clients {
		c.out.post(line)
	}
}
