package capability

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"time"

	"vncgate/auth"
)

// Bounds of a key file.
const (
	maxRingFile = 64 << 10 // bytes
	maxRing     = 64       // keys
)

// ringKey is a key of a ring.
type ringKey struct {
	id          string
	key         ed25519.PrivateKey
	made, until time.Time
}

// ringKeys are the keys while they are edited, the oldest first.
type ringKeys struct {
	list    []ringKey
	changed bool
}

// The file's JSON. Seeds are base64url (RFC 8032, 5.1.5: 32 bytes).
type (
	ringJSON struct {
		Keys []ringKeyJSON `json:"keys"`
	}
	ringKeyJSON struct {
		ID    string `json:"kid"`
		Seed  string `json:"seed"`
		Made  int64  `json:"made"`
		Until int64  `json:"until,omitempty"`
	}
)

// parseRing reads a key file. Its errors hold nothing of it.
func parseRing(text []byte) ([]ringKey, error) {
	keys, err := parseKeys(text)
	if err != nil {
		return nil, fmt.Errorf("%w: restore the file, or remove it for a new key, which ends all tokens", err)
	}
	return keys, nil
}

func parseKeys(text []byte) ([]ringKey, error) {
	var file ringJSON
	if err := decode(text, &file); err != nil {
		return nil, err
	}
	if len(file.Keys) == 0 || len(file.Keys) > maxRing {
		return nil, fmt.Errorf("there must be 1 to %d keys", maxRing)
	}
	var keys []ringKey
	for i, k := range file.Keys {
		seed, err := base64.RawURLEncoding.Strict().DecodeString(k.Seed)
		double := slices.ContainsFunc(keys, func(other ringKey) bool { return other.id == k.ID })
		times := 0 < k.Made && k.Made <= maxTime && 0 <= k.Until && k.Until <= maxTime
		if err != nil || len(seed) != ed25519.SeedSize || !validID(k.ID) || double || !times {
			return nil, fmt.Errorf("key %d is malformed", i+1)
		}
		keys = append(keys, ringKey{k.ID, ed25519.NewKeyFromSeed(seed), moment(k.Made), moment(k.Until)})
	}
	return keys, nil
}

func formatRing(keys []ringKey) []byte {
	var file ringJSON
	for _, k := range keys {
		file.Keys = append(file.Keys, ringKeyJSON{k.id, base64.RawURLEncoding.EncodeToString(k.key.Seed()), seconds(k.made), seconds(k.until)})
	}
	text, err := json.MarshalIndent(file, "", "\t")
	if err != nil {
		panic(err) // strings and numbers always marshal
	}
	return append(text, '\n')
}

// ringFile keeps a ring in a file.
type ringFile struct {
	path string
	cfg  RingConfig
	file *auth.Watched[[]ringKey]
}

// openRingFile makes the file if there is none.
func openRingFile(path string, cfg RingConfig) (*ringFile, error) {
	r := &ringFile{path: path, cfg: cfg}
	if !exists(path) {
		if err := makeDir(filepath.Dir(path)); err != nil {
			return nil, fmt.Errorf("capability: keys: %w", err)
		}
		if err := r.edit(func(keys *ringKeys) error { return keys.atLeastOne(cfg.Now()) }); err != nil {
			return nil, err
		}
	}
	var err error
	if r.file, err = auth.Watch("token keys", path, maxRingFile, parseRing); err != nil {
		return nil, fmt.Errorf("capability: %w", err)
	}
	return r, nil
}

func (r *ringFile) keys() []ringKey {
	keys, err := r.file.Current()
	if err != nil && r.cfg.Report != nil {
		r.cfg.Report(fmt.Errorf("capability: %w", err))
	}
	return keys
}

// again has nothing to read: what is in the file is known.
func (r *ringFile) again() error { return nil }

// fault is nil: what could be read last goes on to hold.
func (r *ringFile) fault() error { return nil }

// edit changes the file under its lock. Nothing that change computes counts
// before the file is written.
func (r *ringFile) edit(change func(*ringKeys) error) error {
	fail := func(err error) error { return fmt.Errorf("capability: keys %s: %w", r.path, err) }
	unlock, err := lock(r.path + ".lock")
	if err != nil {
		return fail(err)
	}
	defer unlock()
	var keys ringKeys
	text, err := readFile(r.path, maxRingFile)
	if err == nil {
		keys.list, err = parseRing(text)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fail(err)
	}
	if err := change(&keys); err != nil {
		return fail(err)
	}
	if !keys.changed {
		return nil
	}
	if err := writeFile(r.path, formatRing(keys.list)); err != nil {
		return fail(err)
	}
	return nil
}

func (k *ringKeys) atLeastOne(now time.Time) error {
	if len(k.list) > 0 {
		return nil // another process was quicker
	}
	return k.add(now)
}

// add makes the key that signs from now on, and drops those whose tokens have
// all ended.
func (k *ringKeys) add(now time.Time) error {
	k.list = slices.DeleteFunc(k.list, func(key ringKey) bool { return !now.Before(key.until) })
	if len(k.list) >= maxRing {
		return fmt.Errorf("%d keys are in use: wait until the tokens of the oldest have ended", maxRing)
	}
	_, key, err := ed25519.GenerateKey(nil)
	if err != nil {
		return err
	}
	k.list = append(k.list, ringKey{id: rand.Text()[:10], key: key, made: now})
	k.changed = true
	return nil
}

// signer is the key for a token that ends at expires. The end is noted by the
// day, so that not each token changes the file.
func (k *ringKeys) signer(now time.Time, rotateAfter time.Duration, expires time.Time) (*ringKey, error) {
	old := len(k.list) == 0 || rotateAfter > 0 && now.Sub(k.list[len(k.list)-1].made) >= rotateAfter
	if old {
		if err := k.add(now); err != nil {
			return nil, err
		}
	}
	key := &k.list[len(k.list)-1]
	if expires.After(key.until) {
		key.until = expires.Add(24 * time.Hour).Truncate(time.Second)
		k.changed = true
	}
	return key, nil
}
