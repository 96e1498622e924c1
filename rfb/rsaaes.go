package rfb

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/sha256"
	"fmt"
	"hash"
	"net"
)

// RSA-AES (rfbproto, "RSA-AES"; TigerVNC common/rfb/{S,C}SecurityRSAAES.cxx):
//
//	S→C  public key        C→S  public key
//	S→C  U16 n, half of the session keys, encrypted to the viewer's key
//	C→S  U16 n, the other half, encrypted to the display's
//	...  records from here on
//	S→C  H(its key, ours)  C→S  H(its key, theirs)
//	S→C  U8 subtype: user and password, or password alone
//	C→S  U8 n, user, U8 n, password
//
// Types 5 and 129 stay in records for good, from the SecurityResult on; 6 and
// 130, the "ne" ones, leave them before it.
const (
	rsaUserAndPassword = 1
	rsaPasswordOnly    = 2
	maxRSACredential   = 255 // bytes of user and of password
	clientRSABits      = 2048
)

// rsaAES is what tells the four types apart.
type rsaAES struct {
	half  int              // bytes of session key that each side gives; rfbproto has 16 for all, TigerVNC 32 for AES-256
	hash  func() hash.Hash // makes session keys, of which as many bytes as half are used
	whole bool             // the session stays in records
}

func rsaAESOf(t SecurityType) (rsaAES, error) {
	switch t {
	case TypeRA2, TypeRA2ne:
		return rsaAES{half: 16, hash: sha1.New, whole: t == TypeRA2}, nil
	case TypeRA256, TypeRAne256:
		return rsaAES{half: 32, hash: sha256.New, whole: t == TypeRA256}, nil
	}
	return rsaAES{}, fmt.Errorf("rfb: %s is no type of RSA-AES", t)
}

// rsaAESType returns t if it is a type of RSA-AES, or TypeInvalid.
func rsaAESType(t SecurityType) SecurityType {
	if _, err := rsaAESOf(t); err != nil {
		return TypeInvalid
	}
	return t
}

func (r rsaAES) sum(parts ...[]byte) []byte {
	h := r.hash()
	for _, p := range parts {
		h.Write(p)
	}
	return h.Sum(nil)
}

// ServerRSAAES is the display's side of RSA-AES. Viewers recognize us by our
// key, if they look; the ne types protect the password and not the session.
type ServerRSAAES struct {
	// As is TypeRA2, TypeRA2ne, TypeRA256 or TypeRAne256.
	As SecurityType
	// Key returns our key, of MinRSABits to MaxRSABits. Viewers pin it, so it
	// should be the same for as long as the display is.
	Key func() (*rsa.PrivateKey, error)
	// PasswordOnly asks viewers for no user; user is then "" in Verify.
	PasswordOnly bool
	// Verify returns nil when the user's password is right. Whatever else it
	// returns, the viewer learns only that authentication failed.
	Verify func(ctx context.Context, user, password string) error
}

// Type returns As, or TypeInvalid where that is no type of RSA-AES.
func (s ServerRSAAES) Type() SecurityType { return rsaAESType(s.As) }

// Handshake agrees on keys, reads the credentials and has them verified.
func (s ServerRSAAES) Handshake(ctx context.Context, c net.Conn) (Secured, error) {
	x, err := newRSAExchange(s.As, s.Key)
	if err != nil {
		return Secured{}, err
	}
	if err := write(c, x.ours, "RSA key"); err != nil {
		return Secured{}, err
	}
	if x.peer, x.theirs, err = readRSAKey(c); err != nil {
		return Secured{}, err
	}
	records, err := x.secure(c)
	if err != nil {
		return Secured{}, err
	}
	user, password, err := s.ask(records)
	if err != nil {
		return Secured{}, err
	}
	done, err := x.leave(c, records)
	if err != nil {
		return Secured{}, err
	}
	if err := s.Verify(ctx, user, password); err != nil {
		return done, FailAuthentication(ctx, fmt.Errorf("rfb: %s: %w", s.As, err))
	}
	done.User = user
	return done, nil
}

