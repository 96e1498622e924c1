package rfb

import (
	"crypto/rand"
	"errors"
	"fmt"
	"math/big"
)

var one = big.NewInt(1)

// dhGroup is a group for Diffie-Hellman: a generator and a prime modulus.
type dhGroup struct{ g, p *big.Int }

// dhSecretLen is how many bytes a secret exponent has: twice the strength of
// any group that is in use, or the group's own length if that is less.
const dhSecretLen = 64

// rfc3526Group14 is the 2048-bit MODP group of RFC 3526, section 3. Its prime p
// is safe, that is (p-1)/2 is prime as well, so that the only public keys that
// give a shared secret away are 1 and p-1.
func rfc3526Group14() dhGroup {
	p, ok := new(big.Int).SetString(""+
		"FFFFFFFFFFFFFFFFC90FDAA22168C234C4C6628B80DC1CD129024E088A67CC74"+
		"020BBEA63B139B22514A08798E3404DDEF9519B3CD3A431B302B0A6DF25F1437"+
		"4FE1356D6D51C245E485B576625E7EC6F44C42E9A637ED6B0BFF5CB6F406B7ED"+
		"EE386BFB5A899FA5AE9F24117C4B1FE649286651ECE45B3DC2007CB8A163BF05"+
		"98DA48361C55D39A69163FA8FD24CF5F83655D23DCA3AD961C62F356208552BB"+
		"9ED529077096966D670C354E4ABC9804F1746C08CA18217C32905E462E36CE3B"+
		"E39E772C180E86039B2783A2EC07A28FB5C55DF06F4C52C9DE2BCBF695581718"+
		"3995497CEA956AE515D2261898FA051015728E5A8AACAA68FFFFFFFFFFFFFFFF", 16)
	if !ok {
		panic("rfb: the prime of RFC 3526 is no number")
	}
	return dhGroup{g: big.NewInt(2), p: p}
}

// len returns how many bytes a public key or shared secret has.
func (d dhGroup) len() int { return (d.p.BitLen() + 7) / 8 }

// generate returns a new secret exponent and its public key.
func (d dhGroup) generate() (secret *big.Int, public []byte, err error) {
	b := make([]byte, min(dhSecretLen, d.len()))
	if _, err := rand.Read(b); err != nil {
		return nil, nil, fmt.Errorf("rfb: dh: secret: %w", err)
	}
	secret = new(big.Int).SetBytes(b)
	return secret, d.power(d.g, secret), nil
}

var errDegenerate = errors.New("rfb: dh: peer's public key is degenerate")

// shared returns the secret that secret and the peer's public key make. Keys
// that leave no secret, 0, 1 and p-1 and what is no member of the group, are
// refused.
func (d dhGroup) shared(secret *big.Int, peer []byte) ([]byte, error) {
	y := new(big.Int).SetBytes(peer)
	if y.Cmp(one) <= 0 || y.Cmp(new(big.Int).Sub(d.p, one)) >= 0 {
		return nil, errDegenerate
	}
	return d.power(y, secret), nil
}

// power returns base to the exponent in as many bytes as the modulus has.
func (d dhGroup) power(base, exponent *big.Int) []byte {
	return new(big.Int).Exp(base, exponent, d.p).FillBytes(make([]byte, d.len()))
}
