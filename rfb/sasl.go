package rfb

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"runtime"
	"slices"
	"strings"
)

// SASL, as type 20 and inside VeNCrypt (rfbproto, "SASL"; QEMU
// ui/vnc-auth-sasl.c; gtk-vnc src/vncconnection.c):
//
//	S→C  U32 n, mechanism names with commas between
//	C→S  U32 n, name   C→S  U32 n, initial response
//	S→C  U32 n, challenge, U8 complete
//	C→S  U32 n, response ... until complete is 1
//
// Challenges and responses carry a NUL that n counts, so that none at all
// (n = 0) and an empty one (n = 1) stay apart. The last challenge rides in the
// message that says complete.
const (
	maxMechList = 300 // bytes; gtk-vnc reads no more
	maxMechName = 100 // bytes; QEMU reads no more
	maxSASLData = 64 << 10
	maxSASLStep = 10
)

// A SASLMechanism is the server side of one exchange. It has the shape of
// go-sasl's Server: response is nil where the viewer sent none, and the
// exchange is over when done is true or err is not nil; a challenge returned
// beside an err (SCRAM's e=…) is still sent.
//
// It may also have Username() string, the name that was proved, and
// SecurityLayer() Upgrade, which wraps everything behind the SecurityResult;
// both are asked when it is done.
type SASLMechanism interface {
	Next(response []byte) (challenge []byte, done bool, err error)
}

// A SASLClientMechanism is the client side of one exchange. It has the shape
// of go-sasl's Client.
//
// It may also have Done() bool, which says that it has all that it wants of
// the display, the proof of the display's own identity included: a display
// that declares the exchange complete before that is refused. SecurityLayer()
// Upgrade is as in SASLMechanism.
type SASLClientMechanism interface {
	Start() (mech string, ir []byte, err error)
	Next(challenge []byte) (response []byte, err error)
}

// ServerSASL is the display's side of SASL.
type ServerSASL struct {
	// Mechanisms lists what is offered, best first. Those that send passwords
	// belong inside TLS or wss.
	Mechanisms []string
	// Start begins an exchange with a mechanism of the list over c.
	Start func(ctx context.Context, name string, c net.Conn) (SASLMechanism, error)
}

// Type returns TypeSASL.
func (ServerSASL) Type() SecurityType { return TypeSASL }

// Handshake runs the exchange.
func (s ServerSASL) Handshake(ctx context.Context, c net.Conn) (Secured, error) {
	list := strings.Join(s.Mechanisms, ",")
	if list == "" || len(list) > maxMechList {
		return Secured{}, fmt.Errorf("rfb: sasl: a mechanism list of %d bytes cannot be offered", len(list))
	}
	if err := write(c, appendCounted(nil, list), "SASL mechanisms"); err != nil {
		return Secured{}, err
	}
	name, err := readCounted(c, maxMechName, "SASL mechanism")
	if err != nil {
		return Secured{}, err
	}
	if !slices.Contains(s.Mechanisms, string(name)) {
		return Secured{}, fmt.Errorf("rfb: sasl: viewer chose mechanism %q, which was not offered", name)
	}
	return s.run(ctx, c, string(name))
}

func (s ServerSASL) run(ctx context.Context, c net.Conn, name string) (Secured, error) {
	done := Secured{Conn: c, Method: TypeSASL.String() + "/" + name}
	response, err := readSASL(c)
	if err != nil {
		return Secured{}, err
	}
	var m SASLMechanism
	err = guard(func() (err error) {
		m, err = s.Start(ctx, name, c)
		return err
	})
	if err != nil {
		return done, failSASL(ctx, c, nil, err)
	}
	for range maxSASLStep {
		challenge, complete, err := next(m, response)
		if err != nil {
			return done, failSASL(ctx, c, challenge, err)
		}
		if err := writeChallenge(c, challenge, complete); err != nil {
			return Secured{}, err
		}
		if complete {
			done.User, done.After = proved(m)
			return done, nil
		}
		if response, err = readSASL(c); err != nil {
			return Secured{}, err
		}
	}
	return Secured{}, fmt.Errorf("rfb: sasl: %s: more than %d steps", name, maxSASLStep)
}

// failSASL answers a proof that failed. The viewer waits for a challenge and
// would misread a SecurityResult in its place, so one that says complete goes
// before it.
func failSASL(ctx context.Context, c net.Conn, challenge []byte, cause error) error {
	verdict := FailAuthentication(ctx, fmt.Errorf("rfb: sasl: %w", cause))
	if ctx.Err() != nil {
		return verdict
	}
	if err := writeChallenge(c, challenge, true); err != nil {
		return err
	}
	return verdict
}

// next runs one step of m.
func next(m SASLMechanism, response []byte) (challenge []byte, done bool, err error) {
	err = guard(func() (err error) {
		challenge, done, err = m.Next(response)
		return err
	})
	return challenge, done, err
}

// guard turns a panic of a mechanism into an error: go-sasl's OAUTHBEARER can
// be made to panic by what a peer sends.
func guard(step func() error) (err error) {
	defer func() {
		switch r := recover().(type) {
		case nil:
		case runtime.Error:
			err = fmt.Errorf("mechanism panicked: %w", r)
		default: // its text may hold anything, a secret included
			err = errors.New("mechanism panicked")
		}
	}()
	return step()
}

// proved asks m for what it may know beyond success.
func proved(m any) (user string, after Upgrade) {
	if u, ok := m.(interface{ Username() string }); ok {
		user = u.Username()
	}
	if l, ok := m.(interface{ SecurityLayer() Upgrade }); ok {
		after = l.SecurityLayer()
	}
	return user, after
}

