// Package tunnel reaches displays through agents: programs beside the display
// that dial out to the gateway, from behind NAT or in a pod that nobody reaches.
//
// An [Agent] keeps connections to the gateway, its tunnels, and announces the
// names of its services. The gateway's [Hub] takes the tunnels in and opens a
// stream in one of them for each session; the agent connects it to the service
// of that name. Which addresses stand behind the names only the agent knows, so
// nothing that a gateway says makes it dial anywhere else.
package tunnel

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"
	"unicode"
)

// Protocol flow: the agent dials, both ends put a layers.Mux on the connection,
// the agent being its opener.
//
//	agent                                  gateway
//	  opens the first stream, "control":
//	  hello ------------------------------>   versions, name, services
//	  <------------------ welcome or refused  refused ends the tunnel
//	  <------------ ping, drain, bye, renewed on control as long as it lasts
//	  pong, renew, bye ------------------->
//	for each session:
//	  <--------------------------------- open a stream of the gateway's
//	  ok or refused --------------------->
//	  bytes of the display and the viewer, both ways, until an end of stream
//
// All but the bytes are messages: 4 bytes big-endian length, then JSON of that
// length with the one member that names what it is. Unknown members are passed
// over; what changes the meaning of a known one raises the protocol's version.

// Versions of the protocol that this package speaks.
const (
	newestProtocol = 1
	oldestProtocol = 1
)

// Limits of what a peer may say, in bytes and pieces.
const (
	maxControl  = 64 << 10 // a message on the control stream
	maxOpen     = 4 << 10  // an open and its answer
	maxInstance = 64       // the random name of a process
	maxWords    = 300      // text for people
	maxServices = 1000     // of an agent, whatever the hub's limit
)

// Times that either end allows the other.
const (
	helloPatience    = 10 * time.Second // to say hello, and to answer it beside a probe
	openPatience     = 10 * time.Second // to say what a stream is for
	dialPatience     = 30 * time.Second // for the agent to reach its service
	answerPatience   = 45 * time.Second // for the agent to answer an open
	displayPatience  = 2 * time.Second  // for a display to end after its viewer has left
	farewellPatience = 2 * time.Second  // to end the tunnel after a bye
	tellPatience     = 10 * time.Second // to take a message of ours
)

// A Service is something an agent reaches under a name.
type Service struct {
	// Name is a word, as certs.CheckWord has it.
	Name string
	// Dial connects to it, for one session. ctx bounds the dial only.
	Dial func(ctx context.Context) (net.Conn, error)
}

// words makes text of a peer fit for a log and an error: printable, one line,
// and not long.
func words(s string) string {
	s = strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r):
			return ' '
		case !unicode.IsPrint(r):
			return -1
		}
		return r
	}, strings.ToValidUTF8(s[:min(len(s), 4*maxWords)], ""))
	if r := []rune(s); len(r) > maxWords {
		s = string(r[:maxWords])
	}
	return strings.TrimSpace(s)
}

// wordsOr is what the peer says, or otherwise.
func wordsOr(said, otherwise string) string {
	if said = words(said); said != "" {
		return said
	}
	return otherwise
}

// Errors of a Hub's Dial. More are layers.ErrMuxStreams and layers.ErrMuxMemory
// where a limit is reached, and *ServiceError and *LostError.
var (
	// ErrNoAgent says that the agent has not come before the context's end.
	ErrNoAgent = errors.New("tunnel: the agent is not connected")
	// ErrNoService says that the agent is there and announces no such service.
	ErrNoService = errors.New("tunnel: the agent announces no such service")
	// ErrClosed says that the hub has been closed.
	ErrClosed = errors.New("tunnel: closed")
)

// A ServiceError is what an agent says of a service that it could not reach.
type ServiceError struct {
	Agent, Service, Reason string
}

func (e *ServiceError) Error() string {
	return fmt.Sprintf("tunnel: agent %s: service %s: %s", e.Agent, e.Service, e.Reason)
}

// Unwanted says that an agent is not wanted, and is not to come again: its Run
// returns it. A Hub's Allow returns it to say so.
type Unwanted struct {
	Reason string
}

func (e *Unwanted) Error() string { return "tunnel: the gateway does not want this agent: " + e.Reason }

// A Refusal says why a gateway does not take an agent in now.
type Refusal struct {
	Reason string
	After  time.Duration // the least time until the agent comes again; 0: as it likes
}

func (e *Refusal) Error() string { return "tunnel: refused: " + e.Reason }
