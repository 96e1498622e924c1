package audit

import (
	"encoding/json"
	"strings"
	"time"

	"vncgate/gateway"
)

// Version is that of the schema. Members may be added within one; what a member
// means does not change.
const Version = 1

// Kinds of records that are the log's own. All others are gateway.EventKinds.
const (
	// Begin is the first record of a file, or of a process without one: Previous
	// is the hash that the one before ended with.
	Begin = "AUDIT_BEGIN"
	// End is the last record of a file that was finished. Without one it is
	// still written to, or was cut off.
	End = "AUDIT_END"
	// Torn says that the end of a line was missing when the file was opened, as
	// after a power failure, and was removed: its length and hash are in Details.
	Torn = "AUDIT_TORN"
	// Lost says how many records (Count) could not be written.
	Lost = "AUDIT_LOST"
)

// Record is one line of the log. Members without a value are left out.
type Record struct {
	// V is Version, Seq counts the records of a chain from 1.
	V   int    `json:"v"`
	Seq uint64 `json:"seq"`
	// Time is when it happened, in UTC.
	Time time.Time `json:"time"`
	// Event is a gateway.EventKind, or one of the kinds above.
	Event string `json:"event"`
	// Session is the ID of the one that it is about, as in logs.
	Session string `json:"session,omitempty"`
	// User is whom the viewer proved to be, Method by what, Groups to which the
	// user belongs. Of a wrong proof there is a Method only.
	User   string   `json:"user,omitempty"`
	Method string   `json:"method,omitempty"`
	Groups []string `json:"groups,omitempty"`
	// Ticket is the ID of the token that the viewer came by.
	Ticket string `json:"ticket,omitempty"`
	// From is the viewer's address, Listener where it came in, Target the display
	// that it chose, Reached the fall-back that serves instead.
	From     string `json:"from,omitempty"`
	Listener string `json:"listener,omitempty"`
	Target   string `json:"target,omitempty"`
	Reached  string `json:"reached,omitempty"`
	// Agent is the one through whose tunnel the display is reached.
	Agent string `json:"agent,omitempty"`
	// Rights and Limits are what may be done, Rule which rule decided, Expires
	// when that ends.
	Rights  []string  `json:"rights,omitempty"`
	Limits  string    `json:"limits,omitempty"`
	Rule    string    `json:"rule,omitempty"`
	Expires time.Time `json:"expires,omitzero"`
	// Actor is who had it done, by the control socket or the API.
	Actor string `json:"actor,omitempty"`
	// Reason is one of a few words, Words what a person was told, Error the
	// cause.
	Reason string `json:"reason,omitempty"`
	Words  string `json:"words,omitempty"`
	Error  string `json:"error,omitempty"`
	// BytesUp and BytesDown went from the viewer and to it, Filtered messages
	// were withheld, in Seconds.
	BytesUp   int64   `json:"bytes_up,omitempty"`
	BytesDown int64   `json:"bytes_down,omitempty"`
	Filtered  uint64  `json:"filtered,omitempty"`
	Seconds   float64 `json:"seconds,omitempty"`
	// Count is how many like this there were, where it stands for several.
	Count int `json:"count,omitempty"`
	// Details are further facts.
	Details map[string]string `json:"details,omitempty"`
	// Previous, of Begin alone, is the hash that came before.
	Previous string `json:"previous,omitempty"`
}

// maxText bounds what others write into a record: names, reasons, errors.
const maxText = 2 << 10

// maxDetails bounds the number of further facts.
const maxDetails = 32

// recordOf is what is written down of an event.
func recordOf(e *gateway.Event) Record {
	r := Record{
		Time: e.Time, Event: string(e.Kind), Method: e.Method, Actor: clip(e.Actor),
		From: clip(e.From), Listener: clip(e.Listener), Target: clip(e.Target),
		Reason: clip(e.Reason), Words: clip(e.Words),
		BytesUp: e.BytesUp, BytesDown: e.BytesDown, Seconds: e.Duration.Seconds(), Count: e.Count,
	}
	if e.Err != nil {
		r.Error = clip(e.Err.Error())
	}
	for name, value := range e.Details {
		if r.Details == nil {
			r.Details = map[string]string{}
		}
		if len(r.Details) < maxDetails {
			r.Details[clip(name)] = clip(value)
		}
	}
	if e.Session != nil {
		r.about(e.Session)
	}
	return r
}

// about fills in what is known of a session.
func (r *Record) about(s *gateway.SessionInfo) {
	r.Session, r.Ticket, r.Reached = s.ID, clip(s.Ticket), clip(s.Reached)
	r.Agent = clip(s.Agent)
	if s.Identity.Method == "" {
		return // nobody has proved anything
	}
	r.User, r.Groups, r.Filtered = clip(s.Identity.Name), s.Identity.Groups, s.Filtered
	if r.Method == "" {
		r.Method = s.Identity.Method
	}
	r.Rights, r.Limits, r.Rule, r.Expires = strings.Split(s.Rights.String(), ","), s.Limits.String(), s.Rule, s.Expires.UTC()
	if s.Expires.IsZero() {
		r.Expires = time.Time{}
	}
}

func clip(text string) string {
	if len(text) > maxText {
		return strings.ToValidUTF8(text[:maxText], "") + "…"
	}
	return text
}

// encode is the record's body: one line of JSON without its end and its hash.
func (r *Record) encode() []byte {
	r.V, r.Time = Version, r.Time.UTC().Round(0)
	b, err := json.Marshal(r)
	if err != nil { // a time beyond the year 9999: nothing else in a Record can fail
		b, _ = json.Marshal(&Record{V: Version, Seq: r.Seq, Event: r.Event, Error: err.Error()})
	}
	return b
}
