package tunnel

import (
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"vncgate/certs"
)

func TestRevokedByName(t *testing.T) {
	o := newOffice(t)
	var changes atomic.Int32
	other := o.open(t, RegistryConfig{OnChange: func() { changes.Add(1) }})
	secret, _ := o.token(t, time.Hour)
	unused, _ := o.token(t, time.Hour)
	key := newKey(t)
	a, err := o.enrol(t, secret, key)
	must(t, err)
	if o.Registry.Revoked(a.Name, a.Serial, a.Issued) {
		t.Error("revoked before it was")
	}
	before := changes.Load()
	must(t, o.Registry.Revoke(t.Context(), Revocation{Agent: "lab", Maker: "root", Note: "stolen"}))
	if !o.Registry.Revoked(a.Name, a.Serial, a.Issued) {
		t.Error("not revoked here")
	}
	eventually(t, "the other process to know and to tell", func() bool {
		return other.Revoked(a.Name, a.Serial, a.Issued) && changes.Load() > before
	})
	if other.Revoked("other", a.Serial, a.Issued) {
		t.Error("another agent is revoked")
	}
	for name, secret := range map[string]string{"its token": secret, "a token for it": unused} {
		if _, err := o.enrol(t, secret, key); !errors.Is(err, ErrTokenUnknown) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := o.Renew(t.Context(), peerOf(a.Agent), requestOf(t, key)); !errors.Is(err, ErrRevoked) {
		t.Errorf("renewed: %v", err)
	}
	list, err := o.Registry.Revocations(t.Context())
	if err != nil || len(list) != 1 || list[0].Agent != "lab" || list[0].Note != "stolen" || list[0].Maker != "root" {
		t.Errorf("%+v, %v", list, err)
	}

	// Enrolled anew, in the same second, it is good; what it had is not.
	secret, _ = o.token(t, time.Hour)
	again, err := o.enrol(t, secret, newKey(t))
	must(t, err)
	if o.Registry.Revoked(again.Name, again.Serial, again.Issued) || !o.Registry.Revoked(a.Name, a.Serial, a.Issued) {
		t.Error("the new certificate is revoked, or the old one no more")
	}
	agents, err := o.Registry.Agents(t.Context())
	if err != nil || len(agents) != 1 || len(agents[0].Certificates) != 2 || !agents[0].Certificates[0].Revoked || agents[0].Certificates[1].Revoked {
		t.Errorf("%+v, %v", agents, err)
	}
}

// A token of which the revocation could not remove the file is good for nothing.
func TestTokenOlderThanARevocation(t *testing.T) {
	o := newOffice(t)
	secret, made := o.token(t, time.Hour)
	file := filepath.Join(o.dir, "token", made.ID+".json")
	text, err := os.ReadFile(file)
	must(t, err)
	must(t, o.Registry.Revoke(t.Context(), Revocation{Agent: "lab"}))
	must(t, os.WriteFile(file, text, 0o600))
	if _, err := o.enrol(t, secret, newKey(t)); !errors.Is(err, ErrTokenUnknown) {
		t.Error(err)
	}
}

func TestRevokedBySerial(t *testing.T) {
	o := newOffice(t)
	secret, _ := o.token(t, time.Hour)
	key := newKey(t)
	a, err := o.enrol(t, secret, key)
	must(t, err)
	b, err := o.Renew(t.Context(), peerOf(a.Agent), requestOf(t, key))
	must(t, err)
	renewed, err := CheckChain(b, certs.KeyFingerprint(o.CA.Certificate()), key)
	must(t, err)
	if renewed.Name != a.Name || !reflect.DeepEqual(renewed.Services, a.Services) || renewed.Serial == a.Serial {
		t.Errorf("renewed to %+v", renewed.Agent)
	}
	var pairs []string
	for i := 0; i < len(a.Serial); i += 2 {
		pairs = append(pairs, strings.ToLower(a.Serial[i:min(i+2, len(a.Serial))]))
	}
	must(t, o.Registry.Revoke(t.Context(), Revocation{Serial: strings.Join(pairs, ":")}))
	if !o.Registry.Revoked("lab", a.Serial, a.Issued) || o.Registry.Revoked("lab", renewed.Serial, renewed.Issued) {
		t.Error("not the one, or the other, too")
	}
	if _, err := o.Renew(t.Context(), peerOf(a.Agent), requestOf(t, key)); !errors.Is(err, ErrRevoked) {
		t.Errorf("renewed: %v", err)
	}
	for _, v := range []Revocation{{}, {Agent: "a", Serial: "1"}, {Agent: "a/b"}, {Serial: "xyz"}, {Serial: strings.Repeat("1", 41)}, {Agent: "a", Note: strings.Repeat("x", 201)}} {
		if err := o.Registry.Revoke(t.Context(), v); err == nil {
			t.Errorf("%+v was taken", v)
		}
	}
}

// A certificate that was made for a short time is not made to last by renewing it.
func TestRenewedForAsLong(t *testing.T) {
	o := newOffice(t)
	secret, _ := o.token(t, time.Hour)
	key := newKey(t)
	a, err := o.enrol(t, secret, key)
	must(t, err)
	for _, c := range []struct{ had, gets time.Duration }{{time.Hour, time.Hour}, {10 * AgentLife, AgentLife}} {
		peer := peerOf(a.Agent)
		peer.Issued, peer.Expires = o.clock.Now(), o.clock.Now().Add(c.had)
		b, err := o.Renew(t.Context(), peer, requestOf(t, key))
		must(t, err)
		renewed, err := CheckChain(b, certs.KeyFingerprint(o.CA.Certificate()), key)
		must(t, err)
		if life := renewed.Expires.Sub(renewed.Issued); life > c.gets || life < c.gets-time.Minute {
			t.Errorf("one for %s was renewed for %s, and not for %s", c.had, life, c.gets)
		}
	}
	over := peerOf(a.Agent)
	o.clock.pass(AgentLife)
	if _, err := o.Renew(t.Context(), over, requestOf(t, key)); !errors.Is(err, ErrRequest) || !strings.Contains(err.Error(), "enrol the agent anew") {
		t.Errorf("one that has run out: %v", err)
	}
}

// A tunnel that was renewed outlives the certificate that it came with, and the
// next renewal is by the newer one.
func TestRenewedAgain(t *testing.T) {
	o := newOffice(t)
	secret, _ := o.token(t, time.Hour)
	key := newKey(t)
	a, err := o.enrol(t, secret, key)
	must(t, err)
	until := func(want time.Time) {
		t.Helper()
		if got, err := o.Registry.Until(t.Context(), "lab"); err != nil || !got.Equal(want) {
			t.Errorf("good until %v and not %v, %v", got, want, err)
		}
	}
	until(a.Expires)
	old := peerOf(a.Agent)
	for range 2 {
		old.Issued, old.Expires = old.Issued.Add(-AgentLife), old.Expires.Add(-AgentLife)
		b, err := o.Renew(t.Context(), old, requestOf(t, key))
		must(t, err)
		renewed, err := CheckChain(b, certs.KeyFingerprint(o.CA.Certificate()), key)
		must(t, err)
		until(renewed.Expires)
		if renewed.Expires.Sub(renewed.Issued).Round(time.Minute) != AgentLife {
			t.Errorf("%+v", renewed.Agent)
		}
	}
	must(t, o.Registry.Revoke(t.Context(), Revocation{Agent: "lab"}))
	until(time.Time{})
	if got, err := o.Registry.Until(t.Context(), "nobody"); err != nil || !got.IsZero() {
		t.Errorf("nobody: %v, %v", got, err)
	}
	if _, err := o.Registry.Until(t.Context(), "../lab"); err == nil {
		t.Error("that is no name")
	}
	must(t, os.WriteFile(filepath.Join(o.dir, "agent", "lab.json"), []byte("{"), 0o600))
	if _, err := o.Registry.Until(t.Context(), "lab"); err == nil {
		t.Error("a text that is cut was read")
	}
}

func TestRenewalsAreBounded(t *testing.T) {
	o := newOffice(t)
	secret, _ := o.token(t, time.Hour)
	key := newKey(t)
	a, err := o.enrol(t, secret, key)
	must(t, err)
	for range maxHourly - 1 {
		_, err := o.Renew(t.Context(), peerOf(a.Agent), requestOf(t, key))
		must(t, err)
	}
	if _, err := o.Renew(t.Context(), peerOf(a.Agent), requestOf(t, key)); !errors.Is(err, ErrLater) {
		t.Errorf("one more: %v", err)
	}
	o.clock.pass(time.Hour)
	if _, err := o.Renew(t.Context(), peerOf(a.Agent), requestOf(t, key)); err != nil {
		t.Errorf("an hour later: %v", err)
	}
	if _, err := o.Renew(t.Context(), Peer{Name: "lab"}, requestOf(t, key)); !errors.Is(err, ErrRequest) {
		t.Errorf("without a certificate: %v", err)
	}
}

// Seen is written when there is something new, and not at each connection.
func TestSeenIsWrittenSeldom(t *testing.T) {
	o := newOffice(t)
	a := certs.Agent{Name: "lab", Serial: "1", Services: []string{"*"}, Issued: o.clock.Now(), Expires: o.clock.Now().Add(time.Hour)}
	read := func() string {
		text, err := os.ReadFile(filepath.Join(o.dir, "agent", "lab.json"))
		must(t, err)
		return string(text)
	}
	must(t, o.Registry.Seen(t.Context(), a, "here"))
	first := read()
	o.clock.pass(time.Second)
	must(t, o.Registry.Seen(t.Context(), a, "here"))
	if read() != first {
		t.Error("it is written at once again")
	}
	must(t, o.Registry.Seen(t.Context(), a, "there"))
	if read() == first {
		t.Error("another address is not written")
	}
	for i := range maxCertificates + 5 {
		a.Serial = strings.Repeat("A", i+1)
		must(t, o.Registry.Seen(t.Context(), a, "there"))
	}
	agents, err := o.Registry.Agents(t.Context())
	if err != nil || len(agents) != 1 || len(agents[0].Certificates) != maxCertificates {
		t.Errorf("%+v, %v", agents, err)
	}
	o.clock.pass(2 * time.Hour)
	if agents, err := o.Registry.Agents(t.Context()); len(agents) != 0 || err != nil {
		t.Errorf("with no certificate left: %+v, %v", agents, err)
	}
	o.token(t, time.Hour) // sweeps
	if _, err := os.Stat(filepath.Join(o.dir, "agent", "lab.json")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("it is kept for ever: %v", err)
	}
}
