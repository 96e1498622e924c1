package rfb

import (
	"bytes"
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/md5"
	"crypto/rand"
	"errors"
	"fmt"
	"math/big"
	"net"
)

// Apple Remote Desktop's Diffie-Hellman, type 30 (TigerVNC
// common/rfb/CSecurityDH.cxx; noVNC core/rfb.js):
//
//	S→C  U16 generator, U16 n, U8[n] prime, U8[n] public key
//	C→S  user[64] and password[64], each with a NUL behind it and random bytes
//	     behind that, in AES-128-ECB under the MD5 of the shared secret;
//	     U8[n] public key
const (
	minARDKey    = 128  // bytes of a prime; Apple sends as many
	maxARDKey    = 1024 // bytes; TigerVNC takes no more
	ardFieldLen  = 64   // user and password, each with its NUL
	ardSecretLen = 2 * ardFieldLen
)

// ServerARD is the display's side of Apple's Diffie-Hellman, in the 2048-bit
// group of RFC 3526. It hides the password from who listens, not from who
// stands in between, and the session from nobody: use it inside TLS or wss.
type ServerARD struct {
	// Verify returns nil when the user's password is right. Whatever else it
	// returns, the viewer learns only that authentication failed.
	Verify func(ctx context.Context, user, password string) error
}

// Type returns TypeARD.
func (ServerARD) Type() SecurityType { return TypeARD }

// Handshake agrees on a key, reads the credentials and has them verified.
func (s ServerARD) Handshake(ctx context.Context, c net.Conn) (Secured, error) {
	group := rfc3526Group14()
	secret, public, err := group.generate()
	if err != nil {
		return Secured{}, err
	}
	hello := be.AppendUint16(nil, uint16(group.g.Uint64()))
	hello = be.AppendUint16(hello, uint16(group.len()))
	hello = append(append(hello, group.p.Bytes()...), public...)
	if err := write(c, hello, "ARD key"); err != nil {
		return Secured{}, err
	}
	b, err := readN(c, ardSecretLen+group.len(), "ARD credentials")
	if err != nil {
		return Secured{}, err
	}
	shared, err := group.shared(secret, b[ardSecretLen:])
	if err != nil {
		return Secured{}, err
	}
	done := Secured{Conn: c, Method: TypeARD.String()}
	user, password, err := openARD(shared, b[:ardSecretLen])
	if err == nil {
		err = s.Verify(ctx, user, password)
	}
	if err != nil {
		return done, FailAuthentication(ctx, fmt.Errorf("rfb: ard: %w", err))
	}
	done.User = user
	return done, nil
}

// ardCipher returns the cipher that a shared secret makes.
func ardCipher(shared []byte) cipher.Block {
	key := md5.Sum(shared)
	block, err := aes.NewCipher(key[:])
	if err != nil {
		panic(err) // only a key of another length is refused
	}
	return block
}

// openARD decrypts credentials. What was encrypted under another key has
// random bytes for names, or no NUL at all.
func openARD(shared, sealed []byte) (user, password string, err error) {
	block := ardCipher(shared)
	plain := make([]byte, len(sealed))
	for at := 0; at < len(sealed); at += aes.BlockSize {
		block.Decrypt(plain[at:], sealed[at:])
	}
	u, _, ended1 := bytes.Cut(plain[:ardFieldLen], []byte{0})
	p, _, ended2 := bytes.Cut(plain[ardFieldLen:], []byte{0})
	if !ended1 || !ended2 {
		return "", "", errors.New("credentials without their NUL")
	}
	return string(u), string(p), nil
}

// ClientARD is the viewer's side of Apple's Diffie-Hellman. The display proves
// nothing, so that whoever stands in between learns the password.
type ClientARD struct {
	// Credentials returns whom to log in as, each of at most 63 bytes, asked
	// anew for each connection.
	Credentials func(context.Context) (user, password string, err error)
}

// Type returns TypeARD.
func (ClientARD) Type() SecurityType { return TypeARD }

// Handshake agrees on a key and sends the credentials.
func (s ClientARD) Handshake(ctx context.Context, c net.Conn) (Secured, error) {
	group, peer, err := readARDGroup(c)
	if err != nil {
		return Secured{}, err
	}
	secret, public, err := group.generate()
	if err != nil {
		return Secured{}, err
	}
	shared, err := group.shared(secret, peer)
	if err != nil {
		return Secured{}, err
	}
	user, password, err := s.Credentials(ctx)
	if err != nil {
		return Secured{}, fmt.Errorf("rfb: ard: credentials: %w", err)
	}
	sealed, err := sealARD(shared, user, password)
	if err != nil {
		return Secured{}, err
	}
	if err := write(c, append(sealed, public...), "ARD credentials"); err != nil {
		return Secured{}, err
	}
	return Secured{Conn: c, Method: TypeARD.String()}, nil
}

// readARDGroup reads a display's group and public key.
func readARDGroup(c net.Conn) (group dhGroup, peer []byte, err error) {
	head, err := readN(c, 4, "ARD key length")
	if err != nil {
		return dhGroup{}, nil, err
	}
	n := int(be.Uint16(head[2:]))
	if n < minARDKey || n > maxARDKey {
		return dhGroup{}, nil, fmt.Errorf("rfb: ard: key of %d bytes, not %d to %d", n, minARDKey, maxARDKey)
	}
	b, err := readN(c, 2*n, "ARD key")
	if err != nil {
		return dhGroup{}, nil, err
	}
	group = dhGroup{g: big.NewInt(int64(be.Uint16(head))), p: new(big.Int).SetBytes(b[:n])}
	if group.len() != n || group.p.Bit(0) == 0 || group.g.Cmp(one) <= 0 {
		return dhGroup{}, nil, errors.New("rfb: ard: display's group is none")
	}
	return group, b[n:], nil
}

// sealARD encrypts credentials.
func sealARD(shared []byte, user, password string) ([]byte, error) {
	sealed := make([]byte, ardSecretLen)
	if _, err := rand.Read(sealed); err != nil {
		return nil, fmt.Errorf("rfb: ard: padding: %w", err)
	}
	if err := putField(sealed[:ardFieldLen], user); err != nil {
		return nil, fmt.Errorf("rfb: ard: user %w", err)
	}
	if err := putField(sealed[ardFieldLen:], password); err != nil {
		return nil, fmt.Errorf("rfb: ard: password %w", err)
	}
	block := ardCipher(shared)
	for at := 0; at < len(sealed); at += aes.BlockSize {
		block.Encrypt(sealed[at:], sealed[at:])
	}
	return sealed, nil
}

// putField puts s and a NUL in front of what is in field.
func putField(field []byte, s string) error {
	switch {
	case len(s) >= len(field):
		return fmt.Errorf("of more than %d bytes", len(field)-1)
	case bytes.IndexByte([]byte(s), 0) >= 0:
		return errors.New("with a NUL inside")
	}
	field[copy(field, s)] = 0
	return nil
}
