package main

import (
	"bytes"
	"context"
	"crypto"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"

	"strings"
	"sync"
	"testing"
	"time"

	"vncgate/auth"
	"vncgate/auth/capability"
	"vncgate/auth/tickets/redistest"
	"vncgate/certs"
	"vncgate/layers"
	"vncgate/rfb"
)

// stay is a session that lasts until somebody ends it.
type stay struct {
	c     net.Conn
	ended chan struct{}
	at    time.Time // when it ended
	err   error     // what the viewer saw of that
}

// stayed is a viewer that stays, on a connection that is stacked already.
func (g *gate) stayed(c net.Conn, security ...rfb.Security) (*stay, error) {
	if len(security) == 0 {
		security = []rfb.Security{rfb.None{}}
	}
	ctx := visit(g.t)
	viewer, err := rfb.Client(ctx, c, &rfb.ClientConfig{Security: security})
	if err != nil {
		return nil, err
	}
	if err := viewer.WriteClientInit(ctx, true); err != nil {
		return nil, err
	}
	if _, err := viewer.ReadServerInit(ctx); err != nil {
		return nil, err
	}
	s := &stay{c: viewer.Conn, ended: make(chan struct{})}
	go func() {
		defer close(s.ended)
		_, s.err = io.Copy(io.Discard, viewer.Conn)
		s.at = time.Now()
	}()
	return s, nil
}

// over reports whether the session has ended.
func (s *stay) over() bool {
	select {
	case <-s.ended:
		return true
	default:
		return false
	}
}

// webStay comes in as a browser does and stays.
func (g *gate) webStay(door int, path string) (*stay, error) {
	c, err := layers.Stack(visit(g.t), g.dial(door), layers.WebSocketClient("ws://"+g.address(door)+path, nil))
	if err != nil {
		return nil, err
	}
	return g.stayed(c)
}

// crowd has n sessions that come in one way.
func (g *gate) crowd(n int, enter func() (*stay, error)) []*stay {
	g.t.Helper()
	list, errs := make([]*stay, n), make([]error, n)
	var entering sync.WaitGroup
	places := make(chan struct{}, 16)
	for i := range n {
		places <- struct{}{}
		entering.Go(func() {
			defer func() { <-places }()
			list[i], errs[i] = enter()
		})
	}
	entering.Wait()
	for _, err := range errs {
		if err != nil {
			g.t.Fatal(err)
		}
	}
	return list
}

// lastOf waits until all have ended and returns when the last did.
func (g *gate) lastOf(list []*stay) time.Time {
	g.t.Helper()
	var last time.Time
	for _, s := range list {
		select {
		case <-s.ended:
		case <-time.After(patience):
			g.t.Fatal("a session goes on")
		}
		if s.at.After(last) {
			last = s.at
		}
	}
	return last
}

// clientPKI is an authority of client certificates that revokes.
type clientPKI struct {
	pki
	dir string
	ca  *certs.CA
}

func newClientPKI(t *testing.T) clientPKI {
	t.Helper()
	dir := t.TempDir()
	ca, err := certs.OpenCA(dir)
	if err != nil {
		t.Fatal(err)
	}
	server, err := ca.Server([]string{"localhost", "127.0.0.1"})
	if err != nil {
		t.Fatal(err)
	}
	cert, key := server.Files()
	p := clientPKI{pki{cert, key, ca.CertFile()}, dir, ca}
	p.revoke(t)
	return p
}

func (p clientPKI) crl() string { return filepath.Join(p.dir, "revoked.crl") }

// revoke writes the list of the certificates that are revoked.
func (p clientPKI) revoke(t *testing.T, revoked ...*x509.Certificate) {
	t.Helper()
	p.list(t, time.Now().Add(time.Hour), revoked...)
}

// signer is the authority's key.
func (p clientPKI) signer(t *testing.T) crypto.Signer {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(p.dir, "ca.key"))
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(text)
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	return key.(crypto.Signer)
}

// list writes the list, of which the next is due then.
func (p clientPKI) list(t *testing.T, next time.Time, revoked ...*x509.Certificate) {
	t.Helper()
	list := &x509.RevocationList{Number: big.NewInt(time.Now().UnixNano()), ThisUpdate: time.Now().Add(-time.Hour), NextUpdate: next}
	for _, cert := range revoked {
		list.RevokedCertificateEntries = append(list.RevokedCertificateEntries, x509.RevocationListEntry{SerialNumber: cert.SerialNumber, RevocationTime: time.Now()})
	}
	der, err := x509.CreateRevocationList(rand.Reader, list, p.ca.Certificate(), p.signer(t))
	if err != nil {
		t.Fatal(err)
	}
	rewrite(t, p.crl(), pem.EncodeToMemory(&pem.Block{Type: "X509 CRL", Bytes: der}))
}

