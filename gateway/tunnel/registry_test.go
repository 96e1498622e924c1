package tunnel

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"vncgate/certs"
)

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// eventually waits for what another goroutine brings about.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("waited in vain for %s", what)
		}
	}
}

// clock is one that is set by hand.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func newClock() *clock { return &clock{now: time.Now().Truncate(time.Second)} }

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) pass(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// office is an authority over the registry in a folder, which may have several.
type office struct {
	*Authority
	clock *clock
	dir   string
}

func newOffice(t testing.TB) *office {
	t.Helper()
	ca, err := certs.OpenCA(t.TempDir())
	must(t, err)
	o := &office{&Authority{CA: ca}, newClock(), filepath.Join(t.TempDir(), "registry")}
	o.Registry = o.open(t, RegistryConfig{})
	return o
}

// open opens the folder once more, as another process does.
func (o *office) open(t testing.TB, cfg RegistryConfig) *Registry {
	t.Helper()
	store, err := OpenFolder(o.dir)
	must(t, err)
	cfg.Now = o.clock.Now
	r := OpenRegistry(t.Context(), store, cfg)
	t.Cleanup(func() { r.Close() })
	return r
}

// token makes one for the agent lab.
func (o *office) token(t testing.TB, life time.Duration) (secret string, made Token) {
	t.Helper()
	secret, made, err := o.Registry.AddToken(t.Context(), Token{Agent: "lab", Services: []string{"desk*"}, Expires: o.clock.Now().Add(life), Maker: "root", Note: "a note"})
	must(t, err)
	return secret, made
}

func newKey(t testing.TB) crypto.Signer {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	return key
}

func requestOf(t testing.TB, key crypto.Signer) []byte {
	t.Helper()
	der, err := certs.NewKeyRequest(key)
	must(t, err)
	return der
}

// enrol is an enrolment as the gateway sees it, with what the agent checks.
func (o *office) enrol(t testing.TB, secret string, key crypto.Signer) (Enrolled, error) {
	t.Helper()
	chain, err := o.Enrol(t.Context(), secret, requestOf(t, key))
	if err != nil {
		return Enrolled{}, err
	}
	return CheckChain(chain, certs.KeyFingerprint(o.CA.Certificate()), key)
}

func peerOf(a certs.Agent) Peer {
	return Peer{Name: a.Name, Means: "certificate", Serial: a.Serial, Issued: a.Issued, Expires: a.Expires, Services: a.Services}
}

func TestTokenBecomesCertificate(t *testing.T) {
	o := newOffice(t)
	var told []string
	o.Observe = func(a certs.Agent, token string) { told = append(told, a.Name+" "+token) }
	secret, made := o.token(t, time.Hour)
	list, err := o.Registry.Tokens(t.Context())
	if err != nil || !reflect.DeepEqual(list, []Token{made}) || made.Note != "a note" || made.Maker != "root" || !made.Used.IsZero() {
		t.Errorf("%+v, %v; made %+v", list, err, made)
	}
	got, err := o.enrol(t, secret, newKey(t))
	must(t, err)
	if got.Name != "lab" || !reflect.DeepEqual(got.Services, []string{"desk*"}) || got.Expires.Sub(got.Issued).Round(time.Minute) != AgentLife {
		t.Errorf("%+v", got.Agent)
	}
	must(t, o.Registry.Seen(t.Context(), got.Agent, "10.1.2.3:4"))
	agents, err := o.Registry.Agents(t.Context())
	if err != nil || len(agents) != 1 || agents[0].Name != "lab" || agents[0].From != "10.1.2.3:4" || agents[0].First.IsZero() || len(agents[0].Certificates) != 1 ||
		agents[0].Certificates[0].Serial != got.Serial || agents[0].Certificates[0].Revoked {
		t.Errorf("%+v, %v", agents, err)
	}
	if list, err := o.Registry.Tokens(t.Context()); err != nil || len(list) != 1 || list[0].Used.IsZero() {
		t.Errorf("after its use: %+v, %v", list, err)
	}
	if want := []string{"lab " + made.ID}; !reflect.DeepEqual(told, want) {
		t.Errorf("told %v, want %v", told, want)
	}
	if text, err := os.ReadFile(filepath.Join(o.dir, "token", made.ID+".json")); err != nil || strings.Contains(string(text), secret[idLen:]) {
		t.Errorf("the secret is kept: %s, %v", text, err)
	}
}

func TestTokensThatAreRefused(t *testing.T) {
	o := newOffice(t)
	secret, made := o.token(t, time.Hour)
	key := newKey(t)
	wrong := secret[:idLen] + strings.Repeat("A", secretLen)
	for name, text := range map[string]string{"wrong": wrong, "empty": "", "short": secret[:20], "of another ID": "AAAAAAAA" + secret[idLen:], "a path": "../../../" + secret[9:]} {
		if _, err := o.enrol(t, text, key); !errors.Is(err, ErrTokenUnknown) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := o.Enrol(t.Context(), secret, []byte("garbage")); !errors.Is(err, ErrRequest) {
		t.Errorf("a request that is none: %v", err)
	}
	_, err := o.enrol(t, secret, key)
	must(t, err)
	if _, err := o.enrol(t, secret, newKey(t)); !errors.Is(err, ErrTokenUsed) {
		t.Errorf("used: %v", err)
	}
	o.clock.pass(time.Hour)
	if _, err := o.enrol(t, secret, key); !errors.Is(err, ErrTokenExpired) {
		t.Errorf("expired: %v", err)
	}
	if list, err := o.Registry.Tokens(t.Context()); len(list) != 0 || err != nil {
		t.Errorf("%v, %v", list, err)
	}
	o.token(t, time.Hour) // sweeps
	if _, err := o.enrol(t, secret, key); !errors.Is(err, ErrTokenUnknown) {
		t.Errorf("swept: %v", err)
	}
	if err := o.Registry.RemoveToken(t.Context(), made.ID); !errors.Is(err, ErrTokenUnknown) {
		t.Errorf("removed twice: %v", err)
	}
}

// Too many wrong secrets end a token, even for who has the right one.
func TestWrongSecretsAreBounded(t *testing.T) {
	o := newOffice(t)
	secret, _ := o.token(t, time.Hour)
	request := requestOf(t, newKey(t))
	for range maxWrong {
		if _, err := o.Enrol(t.Context(), secret[:idLen]+strings.Repeat("B", secretLen), request); !errors.Is(err, ErrTokenUnknown) {
			t.Fatal(err)
		}
	}
	if _, err := o.Enrol(t.Context(), secret, request); !errors.Is(err, ErrTokenUnknown) {
		t.Errorf("after many wrong ones: %v", err)
	}
}

// The certificate was lost on its way: the same key gets another, as long as the
// token lasts, though not without end.
func TestSameKeyTriesAgain(t *testing.T) {
	o := newOffice(t)
	secret, _ := o.token(t, time.Hour)
	key := newKey(t)
	first, err := o.enrol(t, secret, key)
	must(t, err)
	for range maxFetches - 1 {
		again, err := o.enrol(t, secret, key)
		if err != nil || again.Serial == first.Serial || again.Name != "lab" {
			t.Errorf("%+v, %v", again.Agent, err)
		}
	}
	if _, err := o.enrol(t, secret, key); !errors.Is(err, ErrTokenUsed) {
		t.Errorf("for ever: %v", err)
	}
}

// Of many who show one token at once, at several gateways, one gets it.
func TestOneOfManyGetsTheToken(t *testing.T) {
	o := newOffice(t)
	secret, _ := o.token(t, time.Hour)
	var got atomic.Int32
	var all sync.WaitGroup
	for range 4 {
		gateway := &Authority{CA: o.CA, Registry: o.open(t, RegistryConfig{})}
		for range 3 {
			request := requestOf(t, newKey(t))
			all.Go(func() {
				switch _, err := gateway.Enrol(t.Context(), secret, request); {
				case err == nil:
					got.Add(1)
				case !errors.Is(err, ErrTokenUsed):
					t.Error(err)
				}
			})
		}
	}
	all.Wait()
	if got.Load() != 1 {
		t.Errorf("%d got it", got.Load())
	}
}

func TestBadTokens(t *testing.T) {
	o := newOffice(t)
	later := o.clock.Now().Add(time.Hour)
	desk := []string{"desk"}
	for name, one := range map[string]Token{
		"no agent":    {Services: desk, Expires: later},
		"a path":      {Agent: "a/b", Services: desk, Expires: later},
		"no services": {Agent: "a", Expires: later},
		"expired":     {Agent: "a", Services: desk, Expires: o.clock.Now()},
		"for ever":    {Agent: "a", Services: desk, Expires: later.Add(maxTokenLife)},
		"a long note": {Agent: "a", Services: desk, Expires: later, Note: strings.Repeat("x", maxNote+1)},
	} {
		if _, _, err := o.Registry.AddToken(t.Context(), one); err == nil {
			t.Errorf("%s was taken", name)
		}
	}
}

// brokenStore does not answer while it is down.
type brokenStore struct {
	Store
	down atomic.Bool
}

var errDown = errors.New("down")

func (b *brokenStore) List(ctx context.Context, prefix string) (map[string][]byte, error) {
	if b.down.Load() {
		return nil, errDown
	}
	return b.Store.List(ctx, prefix)
}

// Until revocations could be read once all are revoked; after that what was read
// last counts.
func TestStoreThatIsDown(t *testing.T) {
	folder, err := OpenFolder(t.TempDir())
	must(t, err)
	store := &brokenStore{Store: folder}
	store.down.Store(true)
	reports := make(chan error, 10)
	r := OpenRegistry(t.Context(), store, RegistryConfig{Report: func(err error) { reports <- err }})
	defer r.Close()
	if err := <-reports; !errors.Is(err, errDown) {
		t.Error(err)
	}
	if err := r.Check("lab", "1", time.Now()); err == nil || errors.Is(err, ErrRevoked) {
		t.Errorf("not known yet, and said to be revoked: %v", err)
	}
	if !r.Revoked("lab", "1", time.Now()) {
		t.Error("nobody knows, and it is not revoked")
	}
	store.down.Store(false)
	must(t, r.Revoke(t.Context(), Revocation{Serial: "2"}))
	store.down.Store(true)
	if r.Check("lab", "1", time.Now()) != nil || !errors.Is(r.Check("lab", "2", time.Now()), ErrRevoked) {
		t.Error("the check has not followed")
	}
	if r.Revoked("lab", "1", time.Now()) || !r.Revoked("lab", "2", time.Now()) {
		t.Error("what was read last does not count")
	}
	if _, err := r.Tokens(t.Context()); !errors.Is(err, errDown) {
		t.Error(err)
	}
	if _, _, err := r.AddToken(t.Context(), Token{Agent: "a", Services: []string{"*"}, Expires: time.Now().Add(time.Hour)}); !errors.Is(err, errDown) {
		t.Error(err)
	}
	ca, err := certs.OpenCA(t.TempDir())
	must(t, err)
	if _, err := (&Authority{CA: ca, Registry: r}).Renew(t.Context(), Peer{Name: "lab", Serial: "1"}, requestOf(t, newKey(t))); !errors.Is(err, errDown) {
		t.Error(err)
	}
}

// What somebody has broken by hand is named, and the rest is listed.
func TestBrokenTexts(t *testing.T) {
	o := newOffice(t)
	_, made := o.token(t, time.Hour)
	must(t, os.WriteFile(filepath.Join(o.dir, "token", "AAAAAAAA.json"), []byte("{"), 0o600))
	list, err := o.Registry.Tokens(t.Context())
	if len(list) != 1 || list[0].ID != made.ID || err == nil || !strings.Contains(err.Error(), "AAAAAAAA") {
		t.Errorf("%v, %v", list, err)
	}
	must(t, o.Registry.Revoke(t.Context(), Revocation{Serial: "2"}))
	must(t, os.WriteFile(filepath.Join(o.dir, "revoked.json"), []byte("{"), 0o600))
	if err := o.Registry.Revoke(t.Context(), Revocation{Serial: "3"}); err == nil {
		t.Error("revocations that cannot be read were written over")
	}
	if !o.Registry.Revoked("lab", "2", time.Now()) {
		t.Error("revocations that were read are forgotten")
	}
}
