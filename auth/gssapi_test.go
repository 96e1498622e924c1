package auth

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jcmturner/gofork/encoding/asn1"
	"github.com/jcmturner/gokrb5/v8/asn1tools"
	"github.com/jcmturner/gokrb5/v8/iana"
	"github.com/jcmturner/gokrb5/v8/iana/asnAppTag"
	"github.com/jcmturner/gokrb5/v8/iana/etypeID"
	"github.com/jcmturner/gokrb5/v8/iana/flags"
	"github.com/jcmturner/gokrb5/v8/iana/keyusage"
	"github.com/jcmturner/gokrb5/v8/messages"
	"github.com/jcmturner/gokrb5/v8/types"
)

const (
	testRealm   = "EXAMPLE.ORG"
	testHost    = "display.example.org"
	testService = "vnc/" + testHost

	aes128 = etypeID.AES128_CTS_HMAC_SHA1_96
	aes256 = etypeID.AES256_CTS_HMAC_SHA1_96
)

var spokenEnctypes = []int32{17, 18, 19, 20}

// testKey is a service's key, made of a password faster than Kerberos does it.
func testKey(service, password string, enctype int32) types.EncryptionKey {
	sum := sha256.Sum256(fmt.Append(nil, service, password, enctype))
	return types.EncryptionKey{KeyType: enctype, KeyValue: sum[:max(16, enctypeKeyLen(enctype))]}
}

// keytabOf is a keytab with a key, version 2, of each enctype for each service
// (MIT Kerberos, "Keytab file format").
func keytabOf(enctypes []int32, services ...string) []byte {
	be := binary.BigEndian
	counted := func(b []byte, s string) []byte { return append(be.AppendUint16(b, uint16(len(s))), s...) }
	text := []byte{5, 2}
	for _, service := range services {
		for _, id := range enctypes {
			parts := strings.Split(service, "/")
			entry := counted(be.AppendUint16(nil, uint16(len(parts))), testRealm)
			for _, part := range parts {
				entry = counted(entry, part)
			}
			entry = be.AppendUint32(entry, 1)            // name type
			entry = append(be.AppendUint32(entry, 1), 2) // time, version
			entry = be.AppendUint16(entry, uint16(id))   // enctype
			entry = counted(entry, string(testKey(service, "service", id).KeyValue))
			text = append(be.AppendUint32(text, uint32(len(entry))), entry...)
		}
	}
	return text
}

func writeKeytab(t testing.TB, enctypes []int32, services ...string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "keytab")
	must(t, os.WriteFile(path, keytabOf(enctypes, services...), 0o600))
	return path
}

func newKerberosService(t testing.TB, enctypes ...int32) *KerberosService {
	t.Helper()
	return &KerberosService{Keytab: writeKeytab(t, enctypes, testService), Realm: testRealm}
}

// grant is a ticket as a KDC writes it, and what it is encrypted for.
type grant struct {
	messages.EncTicketPart
	service, realm string
	enctype        int32
	kvno           int
	password       string // that the service's key is made of
}

// issue makes a ticket for alice, valid for an hour, which change changes.
func issue(t testing.TB, enctype int32, change func(*grant)) *krbTicket {
	t.Helper()
	now := time.Now().UTC().Truncate(time.Second)
	g := &grant{service: testService, realm: testRealm, enctype: enctype, kvno: 2, password: "service"}
	g.EncTicketPart = messages.EncTicketPart{
		Flags:    types.NewKrbFlags(),
		Key:      newKrbKey(types.EncryptionKey{KeyType: enctype}),
		CRealm:   testRealm,
		CName:    types.NewPrincipalName(1, "alice"),
		AuthTime: now, EndTime: now.Add(time.Hour),
	}
	if change != nil {
		change(g)
	}
	plain, err := asn1.Marshal(g.EncTicketPart)
	must(t, err)
	enc, err := encryptKrb(asn1tools.AddASNAppTag(plain, asnAppTag.EncTicketPart), testKey(g.service, g.password, g.enctype), keyusage.KDC_REP_TICKET)
	must(t, err)
	enc.KVNO = g.kvno
	name, _ := types.ParseSPNString(g.service)
	ticket := messages.Ticket{TktVNO: iana.PVNO, Realm: g.realm, SName: name, EncPart: enc}
	return &krbTicket{ticket: ticket, key: g.Key, client: g.CName, realm: g.CRealm}
}

