package auth

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"

	"github.com/emersion/go-sasl"
)

// Names of SASL mechanisms (IANA's registry).
const (
	ScramSHA256     = "SCRAM-SHA-256"      // RFC 7677
	ScramSHA256Plus = "SCRAM-SHA-256-PLUS" // the same, bound to the TLS below
	ScramSHA512     = "SCRAM-SHA-512"      // as RFC 7677 with SHA-512
	ScramSHA512Plus = "SCRAM-SHA-512-PLUS"
	External        = "EXTERNAL"    // RFC 4422, appendix A
	OAuthBearer     = "OAUTHBEARER" // RFC 7628
	Plain           = "PLAIN"       // RFC 4616
	Anonymous       = "ANONYMOUS"   // RFC 4505
)

// Limits on one SASL exchange.
const (
	MaxResponse = 64 << 10 // bytes of one response; peers allow themselves 1 MiB
	maxSteps    = 10       // responses of one exchange
)

// Mechanisms are the SASL mechanisms by which a peer on one connection can
// prove to us who it is. What a field does not enable is not offered; the zero
// Encrypted and Binding are the safe ones.
type Mechanisms struct {
	// Users proves passwords: SCRAM and PLAIN.
	Users *Users
	// Encrypted says that nobody between can read the channel: TLS, wss or a
	// local socket. Only there do PLAIN and OAUTHBEARER exist, which send the
	// secret itself.
	Encrypted bool
	// Binding is what SCRAM can be bound to: the TLS that we end directly
	// below this exchange. It enables the -PLUS mechanisms.
	Binding Binding
	// External is who the peer is by a proof that came before (a client
	// certificate, the credentials of a unix socket). It enables EXTERNAL.
	External *Identity
	// Tokens verifies OAUTHBEARER's.
	Tokens *JWTVerifier
	// Kerberos is what we are to Kerberos. It enables GSSAPI: inside an encrypted
	// channel without a security layer, and elsewhere with a confidential one.
	Kerberos *KerberosService
	// Anonymous lets peers in that prove nothing.
	Anonymous bool
	// Claimed, if set, makes a user's name of what a peer of SCRAM or PLAIN gives
	// for one and proves ("alice%desk" may be alice, who says something else
	// beside). It is asked several times in an exchange, and last for the name
	// that is then proved. Nil takes it as it is.
	Claimed func(given string) string
	// Guard, if there is one, slows down peers at From that guess passwords.
	Guard *Guard
	From  netip.Addr // where the peer is; the zero Addr for a unix socket
}

// Names lists what there is, best first, as a mechanism list has it.
func (m Mechanisms) Names() []string {
	var names []string
	add := func(enabled bool, more ...string) {
		if enabled {
			names = append(names, more...)
		}
	}
	sha512, bound := m.Users != nil && m.Users.offersSHA512(), m.Binding.available()
	add(m.External != nil, External)
	add(m.Kerberos != nil, GSSAPI)
	add(sha512 && bound, ScramSHA512Plus)
	add(m.Users != nil && bound, ScramSHA256Plus)
	add(sha512, ScramSHA512)
	add(m.Users != nil, ScramSHA256)
	add(m.Tokens != nil && m.Encrypted, OAuthBearer)
	add(m.Users != nil && m.Encrypted, Plain)
	add(m.Anonymous, Anonymous)
	return names
}

// claimed is the name that a peer gives, without what it says beside.
func (m Mechanisms) claimed(given string) string {
	if m.Claimed == nil {
		return given
	}
	return m.Claimed(given)
}

// New begins an exchange with the mechanism that the peer chose. ctx bounds
// the wait for password hashing in all of it.
func (m Mechanisms) New(ctx context.Context, name string) (*Mechanism, error) {
	if !slices.Contains(m.Names(), name) {
		return nil, fmt.Errorf("auth: mechanism %.20q is not offered on this channel", name)
	}
	switch name {
	case External:
		return newExternal(*m.External), nil
	case GSSAPI:
		return m.Kerberos.begin(m.Encrypted).Mechanism, nil
	case OAuthBearer:
		return newOAuthBearer(m), nil
	case Plain:
		return newPlain(ctx, m), nil
	case Anonymous:
		return newAnonymous(), nil
	}
	kind, plus, ok := scramNamed(name)
	if !ok {
		return nil, fmt.Errorf("auth: internal error: mechanism %.20q is offered and unknown", name)
	}
	return newScram(m, kind, plus, nil), nil
}

// Mechanism is the server side of one exchange. It has the Next of go-sasl's
// Server, and the identity that was proved. It serves one connection, one call
// at a time.
type Mechanism struct {
	name  string
	step  func(response []byte) (challenge []byte, done bool, err error)
	id    Identity // set by step before it says done
	layer func() (l SecurityLayer, ok bool)
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

// Identity returns who the peer is once Next has said done: the name in the
// spelling of who knows it (the users file, the token, the certificate), its
// groups, and the mechanism's name as Method. Before, and after a failure, it
// is the zero Identity. Mind that ANONYMOUS proves no name.
func (m *Mechanism) Identity() Identity {
	if m.state != proved {
		return Identity{}
	}
	id := m.id
	id.Method = m.name
	id.Groups = slices.Clone(id.Groups)
	return id
}

// Username returns the Name of Identity.
func (m *Mechanism) Username() string { return m.Identity().Name }

// Layer returns the security layer that everything behind the SecurityResult
// goes through, once Next has said done; ok is false where there is none.
func (m *Mechanism) Layer() (l SecurityLayer, ok bool) {
	if m.layer == nil {
		return SecurityLayer{}, false
	}
	return m.layer()
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

// denied is ErrDenied with a reason for the log. The reason is our own text.
type denied struct{ reason string }

func (d denied) Error() string        { return "denied: " + d.reason }
func (d denied) Is(target error) bool { return target == ErrDenied }

// actsFor refuses a peer that proved to be authcid and asks to act for another
// (RFC 4422, 3.4.1): nobody may.
func actsFor(authcid, authzid string) error {
	if authzid != "" && authzid != authcid && (prepareName(authzid) == "" || prepareName(authzid) != prepareName(authcid)) {
		return denied{"one user asks to act for another"}
	}
	return nil
}