// ask requests the credentials and reads them.
func (s ServerRSAAES) ask(records *recordConn) (user, password string, err error) {
	subtype := byte(rsaUserAndPassword)
	if s.PasswordOnly {
		subtype = rsaPasswordOnly
	}
	if err := write(records, []byte{subtype}, "RSA-AES subtype"); err != nil {
		return "", "", err
	}
	if user, err = readShort(records, "RSA-AES user"); err != nil {
		return "", "", err
	}
	if password, err = readShort(records, "RSA-AES password"); err != nil {
		return "", "", err
	}
	if s.PasswordOnly {
		user = "" // said without being asked, so nobody's
	}
	return user, password, nil
}

// readShort reads a U8 length and as many bytes.
func readShort(c net.Conn, what string) (string, error) {
	n, err := readU8(c, what)
	if err != nil {
		return "", err
	}
	b, err := readN(c, int(n), what)
	return string(b), err
}

// ClientRSAAES is the viewer's side of RSA-AES.
type ClientRSAAES struct {
	// As is TypeRA2, TypeRA2ne, TypeRA256 or TypeRAne256.
	As SecurityType
	// VerifyKey returns nil if the key is the display's, by its
	// RSAFingerprint or otherwise; the display is told nothing before. It is
	// all that stands against an impostor, so there is no default.
	VerifyKey func(*rsa.PublicKey) error
	// Credentials returns whom to log in as, asked anew for each connection.
	// A display may ask for the password alone.
	Credentials func(context.Context) (user, password string, err error)
	// Key returns our own key, which proves nothing; nil makes one of 2048
	// bits for each connection, which takes some hundred milliseconds.
	Key func() (*rsa.PrivateKey, error)
}

// Type returns As, or TypeInvalid where that is no type of RSA-AES.
func (s ClientRSAAES) Type() SecurityType { return rsaAESType(s.As) }

// Handshake agrees on keys and sends the credentials.
func (s ClientRSAAES) Handshake(ctx context.Context, c net.Conn) (Secured, error) {
	key := s.Key
	if key == nil {
		key = func() (*rsa.PrivateKey, error) { return rsa.GenerateKey(rand.Reader, clientRSABits) }
	}
	peer, theirs, err := readRSAKey(c)
	if err != nil {
		return Secured{}, err
	}
	if s.VerifyKey == nil {
		return Secured{}, fmt.Errorf("rfb: %s: nothing to verify the display's key with", s.As)
	}
	if err := s.VerifyKey(peer); err != nil {
		return Secured{}, fmt.Errorf("rfb: %s: display's key: %w", s.As, err)
	}
	x, err := newRSAExchange(s.As, key)
	if err != nil {
		return Secured{}, err
	}
	x.peer, x.theirs = peer, theirs
	if err := write(c, x.ours, "RSA key"); err != nil {
		return Secured{}, err
	}
	records, err := x.secure(c)
	if err != nil {
		return Secured{}, err
	}
	if err := s.tell(ctx, records); err != nil {
		return Secured{}, err
	}
	return x.leave(c, records)
}

// tell sends the credentials that the display asks for.
func (s ClientRSAAES) tell(ctx context.Context, records *recordConn) error {
	subtype, err := readU8(records, "RSA-AES subtype")
	if err != nil {
		return err
	}
	if subtype != rsaUserAndPassword && subtype != rsaPasswordOnly {
		return fmt.Errorf("rfb: %s: display wants credentials of unknown kind %d", s.As, subtype)
	}
	user, password, err := s.Credentials(ctx)
	if err != nil {
		return fmt.Errorf("rfb: %s: credentials: %w", s.As, err)
	}
	if subtype == rsaPasswordOnly {
		user = ""
	}
	if len(user) > maxRSACredential || len(password) > maxRSACredential {
		return fmt.Errorf("rfb: %s: credentials of more than %d bytes", s.As, maxRSACredential)
	}
	b := append([]byte{byte(len(user))}, user...)
	b = append(append(b, byte(len(password))), password...)
	return write(records, b, "RSA-AES credentials")
}