func newInitiator(t testing.TB, ticket *krbTicket, encrypted bool) *GSSAPIClient {
	t.Helper()
	c, err := newGSSAPIClient(ticket, encrypted)
	must(t, err)
	return c
}

// authenticate runs client against server as exchange does, whose Mechanism is
// the server's.
func authenticate(client *GSSAPIClient, server *gssapiServer) error {
	_, err := exchange(client, server.Mechanism)
	return err
}

func TestGSSAPIExchange(t *testing.T) {
	for _, enctype := range spokenEnctypes {
		service := newKerberosService(t, enctype)
		must(t, service.Check())
		for _, encrypted := range []bool{true, false} {
			client, server := newInitiator(t, issue(t, enctype, nil), encrypted), service.begin(encrypted)
			if _, ok := server.Layer(); ok || server.Username() != "" || client.Done() {
				t.Fatal("done before the beginning")
			}
			if err := authenticate(client, server); err != nil {
				t.Fatalf("enctype %d, encrypted %v: %v", enctype, encrypted, err)
			}
			if diff := cmp.Diff(Identity{Name: "alice", Method: GSSAPI}, server.Identity()); diff != "" {
				t.Error(diff)
			}
			if server.Name() != GSSAPI || !client.Done() {
				t.Errorf("name %q, client done %v", server.Name(), client.Done())
			}
			s, ok := server.Layer()
			c, cok := client.Layer()
			if ok == encrypted || cok == encrypted {
				t.Fatalf("enctype %d, encrypted %v: layers %v and %v", enctype, encrypted, ok, cok)
			}
			if ok {
				checkLayers(t, s, c, 8*enctypeKeyLen(enctype))
			}
			if _, _, err := server.Next(nil); err == nil {
				t.Error("the server went on after its end")
			}
			if _, err := client.Next(nil); err == nil || client.Done() {
				t.Error("the client went on after its end")
			}
		}
	}
}

// checkLayers sends pieces of all sizes both ways.
func checkLayers(t *testing.T, a, b SecurityLayer, ssf int) {
	t.Helper()
	if a.SSF != ssf || b.SSF != ssf || a.MaxReceive != ourLayerToken || a.MaxSend >= ourLayerToken {
		t.Errorf("SSF %d and %d, at most %d and %d", a.SSF, b.SSF, a.MaxReceive, a.MaxSend)
	}
	for range 2 {
		for _, n := range []int{0, 1, 15, 16, 17, 31, 32, 33, 1000, a.MaxSend} {
			text := bytes.Repeat([]byte{byte(n)}, n)
			token, err := a.Wrap(text)
			must(t, err)
			if n == a.MaxSend && len(token) != b.MaxReceive {
				t.Errorf("the longest token has %d bytes, agreed were %d", len(token), b.MaxReceive)
			}
			before := bytes.Clone(token)
			got, err := b.Unwrap(token)
			if err != nil || !bytes.Equal(got, text) || !bytes.Equal(before, token) {
				t.Fatalf("%d bytes: %v", n, err)
			}
		}
		if _, err := a.Wrap(make([]byte, a.MaxSend+1)); err == nil {
			t.Error("wrapped more than was agreed")
		}
		a, b = b, a
	}
}

// A peer whose framing carries no initial response is asked for it.
func TestGSSAPIWithoutInitialResponse(t *testing.T) {
	client, server := newInitiator(t, issue(t, aes256, nil), true), newKerberosService(t, aes256).begin(true)
	challenge, done, err := server.Next(nil)
	if challenge == nil || len(challenge) > 0 || done || err != nil {
		t.Fatalf("%q, %v, %v", challenge, done, err)
	}
	if err := authenticate(client, server); err != nil || server.Username() != "alice" {
		t.Errorf("%v", err)
	}
}

