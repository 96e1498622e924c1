package rfb

import (
	"context"
	"crypto/cipher"
	"crypto/des"
	"crypto/rand"
	"errors"
	"fmt"
	"math/big"
	"math/bits"
	"net"
)

// UltraVNC's MSLogonII, type 113 (TigerVNC common/rfb/CSecurityMSLogonII.cxx;
// noVNC core/rfb.js):
//
//	S→C  U64 generator, U64 modulus, U64 public key
//	C→S  U64 public key, user[256], password[64], each with a NUL behind it
//	     and in DES-CBC: the shared secret is the initial vector, and with the
//	     bits of each byte reversed the key
const (
	msLogonKeyLen      = 8
	msLogonUserLen     = 256
	msLogonPasswordLen = 64
)

// ClientMSLogonII is the viewer's side of MSLogonII, which logs in to Windows.
// Its Diffie-Hellman has 64 bits, which anyone can break: the password is as
// good as sent in clear. It belongs where the way to the display is private.
type ClientMSLogonII struct {
	// Credentials returns whom to log in as, a user of at most 255 bytes and
	// a password of at most 63, asked anew for each connection.
	Credentials func(context.Context) (user, password string, err error)
}

// Type returns TypeMSLogonII.
func (ClientMSLogonII) Type() SecurityType { return TypeMSLogonII }

// Handshake agrees on a key and sends the credentials.
func (s ClientMSLogonII) Handshake(ctx context.Context, c net.Conn) (Secured, error) {
	b, err := readN(c, 3*msLogonKeyLen, "MSLogonII key")
	if err != nil {
		return Secured{}, err
	}
	shared, public, err := agreeMSLogon(b)
	if err != nil {
		return Secured{}, err
	}
	user, password, err := s.Credentials(ctx)
	if err != nil {
		return Secured{}, fmt.Errorf("rfb: mslogon2: credentials: %w", err)
	}
	sealed, err := sealMSLogon(shared, user, password)
	if err != nil {
		return Secured{}, err
	}
	if err := write(c, append(public, sealed...), "MSLogonII credentials"); err != nil {
		return Secured{}, err
	}
	return Secured{Conn: c, Method: TypeMSLogonII.String()}, nil
}

// agreeMSLogon makes the shared secret out of what a display said, and our
// public key. UltraVNC's numbers are 31 bits long and go in 8 bytes each.
func agreeMSLogon(hello []byte) (shared, public []byte, err error) {
	number := func(i int) *big.Int { return new(big.Int).SetBytes(hello[i*msLogonKeyLen:][:msLogonKeyLen]) }
	g, p, peer := number(0), number(1), number(2)
	if p.Cmp(one) <= 0 {
		return nil, nil, errors.New("rfb: mslogon2: display's group is none")
	}
	secret := make([]byte, msLogonKeyLen)
	if _, err := rand.Read(secret); err != nil {
		return nil, nil, fmt.Errorf("rfb: mslogon2: secret: %w", err)
	}
	power := func(base *big.Int) []byte {
		return new(big.Int).Exp(base, new(big.Int).SetBytes(secret), p).FillBytes(make([]byte, msLogonKeyLen))
	}
	return power(peer), power(g), nil
}

// sealMSLogon encrypts credentials. The chain begins anew for the password.
func sealMSLogon(shared []byte, user, password string) ([]byte, error) {
	sealed := make([]byte, msLogonUserLen+msLogonPasswordLen)
	if _, err := rand.Read(sealed); err != nil {
		return nil, fmt.Errorf("rfb: mslogon2: padding: %w", err)
	}
	u, p := sealed[:msLogonUserLen], sealed[msLogonUserLen:]
	if err := putField(u, user); err != nil {
		return nil, fmt.Errorf("rfb: mslogon2: user %w", err)
	}
	if err := putField(p, password); err != nil {
		return nil, fmt.Errorf("rfb: mslogon2: password %w", err)
	}
	key := make([]byte, msLogonKeyLen)
	for i := range key {
		key[i] = bits.Reverse8(shared[i])
	}
	block, err := des.NewCipher(key)
	if err != nil {
		return nil, fmt.Errorf("rfb: mslogon2: %w", err)
	}
	cipher.NewCBCEncrypter(block, shared).CryptBlocks(u, u)
	cipher.NewCBCEncrypter(block, shared).CryptBlocks(p, p)
	return sealed, nil
}