// ClientSASL is the viewer's side of SASL.
type ClientSASL struct {
	// Choose begins an exchange over c with one of the mechanisms that the
	// display offers.
	Choose func(ctx context.Context, offered []string, c net.Conn) (SASLClientMechanism, error)
}

// Type returns TypeSASL.
func (ClientSASL) Type() SecurityType { return TypeSASL }

// Handshake runs the exchange.
func (s ClientSASL) Handshake(ctx context.Context, c net.Conn) (Secured, error) {
	list, err := readCounted(c, maxMechList, "SASL mechanisms")
	if err != nil {
		return Secured{}, err
	}
	offered := mechanismNames(string(list))
	m, name, initial, err := s.start(ctx, offered, c)
	if err != nil {
		return Secured{}, fmt.Errorf("rfb: sasl: display offers %q: %w", offered, err)
	}
	hello, err := appendSASL(appendCounted(nil, name), initial)
	if err != nil {
		return Secured{}, err
	}
	if err := write(c, hello, "SASL start"); err != nil {
		return Secured{}, err
	}
	if err := runClient(c, m); err != nil {
		return Secured{}, err
	}
	_, after := proved(m)
	return Secured{Conn: c, Method: TypeSASL.String() + "/" + name, After: after}, nil
}

func (s ClientSASL) start(ctx context.Context, offered []string, c net.Conn) (m SASLClientMechanism, name string, initial []byte, err error) {
	err = guard(func() (err error) {
		if m, err = s.Choose(ctx, offered, c); err != nil {
			return err
		}
		name, initial, err = m.Start()
		return err
	})
	if err == nil && !slices.Contains(offered, name) {
		err = fmt.Errorf("%q is not among them", name)
	}
	return m, name, initial, err
}

// runClient answers the display's challenges until it says complete.
func runClient(c net.Conn, m SASLClientMechanism) error {
	for range maxSASLStep {
		challenge, complete, err := readChallenge(c)
		if err != nil {
			return err
		}
		if complete {
			return finishClient(c, m, challenge)
		}
		response, err := answerChallenge(m, challenge)
		if err != nil {
			return err
		}
		b, err := appendSASL(nil, response)
		if err != nil {
			return err
		}
		if err := write(c, b, "SASL response"); err != nil {
			return err
		}
	}
	return fmt.Errorf("rfb: sasl: more than %d steps", maxSASLStep)
}

// finishClient gives m the last challenge. What m would still say has no place
// in the protocol any more.
func finishClient(c net.Conn, m SASLClientMechanism, challenge []byte) error {
	if len(challenge) > 0 {
		response, err := answerChallenge(m, challenge)
		if err != nil {
			return endedEarly(c, err)
		}
		if len(response) > 0 {
			return endedEarly(c, errUnproved)
		}
	}
	if d, tells := m.(interface{ Done() bool }); tells && !d.Done() {
		return endedEarly(c, errUnproved)
	}
	return nil
}

var errUnproved = errors.New("rfb: sasl: display lets us in without the proof that it owes")

// endedEarly is for a display that says complete while the mechanism is not
// content: either it has refused us, which its SecurityResult then says, or it
// has not proved itself, which is err.
func endedEarly(c net.Conn, err error) error {
	if refused := readResult(c); refused != nil {
		return refused
	}
	return err
}

func answerChallenge(m SASLClientMechanism, challenge []byte) (response []byte, err error) {
	err = guard(func() (err error) {
		response, err = m.Next(challenge)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("rfb: sasl: %w", err)
	}
	return response, nil
}

// mechanismNames splits a display's list and leaves out what is no mechanism
// name (RFC 4422, 3.1): 1 to 20 of A-Z, 0-9, "-" and "_".
func mechanismNames(list string) []string {
	names := strings.Split(list, ",")
	return slices.DeleteFunc(names, func(s string) bool {
		return s == "" || len(s) > 20 || strings.Trim(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_") != ""
	})
}

// readSASL reads a challenge or response; nil stands for none. What stands in
// the NUL's place is not looked at: QEMU 7.2 and gtk-vnc send the byte that lies
// behind the data in their memory, which is a NUL behind SCRAM's text and
// anything behind a token of Kerberos.
func readSASL(c io.Reader) ([]byte, error) {
	b, err := readCounted(c, maxSASLData+1, "SASL data")
	if err != nil || len(b) == 0 {
		return nil, err
	}
	return b[:len(b)-1], nil
}

// appendSASL appends a challenge or response; nil stands for none.
func appendSASL(b, data []byte) ([]byte, error) {
	if len(data) > maxSASLData {
		return nil, fmt.Errorf("rfb: sasl: data of %d bytes to send, more than %d", len(data), maxSASLData)
	}
	if data == nil {
		return be.AppendUint32(b, 0), nil
	}
	b = be.AppendUint32(b, uint32(len(data)+1))
	return append(append(b, data...), 0), nil
}

func writeChallenge(c net.Conn, challenge []byte, complete bool) error {
	b, err := appendSASL(nil, challenge)
	if err != nil {
		return err
	}
	return write(c, append(b, u8(complete)), "SASL challenge")
}

// readChallenge reads a display's step. A display that closes instead has
// refused us (QEMU on a failed step).
func readChallenge(c net.Conn) (challenge []byte, complete bool, err error) {
	if challenge, err = readSASL(c); err != nil {
		return nil, false, hungUp(err)
	}
	flag, err := readU8(c, "SASL complete flag")
	if err != nil {
		return nil, false, hungUp(err)
	}
	return challenge, flag != 0, nil
}