// rewrite puts a file in place whole, as editors and deployments do.
func rewrite(t *testing.T, path string, text []byte) {
	t.Helper()
	if err := os.WriteFile(path+".new", text, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		t.Fatal(err)
	}
}

// certStay comes in by TLS with a client certificate.
func (g *gate) certStay(door int, p clientPKI, client *certs.KeyPair) func() (*stay, error) {
	pool, err := certs.Pool(p.pki.ca)
	if err != nil {
		g.t.Fatal(err)
	}
	over := layers.TLSClient(&tls.Config{RootCAs: pool, ServerName: "localhost", GetClientCertificate: client.GetClientCertificate})
	return func() (*stay, error) {
		c, err := layers.Stack(visit(g.t), g.dial(door), over)
		if err != nil {
			return nil, err
		}
		return g.stayed(c)
	}
}

func (p clientPKI) client(t *testing.T, name string) *certs.KeyPair {
	t.Helper()
	pair, err := p.ca.Client(name)
	if err != nil {
		t.Fatal(err)
	}
	return pair
}

// revocationGate has a way in for each trigger.
type revocationGate struct {
	*gate
	pki           clientPKI
	users, policy string
}

const revocationPolicy = `
who=method:ticket/capabilities target=* allow=all
who=group:ops target=* allow=all
who=anonymous method=none from=127.0.0.1 target=* if="now < timestamp('%s')" allow=all
`

func newRevocationGate(t *testing.T, redisAddress string) *revocationGate {
	t.Helper()
	r := &revocationGate{pki: newClientPKI(t), users: filepath.Join(t.TempDir(), "users"), policy: fileWith(t, revocationPolicy, "2100-01-01T00:00:00Z")}
	file := &auth.UsersFile{Path: r.users}
	for _, name := range []string{"alice", "bob", "carol"} {
		if err := file.Add(name, "", "ops"); err != nil {
			t.Fatal(err)
		}
	}
	more := ""
	if redisAddress != "" {
		more = fmt.Sprintf("revocations: {redis: {addresses: [%q], key: revoked, channel: revoked}}", redisAddress)
	}
	r.gate = newGate(t, `
listeners:
  - {address: "127.0.0.1:0", web: {}, sources: [capabilities], api: {token: sesame}}
  - {address: "127.0.0.1:0", web: {}, security: [none]}
  - {address: "127.0.0.1:0", security: [none], tls: {certificate: %q, key: %q, client_ca: %q, crl: %q, implicit: true}, target: one}
targets:
  one: {address: %q}
users: {file: %q}
policy_file: %q
capabilities: {store: %q}
%s
`, r.pki.cert, r.pki.key, r.pki.pki.ca, r.pki.crl(), displayNamed("one").Listen(t), r.users, r.policy, t.TempDir(), more)
	return r
}

// token issues one.
func (r *revocationGate) token(t capability.Token) (text, id string) {
	r.t.Helper()
	t.Targets, t.Rights = []string{"one"}, auth.AllRights
	if t.Expires.IsZero() {
		t.Expires = time.Now().Add(time.Hour)
	}
	text, issued, err := r.capabilities.Issue(t)
	if err != nil {
		r.t.Fatal(err)
	}
	return text, issued.ID
}

func (r *revocationGate) byToken(text string) func() (*stay, error) {
	return func() (*stay, error) { return r.webStay(0, "/?token="+text) }
}

// call revokes by HTTP.
func (r *revocationGate) call(token, body string) (status int) {
	r.t.Helper()
	req, err := http.NewRequestWithContext(visit(r.t), http.MethodPost, "http://"+r.address(0)+revokePath, strings.NewReader(body))
	if err != nil {
		r.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	req.Header.Set("Content-Type", "application/json")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		r.t.Fatal(err)
	}
	defer res.Body.Close()
	return res.StatusCode
}

// trigger is one thing that ends sessions.
type trigger struct {
	name  string
	enter func() (*stay, error)
	pull  func() (at time.Time) // when it happens; zero: it has
}

