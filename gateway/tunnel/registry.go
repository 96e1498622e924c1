package tunnel

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

// Store keeps the texts of a Registry, each under a name of its own, for any
// number of processes and gateways. Names are made of letters, digits, . _ - and
// at most one / between two of them; texts are JSON of at most MaxText bytes.
type Store interface {
	// Read returns a text, or nil where there is none.
	Read(ctx context.Context, name string) ([]byte, error)
	// List returns all texts whose names begin with prefix, by their names.
	List(ctx context.Context, prefix string) (map[string][]byte, error)
	// Change replaces a text by what change makes of it, so that nobody else's
	// change comes in between. There is no text where old is nil, and none
	// afterwards where change returns nil. An error of change is returned as it
	// is, and nothing is changed. change may be called again where somebody else
	// was quicker. What was written has been kept, also through a crash, when
	// Change returns.
	Change(ctx context.Context, name string, change func(old []byte) ([]byte, error)) error
	// Watch calls changed whenever the text of that name may have become another,
	// at most a second later, until ctx ends.
	Watch(ctx context.Context, name string, changed func())
	// Close ends what the store runs.
	Close() error
}

// MaxText bounds the bytes of a text in a Store.
const MaxText = 4 << 20

// The names in a store.
const (
	tokenTexts  = "token/" // and a token's ID
	agentTexts  = "agent/" // and an agent's name
	revokedText = "revoked"
)

// RegistryConfig says how a registry is used.
type RegistryConfig struct {
	// OnChange, if set, is called within a second or so of a revocation,
	// whichever process made it, by one goroutine, which Close waits for.
	OnChange func()
	// Report is told of revocations that cannot be read, once until they can
	// again; those that were read last stay in force. Nil tells nobody.
	Report func(error)
	// Now is the clock; nil is time.Now.
	Now func() time.Time
}

// Registry knows agents: the tokens by which they are enrolled, which there are
// and have been seen, and which are revoked. Of tokens it keeps hashes. It is
// safe for concurrent use, and so are several over one Store.
type Registry struct {
	store Store
	cfg   RegistryConfig

	revoked atomic.Pointer[revocations] // nil until they were read once: then all are revoked

	mu   sync.Mutex // of reading the revocations anew
	said string     // what Report was told last

	stop    context.CancelFunc
	stopped sync.WaitGroup
}

// OpenRegistry opens a registry over store, which Close closes. A store that
// does not answer is reported and is no error, as it may come up later; until
// then every agent is as good as revoked.
func OpenRegistry(ctx context.Context, store Store, cfg RegistryConfig) *Registry {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	r := &Registry{store: store, cfg: cfg}
	r.look(ctx)
	ctx, r.stop = context.WithCancel(context.WithoutCancel(ctx))
	r.stopped.Go(func() { store.Watch(ctx, revokedText, func() { r.follow(ctx) }) })
	return r
}

// Close ends following the store, and closes it.
func (r *Registry) Close() error {
	r.stop()
	r.stopped.Wait()
	return r.store.Close()
}

// follow looks at the revocations again and tells of a change.
func (r *Registry) follow(ctx context.Context) {
	before := r.revoked.Load()
	now, err := r.look(ctx)
	if err == nil && r.cfg.OnChange != nil && (before == nil || !before.equal(now)) {
		r.cfg.OnChange()
	}
}

// look reads the revocations, which are in force from then on.
func (r *Registry) look(ctx context.Context) (*revocations, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	all, err := r.readRevoked(ctx)
	said := ""
	if err != nil {
		said = err.Error()
	} else {
		r.revoked.Store(all)
	}
	if said != "" && said != r.said && ctx.Err() == nil && r.cfg.Report != nil {
		r.cfg.Report(err)
	}
	r.said = said
	return all, err
}

// now is the present in whole seconds, as all times are kept.
func (r *Registry) now() time.Time { return r.cfg.Now().Truncate(time.Second) }

// listed parses all texts of a kind; failed names those that cannot be read.
func listed[T any](ctx context.Context, r *Registry, prefix string) (all []T, failed error) {
	texts, err := r.store.List(ctx, prefix)
	if err != nil {
		return nil, fmt.Errorf("tunnel: registry: %w", err)
	}
	for name, text := range texts {
		var one T
		if err := json.Unmarshal(text, &one); err != nil {
			failed = errors.Join(failed, fmt.Errorf("tunnel: registry: %s: %w", name, err))
			continue
		}
		all = append(all, one)
	}
	return all, failed
}

// changed is a Change of a text that is parsed: old is nil where there is none,
// and a nil result removes it.
func changed[T any](ctx context.Context, r *Registry, name string, change func(old *T) (*T, error)) error {
	err := r.store.Change(ctx, name, func(text []byte) ([]byte, error) {
		var old *T
		if text != nil {
			old = new(T)
			if err := json.Unmarshal(text, old); err != nil {
				return nil, err
			}
		}
		result, err := change(old)
		if err != nil || result == nil {
			return nil, err
		}
		return json.Marshal(result)
	})
	if err != nil {
		return fmt.Errorf("tunnel: registry: %s: %w", name, err)
	}
	return nil
}
