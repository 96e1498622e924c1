package auth

import (
	"errors"
	"unicode/utf8"

	"github.com/emersion/go-sasl"
)

// EXTERNAL (RFC 4422, appendix A) and ANONYMOUS (RFC 4505). Protocol flow of
// both:
//
//	C→S  authzid, or trace information; both may be empty
//	S→C  nothing
//
// A peer without an initial response is sent an empty challenge first.

// newExternal begins the server side of EXTERNAL for the peer that id names.
func newExternal(id Identity) *Mechanism {
	server := sasl.NewExternalServer(func(authzid string) error {
		if !utf8.ValidString(authzid) {
			return errMalformed
		}
		if id.Name == "" {
			return denied{"the proof names nobody"}
		}
		return actsFor(id.Name, authzid)
	})
	return &Mechanism{name: External, id: id, step: func(response []byte) ([]byte, bool, error) {
		challenge, done, err := server.Next(response)
		if err != nil && !errors.Is(err, ErrDenied) {
			err = errMalformed
		}
		return challenge, done, err
	}}
}

// maxTrace is what RFC 4505, 2 allows, 255 characters, in bytes.
const maxTrace = 255 * utf8.UTFMax

// newAnonymous begins the server side of ANONYMOUS. The trace information is
// somebody's claim and goes nowhere.
func newAnonymous() *Mechanism {
	server := sasl.NewAnonymousServer(func(trace string) error {
		if len(trace) > maxTrace {
			return errMalformed
		}
		return nil
	})
	return &Mechanism{name: Anonymous, step: server.Next}
}

// ExternalClient asks a display to take what it knows of us from below: our
// client certificate, or the credentials of a unix socket. It asks for the
// identity that follows from that, and for no other.
func ExternalClient() sasl.Client { return sasl.NewExternalClient("") }

// AnonymousClient asks a display to let us in as nobody, with trace information
// that says no more than what we are.
func AnonymousClient() sasl.Client { return sasl.NewAnonymousClient("vncgate") }