func (r *revocationGate) triggers(server *redistest.Server) []trigger {
	t := r.t
	byStore, storeID := r.token(capability.Token{})
	byCall, callID := r.token(capability.Token{})
	bySet, setID := r.token(capability.Token{})
	byChannel, channelID := r.token(capability.Token{})
	alice, bob := r.pki.client(t, "alice"), r.pki.client(t, "bob")
	anonymous := func() (*stay, error) { return r.webStay(1, "/") }
	done := func(err error) time.Time { must(t, err); return time.Time{} }
	list := []trigger{
		{"revoked in the store", r.byToken(byStore), func() time.Time {
			return done(r.capabilities.Store.Revoke(capability.Revocation{ID: storeID}))
		}},
		{"revoked by HTTP", r.byToken(byCall), func() time.Time {
			if status := r.call("sesame", `{"token_id": "`+callID+`"}`); status != http.StatusOK {
				t.Errorf("the call is answered with %d", status)
			}
			return time.Time{}
		}},
		{"certificate revoked", r.certStay(2, r.pki, bob), func() time.Time {
			r.pki.revoke(t, bob.Leaf())
			return time.Time{}
		}},
		{"user removed", r.certStay(2, r.pki, alice), func() time.Time {
			return done((&auth.UsersFile{Path: r.users}).Remove("alice"))
		}},
		{"schedule closes", anonymous, func() time.Time {
			at := time.Now().Add(3 * time.Second).Truncate(time.Second)
			rewrite(t, r.policy, fmt.Appendf(nil, revocationPolicy, at.UTC().Format(time.RFC3339)))
			return at
		}},
		{"policy changes", anonymous, func() time.Time {
			rewrite(t, r.policy, []byte("who=group:ops target=* allow=all\nwho=method:ticket/* target=* allow=all\n"))
			return time.Time{}
		}},
	}
	if server != nil {
		list = append(list,
			trigger{"Redis key", r.byToken(bySet), func() time.Time {
				return done(server.SAdd(context.Background(), "revoked", "id:"+setID).Err())
			}},
			trigger{"Redis pub/sub", r.byToken(byChannel), func() time.Time {
				return done(server.Publish(context.Background(), "revoked", "id:"+channelID).Err())
			}})
	}
	return list
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// Two hundred sessions end by each trigger, and those of others go on. The
// figures are for the reader; a slow machine fails nothing.
func TestRevocationOf200Sessions(t *testing.T) {
	sessions := 200
	if testing.Short() {
		sessions = 20
	}
	server := redistest.Start(t)
	r := newRevocationGate(t, server.Address)
	others := r.others()
	for _, one := range r.triggers(server) {
		r.open()
		list := r.crowd(sessions, one.enter)
		for _, s := range list {
			if s.over() {
				t.Fatalf("%s: a session has ended before: %v", one.name, s.err)
			}
		}
		begun := time.Now()
		if at := one.pull(); !at.IsZero() {
			begun = at
		}
		last := r.lastOf(list)
		t.Logf("%-22s %d sessions ended; the last %v after it", one.name, sessions, last.Sub(begun).Round(time.Millisecond))
		for _, s := range others {
			if s.over() {
				t.Fatalf("%s: a session of somebody else has ended: %v", one.name, s.err)
			}
		}
	}
	// A token that expires ends by the clock of each session.
	end := time.Now().Add(time.Duration(sessions) * 75 * time.Millisecond).Add(time.Second).Truncate(time.Second)
	text, _ := r.token(capability.Token{Expires: end})
	list := r.crowd(sessions, r.byToken(text))
	t.Logf("%-22s %d sessions ended; the last %v after it", "token expires", sessions, r.lastOf(list).Sub(end).Round(time.Millisecond))
	r.stillThere(others)
}

// open puts the first policy in place, if another is.
func (r *revocationGate) open() {
	text := fmt.Appendf(nil, revocationPolicy, "2100-01-01T00:00:00Z")
	if now, err := os.ReadFile(r.policy); err != nil || !bytes.Equal(now, text) {
		rewrite(r.t, r.policy, text)
	}
}

// others are sessions that no trigger is about.
func (r *revocationGate) others() []*stay {
	text, _ := r.token(capability.Token{})
	return append(r.crowd(5, r.byToken(text)), r.crowd(5, r.certStay(2, r.pki, r.pki.client(r.t, "carol")))...)
}

func (r *revocationGate) stillThere(list []*stay) {
	r.t.Helper()
	for _, s := range list {
		if s.over() {
			r.t.Errorf("a session of somebody else has ended: %v", s.err)
		}
	}
}
