package cluster

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
)

const (
	// maxStored bounds the bytes of a text, maxTexts how many are listed.
	maxStored = 4 << 20
	maxTexts  = 100_000
	// look is how often the version of a text is asked for that is watched.
	look = time.Second / 2
	// keepVersion is how long the version of a text is kept that was deleted: a
	// text that is watched, and is missing without one, counts as lost.
	keepVersion = time.Hour
)

var (
	errText = errors.New("cluster: store: a text is longer than 4 MiB")
	errKept = errors.New("cluster: store: what is in redis is too long")
)

// Store keeps texts by their names for all gateways: it is what tunnel.Registry
// is opened over, so that a token enrols one agent wherever it is shown, and a
// revocation is known everywhere. What was written is as safe as Redis keeps
// it (appendfsync). Were Redis to come back empty or older, tokens that it no
// longer knows are good for nothing, and a text that somebody watches, as
// revocations are watched by each gateway, is written back.
//
// It needs no Cluster, and is safe for concurrent use.
type Store struct {
	client  redis.UniversalClient
	keys    keys
	timeout time.Duration
}

// NewStore is a store over client, with keys that begin with prefix in braces;
// "" is that of Config. The client stays the caller's.
func NewStore(client redis.UniversalClient, prefix string) *Store {
	return &Store{client: client, keys: keysUnder(prefix), timeout: defaultTimeout}
}

// readTextScript: KEYS texts versions; ARGV name longest.
var readTextScript = redis.NewScript(`
local version = redis.call('HGET', KEYS[2], ARGV[1]) or '0'
local n = redis.call('HSTRLEN', KEYS[1], ARGV[1])
if n > tonumber(ARGV[2]) then return {version, 'long'} end
local text = redis.call('HGET', KEYS[1], ARGV[1])
if not text then return {version, 'none'} end
return {version, 'text', text}
`)

// changeTextScript writes a text if it is still the one of that version, and has
// not come or gone since. No version is given twice, whatever the name, so that a
// text which was deleted and made anew is another even when the version of the
// first is forgotten.
//
// KEYS texts versions last gone; ARGV name version was-there keep text remember
var changeTextScript = redis.NewScript(`
local version = redis.call('HGET', KEYS[2], ARGV[1]) or '0'
if version ~= ARGV[2] then return 0 end
if tostring(redis.call('HEXISTS', KEYS[1], ARGV[1])) ~= ARGV[3] then return 0 end
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
local last = math.max(tonumber(redis.call('GET', KEYS[3]) or '0') or 0, tonumber(version) or 0)
local new = string.format('%.0f', last + 1)
redis.call('SET', KEYS[3], new)
redis.call('HSET', KEYS[2], ARGV[1], new)
if ARGV[4] == '1' then
  redis.call('HSET', KEYS[1], ARGV[1], ARGV[5])
  redis.call('ZREM', KEYS[4], ARGV[1])
else
  redis.call('HDEL', KEYS[1], ARGV[1])
  redis.call('ZADD', KEYS[4], string.format('%.0f', now), ARGV[1])
end
local long = string.format('%.0f', now - ARGV[6])
for _, name in ipairs(redis.call('ZRANGEBYSCORE', KEYS[4], '-inf', long, 'LIMIT', 0, 100)) do
  if redis.call('HEXISTS', KEYS[1], name) == 0 then redis.call('HDEL', KEYS[2], name) end
  redis.call('ZREM', KEYS[4], name)
end
return 1
`)

// restoreTextScript writes back what Redis has lost.
//
// KEYS texts versions last gone; ARGV name version text
var restoreTextScript = redis.NewScript(`
local version = tonumber(redis.call('HGET', KEYS[2], ARGV[1]) or '0')
if not version or version >= tonumber(ARGV[2]) then return 0 end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[3])
redis.call('HSET', KEYS[2], ARGV[1], ARGV[2])
redis.call('ZREM', KEYS[4], ARGV[1])
local last = tonumber(redis.call('GET', KEYS[3]) or '0') or 0
if last < tonumber(ARGV[2]) then redis.call('SET', KEYS[3], ARGV[2]) end
return 1
`)

