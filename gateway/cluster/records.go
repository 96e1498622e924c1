package cluster

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"vncgate/auth"
	"vncgate/gateway"
)

// What is in Redis was written by another version of this program, or by
// somebody who had no business there. Each record is bounded before it is read,
// checked afterwards, and left out if it is not as it should be.

const (
	maxName     = 256     // bytes of a name
	maxText     = 4 << 10 // of any other text
	maxServices = 1000    // of an agent
	maxDetails  = 64      // of an event, and stages, and identities, and groups
)

var (
	errTooLong = errors.New("cluster: a record is too long")
	errRecord  = errors.New("cluster: a record is not as it should be")
)

// decode reads one record; what stands behind it, or is not UTF-8, is wrong.
func decode(text string, limit int, into any) error {
	if len(text) > limit {
		return errTooLong
	}
	if !utf8.ValidString(text) {
		return errRecord
	}
	if err := json.Unmarshal([]byte(text), into); err != nil {
		return fmt.Errorf("%w: %w", errRecord, err)
	}
	return nil
}

// encode never fails for the types of this package: they hold texts and numbers.
func encode(v any) string {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return "{}"
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// within reports whether no text is longer than limit.
func within(limit int, texts ...string) bool {
	for _, t := range texts {
		if len(t) > limit {
			return false
		}
	}
	return true
}

// cut is text, shortened to limit where it is longer.
func cut(text string, limit int) string {
	if len(text) <= limit {
		return strings.ToValidUTF8(text, "�")
	}
	return strings.ToValidUTF8(text[:limit-3], "") + "…"
}

// nodeRecord is what a node says of itself.
type nodeRecord struct {
	Name     string    `json:"name"`
	Address  string    `json:"address,omitempty"`
	Version  string    `json:"version,omitempty"`
	Life     string    `json:"life"`
	Since    time.Time `json:"since"`
	Sessions int       `json:"sessions,omitempty"`
	Agents   int       `json:"agents,omitempty"`
	// Left says that it has gone by itself, Lost that its sessions were reported.
	Left bool `json:"left,omitempty"`
	Lost bool `json:"lost,omitempty"`
}

func decodeNode(text string) (r nodeRecord, err error) {
	if err = decode(text, maxNode, &r); err != nil {
		return nodeRecord{}, err
	}
	if r.Name == "" || !validID(r.Life) || !within(maxName, r.Name, r.Address, r.Version) || r.Sessions < 0 || r.Agents < 0 {
		return nodeRecord{}, errRecord
	}
	r.Sessions, r.Agents = min(r.Sessions, maxSessions), min(r.Agents, maxAgents)
	return r, nil
}

// validID reports whether s may name an instance, a life or a session.
func validID(s string) bool {
	for i := range len(s) {
		c := s[i]
		if (c < '0' || c > '9') && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && c != '.' && c != '-' && c != '_' {
			return false
		}
	}
	return s != "" && len(s) <= 64
}

// agentRecord is an agent that is connected.
type agentRecord struct {
	Services []string  `json:"services,omitempty"`
	Since    time.Time `json:"since"`
}

func decodeAgent(text string) (r agentRecord, err error) {
	if err = decode(text, maxMessage, &r); err != nil {
		return agentRecord{}, err
	}
	if len(r.Services) > maxServices || !within(maxName, r.Services...) {
		return agentRecord{}, errRecord
	}
	return r, nil
}

// sessionRecord is a session. Claims of identities stay where they are, and so do
// the figures of its stream through a tunnel.
type sessionRecord struct {
	ID, Listener, Target, Ticket, From       string          `json:",omitempty"`
	Identity                                 auth.Identity   `json:",omitzero"`
	Identities                               []auth.Identity `json:",omitempty"`
	Since, Expires                           time.Time       `json:",omitzero"`
	Open, Paused, Recorded                   bool            `json:",omitempty"`
	Class, Stack, DisplayStack, Agent        string          `json:",omitempty"`
	Security, DisplaySecurity, Reached, Rule string          `json:",omitempty"`
	BytesUp, BytesDown                       int64           `json:",omitempty"`
	Messages, Filtered                       uint64          `json:",omitempty"`
	RTT, DisplayRTT                          time.Duration   `json:",omitempty"`
	Rights, Withheld, Limits                 string          `json:",omitempty"`
}

// recordOf is a session as it is written, with its texts shortened.
func recordOf(s *gateway.SessionInfo) sessionRecord {
	r := sessionRecord{
		ID: s.ID, Listener: cut(s.Listener, maxName), Target: cut(s.Target, maxText), Ticket: cut(s.Ticket, maxName), From: cut(s.From, maxName),
		Identity: plain(s.Identity), Since: s.Since, Expires: s.Expires, Open: s.Open, Paused: s.Paused, Recorded: s.Recorded,
		Class: cut(s.Class, maxName), Stack: cut(s.Stack, maxName), DisplayStack: cut(s.DisplayStack, maxName), Agent: cut(s.Agent, maxName),
		Security: cut(s.Security, maxName), DisplaySecurity: cut(s.DisplaySecurity, maxName), Reached: cut(s.Reached, maxName), Rule: cut(s.Rule, maxName),
		BytesUp: s.BytesUp, BytesDown: s.BytesDown, Messages: s.Messages, Filtered: s.Filtered, RTT: s.RTT, DisplayRTT: s.DisplayRTT,
		Rights: s.Rights.String(), Withheld: s.Withheld.String(), Limits: s.Limits.String(),
	}
	for _, id := range s.Identities[:min(len(s.Identities), 4)] {
		r.Identities = append(r.Identities, plain(id))
	}
	return r
}

// plain is an identity without what only a policy needs.
func plain(id auth.Identity) auth.Identity {
	p := auth.Identity{Name: cut(id.Name, maxName), Method: cut(id.Method, maxName), Expires: id.Expires}
	for _, group := range id.Groups[:min(len(id.Groups), 8)] {
		p.Groups = append(p.Groups, cut(group, maxName))
	}
	return p
}

// info is the session that was written.
func (r *sessionRecord) info() gateway.SessionInfo {
	limits, _ := auth.ParseLimits(r.Limits) // of another version: none that we know
	return gateway.SessionInfo{
		ID: r.ID, Listener: r.Listener, Target: r.Target, Ticket: r.Ticket, From: r.From,
		Identity: r.Identity, Identities: r.Identities, Since: r.Since, Expires: r.Expires, Open: r.Open, Paused: r.Paused, Recorded: r.Recorded,
		Class: r.Class, Stack: r.Stack, DisplayStack: r.DisplayStack, Agent: r.Agent, Security: r.Security, DisplaySecurity: r.DisplaySecurity,
		Reached: r.Reached, Rule: r.Rule, BytesUp: r.BytesUp, BytesDown: r.BytesDown, Messages: r.Messages, Filtered: r.Filtered,
		RTT: r.RTT, DisplayRTT: r.DisplayRTT, Rights: knownRights(r.Rights), Withheld: knownRights(r.Withheld), Limits: limits,
	}
}

// knownRights are those in a list that this version knows.
func knownRights(list string) (r auth.Rights) {
	for name := range strings.SplitSeq(list, ",") {
		known, _ := auth.ParseRights([]string{name})
		r |= known
	}
	return r
}

func decodeSession(id, text string) (r sessionRecord, err error) {
	if err = decode(text, maxSession, &r); err != nil {
		return sessionRecord{}, err
	}
	if r.ID != id {
		return sessionRecord{}, errRecord
	}
	return r, r.check()
}

// check bounds what is in a session, since lists of them are kept.
func (r *sessionRecord) check() error {
	if !validID(r.ID) || len(r.Identities) > maxDetails || r.BytesUp < 0 || r.BytesDown < 0 {
		return errRecord
	}
	for _, id := range append(r.Identities, r.Identity) {
		if len(id.Groups) > maxDetails || id.Claims != nil {
			return errRecord
		}
	}
	return nil
}
