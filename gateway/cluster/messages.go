package cluster

import (
	"errors"
	"time"

	"vncgate/gateway"
)

// message is what goes over the bus. Those of scripts are from nobody.
type message struct {
	Kind     messageKind  `json:"kind"`
	Instance string       `json:"from,omitempty"`
	Node     string       `json:"node,omitempty"`
	Seat     string       `json:"seat,omitempty"`
	Taken    bool         `json:"taken,omitempty"`
	Target   string       `json:"target,omitempty"`
	Agent    string       `json:"agent,omitempty"`
	Here     bool         `json:"here,omitempty"`
	Event    *eventRecord `json:"event,omitempty"`
}

type messageKind string

const (
	// sayNodes: a node has come or gone; payload: from.
	sayNodes messageKind = "nodes"
	// sayEvent: something has happened at a node; payload: from, node, event.
	sayEvent messageKind = "event"
	// sayWake: there may be a place, or somebody who was to leave has; payload:
	// nothing.
	sayWake messageKind = "wake"
	// sayEnd: a session is to make room; payload: seat, taken.
	sayEnd messageKind = "end"
	// sayAgent: an agent has come or gone; payload: from, agent, here.
	sayAgent messageKind = "agent"
)

func decodeMessage(text string) (m message, err error) {
	if err = decode(text, maxMessage, &m); err != nil {
		return message{}, err
	}
	if m.Instance != "" && !validID(m.Instance) || !within(maxName, m.Node, m.Agent, m.Seat) || m.Event != nil && !m.Event.valid() {
		return message{}, errRecord
	}
	return m, nil
}

// eventRecord is a gateway.Event.
type eventRecord struct {
	Kind                   gateway.EventKind
	Time                   time.Time
	Session                *sessionRecord    `json:",omitempty"`
	Target, Listener, From string            `json:",omitempty"`
	Actor, Method          string            `json:",omitempty"`
	Reason, Words, Err     string            `json:",omitempty"`
	BytesUp, BytesDown     int64             `json:",omitempty"`
	Duration               time.Duration     `json:",omitempty"`
	Count                  int               `json:",omitempty"`
	Stages                 []gateway.Stage   `json:",omitempty"`
	Details                map[string]string `json:",omitempty"`
}

func (e *eventRecord) valid() bool {
	if e.Kind == "" || len(e.Kind) > maxName || len(e.Stages) > maxDetails || len(e.Details) > maxDetails {
		return false
	}
	return e.Session == nil || e.Session.check() == nil
}

func eventOf(e *gateway.Event) *eventRecord {
	r := &eventRecord{
		Kind: e.Kind, Time: e.Time, Target: cut(e.Target, maxText), Listener: cut(e.Listener, maxName), From: cut(e.From, maxName),
		Actor: cut(e.Actor, maxName), Method: cut(e.Method, maxName), Reason: cut(e.Reason, maxName), Words: cut(e.Words, maxText),
		BytesUp: e.BytesUp, BytesDown: e.BytesDown, Duration: e.Duration, Count: e.Count, Stages: e.Stages[:min(len(e.Stages), maxDetails)],
	}
	if e.Err != nil {
		r.Err = cut(e.Err.Error(), maxText)
	}
	if e.Session != nil {
		s := recordOf(e.Session)
		r.Session = &s
	}
	for name, value := range e.Details {
		if r.Details == nil {
			r.Details = map[string]string{}
		}
		if len(r.Details) < maxDetails/2 {
			r.Details[cut(name, maxName)] = cut(value, maxName)
		}
	}
	return r
}

// event is what was published.
func (e *eventRecord) event() gateway.Event {
	g := gateway.Event{
		Kind: e.Kind, Time: e.Time, Target: e.Target, Listener: e.Listener, From: e.From, Actor: e.Actor, Method: e.Method,
		Reason: e.Reason, Words: e.Words, BytesUp: e.BytesUp, BytesDown: e.BytesDown, Duration: e.Duration, Count: e.Count,
		Stages: e.Stages, Details: e.Details,
	}
	if e.Err != "" {
		g.Err = errors.New(e.Err)
	}
	if e.Session != nil {
		info := e.Session.info()
		g.Session = &info
	}
	return g
}