func (s *Store) run(ctx context.Context, script *redis.Script, args ...any) (reply, error) {
	return ask(ctx, s.client, s.timeout, script, []string{s.keys.texts(), s.keys.versions(), s.keys.last(), s.keys.gone()}, args...)
}

// Read returns a text, or nil where there is none.
func (s *Store) Read(ctx context.Context, name string) ([]byte, error) {
	text, _, err := s.read(ctx, name)
	return text, err
}

func (s *Store) read(ctx context.Context, name string) (text []byte, version string, err error) {
	got, err := s.run(ctx, readTextScript, name, maxStored)
	switch {
	case err != nil:
		return nil, "", fmt.Errorf("cluster: store: %w", err)
	case got.text(1) == "long":
		return nil, "", errKept
	case got.text(1) != "text":
		return nil, got.text(0), nil
	}
	return []byte(got.text(2)), got.text(0), nil
}

// List returns all texts whose names begin with prefix, by their names.
func (s *Store) List(ctx context.Context, prefix string) (map[string][]byte, error) {
	texts, long := map[string][]byte{}, []string(nil)
	read := func(ctx context.Context, script *redis.Script, args ...any) (reply, error) {
		return ask(ctx, s.client, s.timeout, script, []string{s.keys.texts()}, args...)
	}
	err := eachField(ctx, read, maxMessage, maxTexts, func(name, text string) {
		switch {
		case !strings.HasPrefix(name, prefix):
		case text == "":
			long = append(long, name)
		default:
			texts[name] = []byte(text)
		}
	})
	if err != nil {
		return nil, fmt.Errorf("cluster: store: %w", err)
	}
	for _, name := range long {
		text, err := s.Read(ctx, name)
		if err != nil {
			return nil, err
		}
		if text != nil {
			texts[name] = text
		}
	}
	return texts, nil
}

// Change replaces a text by what change makes of it, so that nobody else's
// change comes in between: change is called again until that is so. There is no
// text where old is nil, and none afterwards where change returns nil. Its error
// is returned as it is. Where an answer of Redis was lost, it is an error though
// the text may be another now.
func (s *Store) Change(ctx context.Context, name string, change func(old []byte) ([]byte, error)) error {
	for {
		old, version, err := s.read(ctx, name)
		if err != nil {
			return err
		}
		text, err := change(old)
		if err != nil {
			return err
		}
		if len(text) > maxStored {
			return errText
		}
		got, err := s.run(ctx, changeTextScript, name, version, flag(old != nil), flag(text != nil), text, keepVersion.Milliseconds())
		if err != nil {
			return fmt.Errorf("cluster: store: %w", err)
		}
		if got.number(0) == 1 {
			return nil
		}
		if err := rest(ctx, nil, rand.N(10*time.Millisecond)); err != nil {
			return err
		}
	}
}

// Watch calls changed whenever the text of that name may have become another,
// until ctx ends, and writes the text back where Redis has lost it.
func (s *Store) Watch(ctx context.Context, name string, changed func()) {
	var seen watchedText
	for {
		if s.lookAt(ctx, name, &seen) {
			changed()
		}
		if rest(ctx, nil, look) != nil {
			return
		}
	}
}

// watchedText is a text as it was seen last.
type watchedText struct {
	version string
	text    []byte
}

// lookAt reports whether the text may be another than seen, which it brings up
// to date.
func (s *Store) lookAt(ctx context.Context, name string, seen *watchedText) bool {
	version, err := s.version(ctx, name)
	if err != nil || version == seen.version {
		return false
	}
	if older(version, seen.version) && seen.text != nil {
		if _, err := s.run(ctx, restoreTextScript, name, seen.version, seen.text); err != nil {
			return false
		}
	}
	text, version, err := s.read(ctx, name)
	if err != nil {
		return false
	}
	seen.text, seen.version = text, version
	return true
}

func (s *Store) version(ctx context.Context, name string) (string, error) {
	got, err := ask(ctx, s.client, s.timeout, fieldScript, []string{s.keys.versions()}, name, maxName)
	return cmp.Or(got.text(0), "0"), err
}

// older reports whether version a was before b.
func older(a, b string) bool { return reply{a}.number(0) < reply{b}.number(0) }

// Close ends what the store runs, which is nothing.
func (s *Store) Close() error { return nil }
