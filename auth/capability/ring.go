package capability

import (
	"crypto/ed25519"
	"fmt"
	"slices"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// headerType is the typ of our tokens, so that nothing else that the keys may
// come to sign is ever taken for one (RFC 8725, 3.11).
const headerType = "vncgate-token+jwt"

const defaultRotation = 90 * 24 * time.Hour

// RingConfig says how keys are kept.
type RingConfig struct {
	// RotateAfter is the age at which a key signs no more and another is made;
	// 0 is 90 days, below 0 never.
	RotateAfter time.Duration
	// Report is told, once for each, of a changed file that could not be used;
	// the keys stay as they were. Nil tells nobody.
	Report func(error)
	// Now is the clock; nil is time.Now.
	Now func() time.Time
}

// Ring is Ed25519 keys, in a file or in Redis, of which the newest signs tokens
// and all verify them: each until the last token that it signed has ended. Any
// number of processes may use the same ones, and see what the others changed. It
// is safe for concurrent use.
type Ring struct {
	cfg  RingConfig
	kept ringKeeper
}

// ringKeeper is where a ring's keys are: a file, or Redis.
type ringKeeper interface {
	// keys are those that are known here, the oldest first.
	keys() []ringKey
	// edit changes them; nobody else changes them meanwhile.
	edit(change func(*ringKeys) error) error
	// again reads them anew for a key that is not known here. An error says that
	// nobody can be asked for it.
	again() error
	// fault says why keys that there are cannot be used here.
	fault() error
}

// Fault says why tokens that are good elsewhere cannot be verified here: the keys
// in Redis are sealed with another secret, say. It matches ErrUnavailable, and is
// nil while Redis merely does not answer.
func (r *Ring) Fault() error { return r.kept.fault() }

func (cfg RingConfig) complete() RingConfig {
	if cfg.RotateAfter == 0 {
		cfg.RotateAfter = defaultRotation
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	return cfg
}

// OpenRing opens the file at path, which it makes with a first key if there is
// none: of mode 0600, in a directory of mode 0700.
func OpenRing(path string, cfg RingConfig) (*Ring, error) {
	kept, err := openRingFile(path, cfg.complete())
	if err != nil {
		return nil, err
	}
	return &Ring{cfg: kept.cfg, kept: kept}, nil
}

// Key is one of a ring's, without its secret.
type Key struct {
	ID    string
	Made  time.Time
	Until time.Time // when the last token ends that it signed; zero: it signed none
	Signs bool      // it is the one that signs
}

// Keys lists the keys, the oldest first.
func (r *Ring) Keys() []Key {
	var list []Key
	keys := r.keys()
	for i, k := range keys {
		list = append(list, Key{k.id, k.made, k.until, i == len(keys)-1})
	}
	return list
}

// Rotate makes a new key, which signs from now on. Tokens that others have
// signed stay good.
func (r *Ring) Rotate() error {
	return r.edit(func(keys *ringKeys) error { return keys.add(r.cfg.Now()) })
}

// Discard forgets all keys for a new one: no token that was signed before is
// good any more. It is for keys that somebody may have seen.
func (r *Ring) Discard() error {
	return r.edit(func(keys *ringKeys) error {
		keys.list = nil
		return keys.add(r.cfg.Now())
	})
}

func (r *Ring) keys() []ringKey { return r.kept.keys() }

func (r *Ring) edit(change func(*ringKeys) error) error { return r.kept.edit(change) }

// sign makes a token of claims that end, renewals not included, at expires.
func (r *Ring) sign(payload []byte, expires time.Time) (token string, err error) {
	err = r.edit(func(keys *ringKeys) error {
		key, err := keys.signer(r.cfg.Now(), r.cfg.RotateAfter, expires)
		if err != nil {
			return err
		}
		token, err = key.sign(payload)
		return err
	})
	if err != nil {
		return "", err
	}
	if len(token) > maxToken {
		return "", fmt.Errorf("capability: the token would have %d bytes, more than the %d that URLs carry: name fewer targets, or a pattern", len(token), maxToken)
	}
	return token, nil
}

func (k *ringKey) sign(payload []byte) (string, error) {
	options := (&jose.SignerOptions{}).WithType(headerType)
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.EdDSA, Key: jose.JSONWebKey{Key: k.key, KeyID: k.id}}, options)
	if err != nil {
		return "", fmt.Errorf("capability: sign: %w", err)
	}
	signed, err := signer.Sign(payload)
	if err != nil {
		return "", fmt.Errorf("capability: sign: %w", err)
	}
	return signed.CompactSerialize()
}

// Verify returns what a token says whose signature is good and whose time it
// is. Whether it was revoked or used up is not in a token. Errors match
// tickets.ErrUnknown.
func (r *Ring) Verify(token string) (Token, error) {
	t, err := r.signed(token)
	if err == nil && !r.cfg.Now().Before(t.Expires) {
		err = ErrExpired
	}
	if err != nil {
		return Token{}, err
	}
	return t, nil
}

// signed is Verify for those who know better than the text when the token ends.
func (r *Ring) signed(token string) (Token, error) {
	payload, until, err := r.payload(token)
	if err != nil {
		return Token{}, err
	}
	var c claims
	if decode(payload, &c) != nil {
		return Token{}, refused("its claims are malformed")
	}
	t, err := c.token()
	switch {
	case err != nil:
		return Token{}, refused("its claims are not such as are issued")
	case !until.IsZero() && t.Expires.After(until):
		return Token{}, refused("its key signs no more")
	case r.cfg.Now().Before(t.NotBefore):
		return Token{}, refused("it is not good yet")
	}
	return t, nil
}

// payload checks the signature and returns what it covers; until is when the
// last token of the key ends, zero for the key that signs.
func (r *Ring) payload(token string) (payload []byte, until time.Time, err error) {
	if len(token) > maxToken {
		return nil, until, refused("it is too long")
	}
	signed, err := jose.ParseSignedCompact(token, []jose.SignatureAlgorithm{jose.EdDSA}) // RFC 8725, 3.1
	if err != nil || len(signed.Signatures) != 1 {
		return nil, until, refused("it is malformed")
	}
	header := signed.Signatures[0].Protected
	if header.ExtraHeaders[jose.HeaderType] != headerType || len(header.ExtraHeaders) != 1 || header.JSONWebKey != nil {
		return nil, until, refused("it is a token of another kind")
	}
	keys := r.keys()
	if !hasKey(keys, header.KeyID) {
		if err := r.kept.again(); err != nil {
			return nil, until, err
		}
		keys = r.keys()
	}
	for i := range keys {
		if keys[i].id != header.KeyID {
			continue
		}
		payload, err := signed.Verify(keys[i].key.Public().(ed25519.PublicKey))
		if err != nil {
			return nil, until, refused("its signature is wrong")
		}
		if i < len(keys)-1 {
			until = keys[i].until
			if until.IsZero() {
				return nil, until, refused("its key never signed one")
			}
		}
		return payload, until, nil
	}
	return nil, until, refused("its key is not known (any more)")
}

func hasKey(keys []ringKey, id string) bool {
	return slices.ContainsFunc(keys, func(k ringKey) bool { return k.id == id })
}