func TestGSSAPIDenials(t *testing.T) {
	service := newKerberosService(t, 17, 18, 19, 20)
	set := func(f func(*grant)) func(*grant) { return f }
	for name, c := range map[string]struct {
		change func(*grant)
		want   string // in the error; "": let in
	}{
		"expired":              {set(func(g *grant) { g.EndTime = time.Now().Add(-6 * time.Minute) }), "expired"},
		"just expired":         {set(func(g *grant) { g.EndTime = time.Now().Add(-4 * time.Minute) }), ""},
		"not yet valid":        {set(func(g *grant) { g.StartTime = time.Now().Add(6 * time.Minute) }), "not valid yet"},
		"start soon":           {set(func(g *grant) { g.StartTime = time.Now().Add(4 * time.Minute) }), ""},
		"no start, issued far": {set(func(g *grant) { g.AuthTime = time.Now().Add(6 * time.Minute) }), "not valid yet"},
		"postdated":            {set(func(g *grant) { types.SetFlag(&g.Flags, flags.Invalid) }), "not valid yet"},
		"other host":           {set(func(g *grant) { g.service = "vnc/other.example.org" }), `the ticket is for "vnc/other.example.org@EXAMPLE.ORG", the service here is vnc/display.example.org@EXAMPLE.ORG`},
		"other service":        {set(func(g *grant) { g.service = "host/" + testHost }), "the service here is"},
		"other realm":          {set(func(g *grant) { g.realm = "OTHER.ORG" }), "the service here is"},
		"old key":              {set(func(g *grant) { g.kvno = 1 }), "key version 1 (enctype 18), of which the keytab has 2 (enctype 17)"},
		"no key version":       {set(func(g *grant) { g.kvno = 0 }), ""},
		"wrong key":            {set(func(g *grant) { g.password = "other" }), "not made with the key"},
		"weak session key":     {set(func(g *grant) { g.Key = types.EncryptionKey{KeyType: 23, KeyValue: make([]byte, 16)} }), ""},
		"foreign client":       {set(func(g *grant) { g.CRealm = "OTHER.ORG" }), ""},
		"unchecked realms": {set(func(g *grant) {
			g.CRealm = "OTHER.ORG"
			g.Transited = messages.TransitedEncoding{TRType: 1, Contents: []byte("MIDDLE.ORG")}
		}), "came through realms"},
		"checked realms": {set(func(g *grant) {
			g.CRealm = "OTHER.ORG"
			g.Transited = messages.TransitedEncoding{TRType: 1, Contents: []byte("MIDDLE.ORG")}
			types.SetFlag(&g.Flags, flags.TransitedPolicyChecked)
		}), ""},
		"odd name":  {set(func(g *grant) { g.CName.NameString = []string{"alice@OTHER.ORG"} }), "signs in it that no name may have"},
		"no name":   {set(func(g *grant) { g.CName.NameString = []string{""} }), "empty part"},
		"long name": {set(func(g *grant) { g.CName.NameString = []string{strings.Repeat("a", 256)} }), "more than 255 bytes"},
	} {
		t.Run(name, func(t *testing.T) {
			ticket := issue(t, aes256, c.change)
			client, err := newGSSAPIClient(ticket, true)
			if name == "weak session key" {
				if !errors.Is(err, errEnctype) {
					t.Errorf("the client takes an RC4 key: %v", err)
				}
				return
			}
			must(t, err)
			server := service.begin(true)
			err = authenticate(client, server)
			if c.want == "" && err != nil || c.want != "" && (!errors.Is(err, ErrDenied) || !strings.Contains(err.Error(), c.want)) {
				t.Errorf("%v; want %q", err, c.want)
			}
			if (server.Username() != "") != (c.want == "") {
				t.Errorf("user %q", server.Username())
			}
		})
	}
}

func TestGSSAPIClockSkew(t *testing.T) {
	service := newKerberosService(t, aes256)
	for _, c := range []struct {
		ahead, max time.Duration
		ok         bool
	}{
		{4 * time.Minute, 0, true}, {-4 * time.Minute, 0, true}, {6 * time.Minute, 0, false}, {-6 * time.Minute, 0, false},
		{2 * time.Minute, time.Minute, false}, {9 * time.Minute, 10 * time.Minute, true},
	} {
		service.MaxSkew = c.max
		service.clock = func() time.Time { return time.Now().Add(c.ahead) }
		ticket := issue(t, aes256, func(g *grant) { g.AuthTime = time.Now().Add(-time.Hour) })
		err := authenticate(newInitiator(t, ticket, true), service.begin(true))
		if c.ok && err != nil || !c.ok && (!errors.Is(err, ErrDenied) || !strings.Contains(err.Error(), "clock")) {
			t.Errorf("%v ahead of %v: %v", c.ahead, c.max, err)
		}
	}
}

