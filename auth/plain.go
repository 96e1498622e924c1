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
func newPlain(ctx context.Context, users *Users) *Mechanism {
	var id Identity
	server := sasl.NewPlainServer(func(authzid, authcid, password string) (err error) {
		if authzid != "" && prepareName(authzid) != prepareName(authcid) {
			return denied{"one user asks to act for another"}
		}
		if id, err = users.Verify(ctx, authcid, password); errors.Is(err, ErrDenied) {
			return denied{"wrong name or password"}
		}
		return err
	})
	step := func(response []byte) ([]byte, bool, error) {
		if response != nil && bytes.Count(response, []byte{0}) != 2 {
			return nil, false, errors.New("malformed response")
		}
		return server.Next(response)
	}
	return &Mechanism{name: Plain, step: step, user: func() string { return id.Name }}
}
