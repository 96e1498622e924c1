package auth

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/emersion/go-sasl"
)

// Names of SASL mechanisms (IANA's registry).
const (
	ScramSHA256 = "SCRAM-SHA-256" // RFC 7677
	Plain       = "PLAIN"         // RFC 4616
)

// Limits on one SASL exchange.
const (
	MaxResponse = 64 << 10 // bytes of one response; peers allow themselves 1 MiB
	maxSteps    = 10       // responses of one exchange
)

// Mechanisms are the SASL mechanisms that prove the users of a users file to
// us. The zero Encrypted is the safe one.
type Mechanisms struct {
	Users *Users
	// Encrypted says that nobody between can read the channel: TLS, wss or a
	// local socket. Only there does PLAIN, which sends the password itself,
	// exist.
	Encrypted bool
}

// Names lists what there is, best first, as a mechanism list has it.
func (m Mechanisms) Names() []string {
	if m.Encrypted {
		return []string{ScramSHA256, Plain}
	}
	return []string{ScramSHA256}
}

// New begins an exchange with the mechanism that the peer chose. ctx bounds
// the wait for password hashing in all of it.
func (m Mechanisms) New(ctx context.Context, name string) (*Mechanism, error) {
	if !slices.Contains(m.Names(), name) {
		return nil, fmt.Errorf("auth: mechanism %.20q is not offered on this channel", name)
	}
	switch name {
	case Plain:
		return newPlain(ctx, m.Users), nil
	default:
		return newScram(m.Users, nil), nil
	}
}

// Mechanism is the server side of one exchange. It has the Next of go-sasl's
// Server, and the name that was proved. It serves one connection, one call at
// a time.
type Mechanism struct {
	name  string
	step  func(response []byte) (challenge []byte, done bool, err error)
	user  func() string
	steps int
	state state
}

type state int

const (
	running state = iota
	proved
	failed
)

var _ sasl.Server = (*Mechanism)(nil)

// Name returns the mechanism's name: "SCRAM-SHA-256".
func (m *Mechanism) Name() string { return m.name }

// Username returns the name of the user, in the users file's spelling, once
// Next has said done; "" before and after a failure.
func (m *Mechanism) Username() string {
	if m.state != proved {
		return ""
	}
	return m.user()
}

// Next takes the peer's response and returns our challenge; the last one comes
// with done set. A nil response says that the peer sent no initial response,
// which differs from an empty one. A proof that failed is ErrDenied with the
// reason for the log; nothing of the response is in any error, and all of them
// end the exchange.
func (m *Mechanism) Next(response []byte) (challenge []byte, done bool, err error) {
	if m.state != running {
		return nil, false, fmt.Errorf("auth: %s: the exchange is over", m.name)
	}
	defer m.settle(&challenge, &done, &err)
	if m.steps++; m.steps > maxSteps {
		return nil, false, fmt.Errorf("more than %d responses", maxSteps)
	}
	if len(response) > MaxResponse {
		return nil, false, fmt.Errorf("a response of %d bytes, at most %d are read", len(response), MaxResponse)
	}
	return m.step(response)
}

// settle makes a panic of a library an error like any other, and records how
// the step ended.
func (m *Mechanism) settle(challenge *[]byte, done *bool, err *error) {
	if p := recover(); p != nil {
		*err = errors.New("the mechanism panicked")
	}
	switch {
	case *err != nil:
		m.state = failed
		*challenge, *done, *err = nil, false, fmt.Errorf("auth: %s: %w", m.name, *err)
	case *done:
		m.state = proved
	}
}

// denied is ErrDenied with a reason for the log. The reason is a constant.
type denied struct{ reason string }

func (d denied) Error() string        { return "denied: " + d.reason }
func (d denied) Is(target error) bool { return target == ErrDenied }

// PlainClient proves name to a display by sending the password. The caller
// makes sure that only the display can read it.
func PlainClient(name, password string) sasl.Client { return sasl.NewPlainClient("", name, password) }
