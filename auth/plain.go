package auth

import (
	"bytes"
	"context"
	"errors"

	"github.com/emersion/go-sasl"
)

// PLAIN (RFC 4616). Protocol flow:
//
//	C→S  authzid NUL authcid NUL password
//	S→C  nothing
//
// A peer without an initial response is sent an empty challenge first.

// newPlain begins the server side of PLAIN.
func newPlain(ctx context.Context, m Mechanisms) *Mechanism {
	mechanism := &Mechanism{name: Plain}
	server := sasl.NewPlainServer(func(authzid, authcid, password string) error {
		if authzid != "" {
			authzid = m.claimed(authzid)
		}
		authcid = m.claimed(authcid)
		if err := actsFor(authcid, authzid); err != nil {
			return err
		}
		return m.Guard.try(m.From, authcid, func() (err error) {
			if mechanism.id, err = m.Users.Verify(ctx, authcid, password); errors.Is(err, ErrDenied) {
				return denied{"wrong name or password"}
			}
			return err
		})
	})
	mechanism.step = func(response []byte) ([]byte, bool, error) {
		if response != nil && bytes.Count(response, []byte{0}) != 2 {
			return nil, false, errMalformed
		}
		return server.Next(response)
	}
	return mechanism
}

// PlainClient proves name to a display by sending the password. The caller
// makes sure that only the display can read it.
func PlainClient(name, password string) sasl.Client { return sasl.NewPlainClient("", name, password) }