func TestGSSAPIReplay(t *testing.T) {
	service := newKerberosService(t, aes256)
	_, token, _ := newInitiator(t, issue(t, aes256, nil), false).Start()
	if _, _, err := service.begin(false).Next(token); err != nil {
		t.Fatal(err)
	}
	if _, _, err := service.begin(false).Next(token); !errors.Is(err, ErrDenied) || !strings.Contains(err.Error(), "replay") {
		t.Errorf("a replayed request: %v", err)
	}
	// Elsewhere it would be new, as for a second gateway with the same keytab.
	// What follows is not, because our key is.
	other := &KerberosService{Keytab: service.Keytab}
	if _, _, err := other.begin(false).Next(token); err != nil {
		t.Error(err)
	}
}

func TestReplayCache(t *testing.T) {
	var r replayCache
	now := time.Now()
	for i := range maxReplays {
		must(t, r.add(binary.BigEndian.AppendUint32(nil, uint32(i)), now, now.Add(time.Duration(i)*time.Millisecond)))
	}
	if err := r.add([]byte("one more"), now, now); err != errReplaysFull {
		t.Errorf("full: %v", err)
	}
	if err := r.add(make([]byte, 4), now, now); err != errReplayed {
		t.Errorf("again: %v", err)
	}
	later := now.Add(10 * time.Millisecond)
	must(t, r.add([]byte("one more"), later, later))
	if err := r.add(binary.BigEndian.AppendUint32(nil, 10), later, later); err != errReplayed {
		t.Errorf("what expires now is forgotten already: %v", err)
	}
	must(t, r.add(make([]byte, 4), later, later))
	must(t, r.add([]byte("much later"), now.Add(time.Hour), now.Add(time.Hour)))
	if len(r.seen) != 1 || len(r.queue) != 1 {
		t.Errorf("%d and %d are left of what has expired", len(r.seen), len(r.queue))
	}
}

// A foreign client's name never looks like a local one's.
func TestPrincipalName(t *testing.T) {
	for _, c := range []struct {
		parts        []string
		realm, local string
		want         string // "" for refused
	}{
		{[]string{"alice"}, testRealm, testRealm, "alice"},
		{[]string{"alice"}, testRealm, "", "alice@EXAMPLE.ORG"},
		{[]string{"alice"}, "OTHER.ORG", testRealm, "alice@OTHER.ORG"},
		{[]string{"alice"}, "example.org", testRealm, "alice@example.org"},
		{[]string{"root", "admin"}, testRealm, testRealm, "root/admin"},
		{[]string{"WS1$"}, testRealm, testRealm, "WS1$"},
		{[]string{"jörg"}, testRealm, testRealm, "jörg"},
		{[]string{"alice@OTHER.ORG"}, testRealm, testRealm, ""},
		{[]string{"root/admin"}, testRealm, testRealm, ""},
		{[]string{`al\ice`}, testRealm, testRealm, ""},
		{[]string{"alice", ""}, testRealm, testRealm, ""},
		{[]string{"al ice"}, testRealm, testRealm, ""},
		{[]string{"alice\x00"}, testRealm, testRealm, ""},
		{[]string{"alice\n"}, testRealm, testRealm, ""},
		{[]string{"\xff"}, testRealm, testRealm, ""},
		{[]string{"alice"}, "", "", ""},
		{[]string{"alice"}, "A@B", "", ""},
		{nil, testRealm, testRealm, ""},
	} {
		got, err := principalName(types.PrincipalName{NameString: c.parts}, c.realm, c.local)
		if got != c.want || (err == nil) != (c.want != "") {
			t.Errorf("%q@%q seen from %q: %q, %v; want %q", c.parts, c.realm, c.local, got, err, c.want)
		}
	}
}

func TestLayerMessage(t *testing.T) {
	m := layerMessage{layers: 4, maxToken: 0x012345, authzid: "alice"}
	wire := m.append(nil)
	if !bytes.Equal(wire, []byte("\x04\x01\x23\x45alice")) {
		t.Errorf("% x", wire)
	}
	if got, err := parseLayerMessage(wire); err != nil || got != m {
		t.Errorf("%+v, %v", got, err)
	}
	for _, bad := range []string{"", "\x01\x00\x00", "\x01\x00\x00\x00\xff", "\x01\x00\x00\x00" + strings.Repeat("a", maxAuthzid+1)} {
		if _, err := parseLayerMessage([]byte(bad)); err == nil {
			t.Errorf("%.20q is taken", bad)
		}
	}
}
