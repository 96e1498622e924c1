package tunnel

import (
	"context"
	"crypto"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"vncgate/certs"
)

// Protocol of enrolment: the agent has no certificate yet, so it speaks on a TLS
// connection without one, whose server has proved to be of the authority that
// the token names. One message each way, each four bytes of length and JSON:
//
//	agent:   {"version": 1, "secret": …, "request": PKCS #10}
//	gateway: {"version": 1, "chain": PEM}  or  {"version": 1, "refused": CODE}
//
// and the connection ends. A certificate is renewed over the control stream of a
// tunnel, by the same Enroller.

const (
	enrolVersion = 1
	maxEnrol     = 64 << 10 // bytes of a message
	enrolTime    = 20 * time.Second
	enrolPause   = time.Second // before a refusal, so that guessing takes its time
)

// Enroller issues certificates to agents. Errors match one of this package's
// where the agent is to be told why.
type Enroller interface {
	// Enrol issues one to whoever has the secret of a token. request is PKCS #10
	// in DER; the chain is PEM, the agent's certificate first, its authority's last.
	Enrol(ctx context.Context, secret string, request []byte) (chain []byte, err error)
	// Renew issues another to an agent that has proved who it is.
	Renew(ctx context.Context, peer Peer, request []byte) (chain []byte, err error)
}

// Why an agent gets no certificate, beside what is wrong with a token.
var (
	// ErrRevoked says that the agent was revoked.
	ErrRevoked = errors.New("the agent is revoked")
	// ErrRequest says that the agent's request is none.
	ErrRequest = errors.New("the request for a certificate is malformed, or for a key that is not taken")
	// ErrLater says that trying again later may do.
	ErrLater = errors.New("the gateway issues no certificate now")
	// ErrVersion says that the two ends are of versions that have no common one.
	ErrVersion = errors.New("the gateway is of another version and enrols otherwise")
)

// refusals are the codes on the wire.
var refusals = []struct {
	code string
	err  error
}{
	{"unknown", ErrTokenUnknown}, {"expired", ErrTokenExpired}, {"used", ErrTokenUsed}, {"revoked", ErrRevoked},
	{"request", ErrRequest}, {"later", ErrLater}, {"version", ErrVersion},
}

// refusalCode is how the agent is told of an error; what it is not to know is
// "later".
func refusalCode(err error) string {
	for _, r := range refusals {
		if errors.Is(err, r.err) {
			return r.code
		}
	}
	return "later"
}

func refusalError(code string) error {
	for _, r := range refusals {
		if r.code == code {
			return r.err
		}
	}
	return fmt.Errorf("%w (it says %.20q)", ErrLater, code)
}

type enrolRequest struct {
	Version int    `json:"version"`
	Secret  string `json:"secret"`
	Request []byte `json:"request"`
}

type enrolReply struct {
	Version int    `json:"version"`
	Chain   string `json:"chain,omitempty"`
	Refused string `json:"refused,omitempty"`
}

// tokenVersion begins a token's text.
const tokenVersion = "vga1"

// FormatToken is a token's text: the secret, and by what fingerprint
// (certs.KeyFingerprint) its bearer knows the gateway's authority.
func FormatToken(fingerprint, secret string) string {
	return tokenVersion + "." + fingerprint + "." + secret
}

// ParseToken takes a token's text apart. Its errors hold nothing of it.
func ParseToken(text string) (fingerprint, secret string, err error) {
	version, rest, _ := strings.Cut(strings.TrimSpace(text), ".")
	fingerprint, secret, ok := strings.Cut(rest, ".")
	switch {
	case len(version) == len(tokenVersion) && strings.HasPrefix(version, "vga") && version != tokenVersion:
		return "", "", errors.New("tunnel: token: it is of a version that this program does not know: use a newer one")
	case version != tokenVersion || !ok:
		return "", "", errors.New("tunnel: token: it is not one of 'vncgate token agent', which begin with vga1")
	case len(fingerprint) != fingerprintLen || len(secret) != idLen+secretLen || !isBase32(secret):
		return "", "", errors.New("tunnel: token: it is not whole: copy all of it")
	}
	return fingerprint, secret, nil
}

// TokenID is the part of a token's secret that lists show: no secret itself.
func TokenID(secret string) string { return secret[:min(len(secret), idLen)] }

const fingerprintLen = 43 // SHA-256 in base64url

// Enrolled is a certificate that an agent got.
type Enrolled struct {
	certs.Agent
	Chain []byte // the agent's certificate, in PEM
	CA    []byte // its authority's, in PEM
}

