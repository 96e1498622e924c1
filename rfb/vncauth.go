package rfb

import (
	"context"
	"crypto/des"
	"crypto/rand"
	"crypto/subtle"
	"errors"
	"fmt"
	"io"
	"math/bits"
	"net"
)

// challengeLen is the length of VNC Authentication's challenge and response.
const challengeLen = 16

// ServerVncAuth is the display's side of VNC Authentication, a DES challenge
// (RFC 6143, 7.2.2). Only the first 8 bytes of a password count, and a
// recorded exchange can be searched: use it inside TLS.
type ServerVncAuth struct {
	// Passwords returns the passwords that let a viewer in, asked anew for
	// each connection. Empty ones let nobody in.
	Passwords func(context.Context) ([]string, error)
	// Rand is where challenges come from; nil is crypto/rand.
	Rand io.Reader
}

// Type returns TypeVncAuth.
func (ServerVncAuth) Type() SecurityType { return TypeVncAuth }

// Handshake challenges the viewer and judges its response.
func (s ServerVncAuth) Handshake(ctx context.Context, c net.Conn) (Secured, error) {
	challenge := make([]byte, challengeLen)
	random := s.Rand
	if random == nil {
		random = rand.Reader
	}
	if _, err := io.ReadFull(random, challenge); err != nil {
		return Secured{}, fmt.Errorf("rfb: vnc: challenge: %w", err)
	}
	if err := write(c, challenge, "challenge"); err != nil {
		return Secured{}, err
	}
	response, err := readN(c, challengeLen, "challenge response")
	if err != nil {
		return Secured{}, err
	}
	done := Secured{Conn: c, Method: TypeVncAuth.String()}
	passwords, err := s.Passwords(ctx)
	if err != nil {
		return done, FailAuthentication(ctx, fmt.Errorf("rfb: vnc: passwords: %w", err))
	}
	if !anyPassword(passwords, challenge, response) {
		return done, FailAuthentication(ctx, errors.New("rfb: vnc: wrong password"))
	}
	return done, nil
}

// anyPassword takes the same time whichever password matches.
func anyPassword(passwords []string, challenge, response []byte) bool {
	match := 0
	for _, p := range passwords {
		if p != "" {
			match |= subtle.ConstantTimeCompare(vncResponse(p, challenge), response)
		}
	}
	return match == 1
}

// ClientVncAuth is the viewer's side of VNC Authentication.
type ClientVncAuth struct {
	// Password returns the password, asked anew for each connection.
	Password func(context.Context) (string, error)
}

// Type returns TypeVncAuth.
func (ClientVncAuth) Type() SecurityType { return TypeVncAuth }

// Handshake answers the display's challenge.
func (s ClientVncAuth) Handshake(ctx context.Context, c net.Conn) (Secured, error) {
	challenge, err := readN(c, challengeLen, "challenge")
	if err != nil {
		return Secured{}, err
	}
	password, err := s.Password(ctx)
	if err != nil {
		return Secured{}, fmt.Errorf("rfb: vnc: password: %w", err)
	}
	if err := write(c, vncResponse(password, challenge), "challenge response"); err != nil {
		return Secured{}, err
	}
	return Secured{Conn: c, Method: TypeVncAuth.String()}, nil
}

// vncResponse encrypts both halves of challenge under the password: its first
// 8 bytes, NUL padded, each with its bits reversed (rfbproto, "VNC
// Authentication").
func vncResponse(password string, challenge []byte) []byte {
	key := make([]byte, des.BlockSize)
	copy(key, password)
	for i := range key {
		key[i] = bits.Reverse8(key[i])
	}
	block, err := des.NewCipher(key)
	if err != nil {
		panic(err) // only a key of another length is refused
	}
	response := make([]byte, challengeLen)
	block.Encrypt(response, challenge)
	block.Encrypt(response[des.BlockSize:], challenge[des.BlockSize:])
	return response
}
