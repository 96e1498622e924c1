package tunnel

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"vncgate/certs"
)

// message is what the control stream carries: one member of it.
type message struct {
	Hello   *hello   `json:"hello,omitempty"`
	Welcome *welcome `json:"welcome,omitempty"`
	Refused *refused `json:"refused,omitempty"`
	Drain   *notice  `json:"drain,omitempty"`
	Bye     *bye     `json:"bye,omitempty"`
	Ping    *number  `json:"ping,omitempty"`
	Pong    *number  `json:"pong,omitempty"`
	Renew   *renew   `json:"renew,omitempty"`
	Renewed *renewed `json:"renewed,omitempty"`
}

// hello is the agent's first message.
type hello struct {
	Protocol int       `json:"protocol"` // the newest it speaks
	Oldest   int       `json:"oldest"`   // and the oldest
	Agent    string    `json:"agent"`    // its name; "" is what its certificate says
	Instance string    `json:"instance"` // random, the same for all tunnels of a process
	Index    int       `json:"index"`    // of this tunnel among the parallel ones
	Software string    `json:"software,omitempty"`
	Services []service `json:"services"`
	Check    bool      `json:"check,omitempty"` // the answer is all that is wanted
}

// service is one announced.
type service struct {
	Name string `json:"name"`
}

// names lists the announced ones, sorted.
func (h *hello) names() []string {
	names := make([]string, 0, len(h.Services))
	for _, s := range h.Services {
		names = append(names, s.Name)
	}
	slices.Sort(names)
	return names
}

// check bounds what a hello says. Versions are looked at before.
func (h *hello) check() error {
	switch {
	case h.Agent != "" && certs.CheckWord(h.Agent) != nil:
		return certs.CheckWord(h.Agent)
	case len(h.Instance) == 0 || len(h.Instance) > maxInstance:
		return errors.New("the instance is missing or too long")
	case h.Index < 0 || h.Index > maxServices:
		return fmt.Errorf("the index %d is out of bounds", h.Index)
	case len(h.Services) == 0:
		return errors.New("it announces no service")
	case len(h.Services) > maxServices:
		return fmt.Errorf("it announces %d services, %d are the most", len(h.Services), maxServices)
	}
	names := h.names()
	for i, name := range names {
		if err := certs.CheckWord(name); err != nil {
			return fmt.Errorf("service: %w", err)
		}
		if i > 0 && names[i-1] == name {
			return fmt.Errorf("it announces the service %s twice", name)
		}
	}
	return nil
}

// version is the protocol's that both speak, or what to do about it.
func (h *hello) version() (int, error) {
	switch {
	case h.Protocol < 1 || h.Oldest < 1 || h.Oldest > h.Protocol:
		return 0, errors.New("the hello names no version of the protocol: is this an agent of vncgate?")
	case h.Oldest > newestProtocol:
		return 0, fmt.Errorf("the agent speaks version %d of the tunnel's protocol and newer, this gateway %d at most: update the gateway first, or run an older vncgate agent", h.Oldest, newestProtocol)
	case h.Protocol < oldestProtocol:
		return 0, fmt.Errorf("the agent speaks version %d of the tunnel's protocol at most, this gateway %d and newer: update vncgate where the agent runs", h.Protocol, oldestProtocol)
	}
	return min(h.Protocol, newestProtocol), nil
}

// welcome is the answer to a hello that is taken in.
type welcome struct {
	Protocol int    `json:"protocol"` // the one that both speak
	Agent    string `json:"agent"`    // the name under which it is known
	Tunnels  int    `json:"tunnels"`  // the most that it may have
	Software string `json:"software,omitempty"`
}

// refused is the other answer.
type refused struct {
	Reason  string `json:"reason"`
	Never   bool   `json:"never,omitempty"`   // it is not to come again
	Seconds int    `json:"seconds,omitempty"` // the least time until it does
}

// err is what it means to the agent.
func (r *refused) err() error {
	if r.Never {
		return &Unwanted{Reason: words(r.Reason)}
	}
	return &Refusal{Reason: words(r.Reason), After: seconds(r.Seconds)}
}

// notice has a reason alone.
type notice struct {
	Reason string `json:"reason,omitempty"`
}

// bye ends the tunnel, from either end.
type bye = refused

type number = uint64

// renew asks for a new certificate, renewed brings it.
type renew struct {
	CSR []byte `json:"csr"` // PKCS #10 in DER
}

type renewed struct {
	Chain  []byte `json:"chain,omitempty"` // PEM, ours first
	Reason string `json:"reason,omitempty"`
}

// open says what a stream of the gateway's is for.
type open struct {
	Service string `json:"service"`
}

// Codes of an opened.
const (
	codeUnknown     = "unknown"     // the agent has no such service
	codeUnreachable = "unreachable" // it has, and cannot reach it now
	codeBusy        = "busy"        // it has too much to do
)

// opened is the agent's answer to an open; bytes follow if Code is "".
type opened struct {
	Code   string `json:"code,omitempty"`
	Reason string `json:"reason,omitempty"`
}

// maxAfter bounds what a gateway may have us wait for.
const maxAfter = 10 * time.Minute

// seconds is a time a peer speaks of, within reason.
func seconds(n int) time.Duration {
	return time.Duration(min(max(n, 0), int(maxAfter/time.Second))) * time.Second
}

// writeMessage writes v as one message of at most limit bytes, with one Write.
func writeMessage(w io.Writer, v any, limit int) error {
	body, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("tunnel: message: %w", err)
	}
	if len(body) > limit {
		return fmt.Errorf("tunnel: a message of %d bytes, %d are the most", len(body), limit)
	}
	b := binary.BigEndian.AppendUint32(make([]byte, 0, 4+len(body)), uint32(len(body)))
	_, err = w.Write(append(b, body...))
	return err
}

// readMessage reads one of at most limit bytes into v, and not a byte more.
// io.EOF says that the stream ended before it.
func readMessage(r io.Reader, limit int, v any) error {
	var head [4]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return err
	}
	length := binary.BigEndian.Uint32(head[:])
	if uint64(length) > uint64(limit) {
		return fmt.Errorf("tunnel: a message of %d bytes, %d are the most: is this an agent or gateway of vncgate?", length, limit)
	}
	body := make([]byte, length)
	if _, err := io.ReadFull(r, body); err != nil {
		if err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		return err
	}
	if err := json.Unmarshal(body, v); err != nil {
		return fmt.Errorf("tunnel: message: %w", err)
	}
	return nil
}