// Enrol gets a certificate for key by a token. c is a TLS connection whose server
// has proved to be of the authority of the token's fingerprint; it stays the
// caller's. An error of the gateway matches one of this package's.
func Enrol(ctx context.Context, c net.Conn, token string, key crypto.Signer) (Enrolled, error) {
	fingerprint, secret, err := ParseToken(token)
	if err != nil {
		return Enrolled{}, err
	}
	request, err := certs.NewKeyRequest(key)
	if err != nil {
		return Enrolled{}, err
	}
	defer bounded(ctx, c)()
	if err := writeMessage(c, enrolRequest{enrolVersion, secret, request}, maxEnrol); err != nil {
		return Enrolled{}, fmt.Errorf("tunnel: enrol: %w", err)
	}
	var reply enrolReply
	if err := readMessage(c, maxEnrol, &reply); err != nil {
		return Enrolled{}, fmt.Errorf("tunnel: enrol: %w", err)
	}
	switch {
	case reply.Refused != "":
		return Enrolled{}, fmt.Errorf("tunnel: enrol: %w", refusalError(reply.Refused))
	case reply.Version != enrolVersion:
		return Enrolled{}, fmt.Errorf("tunnel: enrol: %w", ErrVersion)
	}
	return CheckChain([]byte(reply.Chain), fingerprint, key)
}

// CheckChain looks at a chain that a gateway gave: that it is for our key, an
// agent's, and of the authority of that fingerprint.
func CheckChain(chain []byte, fingerprint string, key crypto.Signer) (Enrolled, error) {
	agent, err := certs.VerifyIssued(chain, fingerprint, key.Public())
	if err != nil {
		return Enrolled{}, fmt.Errorf("tunnel: enrol: what the gateway issued: %w", err)
	}
	return Enrolled{agent.Agent, agent.Leaf, agent.CA}, nil
}

// bounded has the connection fail when ctx ends, or after a time.
func bounded(ctx context.Context, c net.Conn) (done func()) {
	c.SetDeadline(time.Now().Add(enrolTime))
	stop := context.AfterFunc(ctx, func() { c.SetDeadline(time.Unix(1, 0)) })
	return func() {
		if stop() {
			c.SetDeadline(time.Time{})
		}
	}
}

// EnrolConfig says how a gateway enrols agents.
type EnrolConfig struct {
	Enroller Enroller
	// Guard bounds guessing: it calls proof, unless from has failed too often, and
	// counts errors that match ErrTokenUnknown. Nil lets everybody try.
	Guard func(from net.Addr, proof func() error) error
	// From is where the agent is, for Guard; nil is the connection's other end.
	From net.Addr
	// Pause is the time before a refusal; 0 is a second, below 0 none.
	Pause time.Duration
}

// ServeEnrol enrols the agent on a TLS connection that came without a
// certificate, and returns how that ended. c stays the caller's to close.
func ServeEnrol(ctx context.Context, c net.Conn, cfg EnrolConfig) error {
	defer bounded(ctx, c)()
	var request enrolRequest
	if err := readMessage(c, maxEnrol, &request); err != nil {
		return fmt.Errorf("tunnel: enrol: %w", err)
	}
	if cfg.From == nil {
		cfg.From = c.RemoteAddr()
	}
	chain, err := cfg.enrol(ctx, request)
	reply := enrolReply{Version: enrolVersion, Chain: string(chain)}
	if err != nil {
		cfg.pause(ctx)
		reply = enrolReply{Version: enrolVersion, Refused: refusalCode(err)}
	}
	if e := writeMessage(c, reply, maxEnrol); err == nil {
		err = e
	}
	if err != nil {
		return fmt.Errorf("tunnel: enrol: %w", err)
	}
	return nil
}

func (cfg EnrolConfig) enrol(ctx context.Context, request enrolRequest) (chain []byte, err error) {
	if request.Version != enrolVersion {
		return nil, ErrVersion
	}
	tried := false
	proof := func() error {
		tried = true
		chain, err = cfg.Enroller.Enrol(ctx, request.Secret, request.Request)
		return err
	}
	if cfg.Guard == nil {
		return chain, proof()
	}
	if err := cfg.Guard(cfg.From, proof); err != nil && !tried {
		return nil, fmt.Errorf("%w: %w", ErrLater, err)
	}
	return chain, err
}

func (cfg EnrolConfig) pause(ctx context.Context) {
	pause := cfg.Pause
	if pause == 0 {
		pause = enrolPause
	}
	if pause < 0 {
		return
	}
	select {
	case <-time.After(pause):
	case <-ctx.Done():
	}
}
