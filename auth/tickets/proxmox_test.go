package tickets_test

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"vncgate/auth/tickets"
)

const pveToken = "gate@pve!t1=5a1e0000-0000-4000-8000-00000000beef"

// pveTicket is the form of the tickets: the API's tests do not verify them.
const pveTicket = "PVEVNC:68000000::c2lnbmF0dXJlK3NpZ25hdHVyZS8="

// pve answers as qemu-server:src/PVE/API2/Qemu.pm does.
func pve(t *testing.T, data any) *httptest.Server {
	open := func(w http.ResponseWriter, r *http.Request) {
		if r.FormValue("websocket") != "1" {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		w.Write(toJSON(t, object{"data": data}))
	}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /api2/json/nodes/pve1/qemu/100/vncproxy", open)
	mux.HandleFunc("POST /api2/json/nodes/pve1/lxc/101/vncproxy", open)
	mux.HandleFunc("POST /api2/json/nodes/pve1/qemu/403/vncproxy", status(403))
	mux.HandleFunc("POST /api2/json/nodes/pve1/qemu/999/vncproxy", func(w http.ResponseWriter, _ *http.Request) {
		// Perl's server puts the reason into the status line.
		c, _, _ := w.(http.Hijacker).Hijack()
		fmt.Fprint(c, "HTTP/1.1 500 Configuration file 'nodes/pve1/qemu-server/999.conf' does not exist\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
		c.Close()
	})
	mux.HandleFunc("POST /api2/json/nodes/gone/qemu/100/vncproxy", status(595))
	mux.HandleFunc("GET /api2/json/cluster/resources", func(w http.ResponseWriter, r *http.Request) {
		if r.FormValue("type") != "vm" {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		w.Write([]byte(`{"data":[{"type":"qemu","node":"pve2","vmid":102,"template":0},{"type":"lxc","node":"pve1","vmid":101},` +
			`{"type":"qemu","node":"pve1","vmid":"100"},{"type":"qemu","node":"pve1","vmid":900,"template":1},{"type":"qemu","node":"a/b","vmid":100}]}`))
	})
	s := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "PVEAPIToken="+pveToken {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		mux.ServeHTTP(w, r)
	}))
	t.Cleanup(s.Close)
	return s
}

func pveSource(t testing.TB, s *httptest.Server, token string) *tickets.Proxmox {
	return ok(tickets.NewProxmox(tickets.ProxmoxConfig{URL: s.URL, Client: s.Client(), Token: func(context.Context) (string, error) { return token, nil }}))(t)
}

func TestProxmox(t *testing.T) {
	for what, c := range map[string]struct {
		data     object
		ticket   string
		password string
	}{
		"password":            {object{"port": 5901, "ticket": "12345678:" + pveTicket, "password": "12345678"}, "12345678:" + pveTicket, "12345678"},
		"before the ticket":   {object{"port": "5901", "ticket": "12345678:" + pveTicket}, "12345678:" + pveTicket, "12345678"},
		"the ticket is it":    {object{"port": "5901", "ticket": pveTicket}, pveTicket, "PVEVNC:6"},
		"other fields remain": {object{"port": 5901, "ticket": pveTicket, "password": "p", "upid": "U", "cert": "C", "user": "u"}, pveTicket, "p"},
	} {
		t.Run(what, func(t *testing.T) {
			s := pve(t, c.data)
			host := strings.TrimPrefix(s.URL, "https://")
			for name, path := range map[string]string{"pve1/100": "qemu/100", "pve1/qemu/100": "qemu/100", "pve1/lxc/101": "lxc/101"} {
				want(t, pveSource(t, s, pveToken), name, tickets.Ticket{
					Address: host, TLS: true, Password: c.password, Header: http.Header{"Authorization": {"PVEAPIToken=" + pveToken}},
					WebSocketURL: "wss://" + host + "/api2/json/nodes/pve1/" + path + "/vncwebsocket?port=5901&vncticket=" + url.QueryEscape(c.ticket),
				})
			}
		})
	}
}

func TestProxmoxFails(t *testing.T) {
	s := pve(t, object{"port": 5901, "ticket": pveTicket})
	p := pveSource(t, s, pveToken)
	wantUnknown(t, p, "pve1/999", "no such machine")
	for _, bad := range []string{"", "100", "pve1", "pve1/", "pve1/99", "pve1/0100", "../100", "pve1/100/x", "pve1/storage/100", "a/../b/100", "pve1/100\n"} {
		wantUnknown(t, p, bad, "form node/vmid")
	}
	wantFailure(t, p, "pve1/403", "VM.Console", pveToken)
	wantFailure(t, p, "gone/100", "is the machine running", pveToken)
	wantFailure(t, pveSource(t, s, "gate@pve!t1=wrong"), "pve1/100", "not taken", "wrong")
	wantFailure(t, pveSource(t, s, "secret"), "pve1/100", "must be like", "\"secret\"")
	wantFailure(t, pveSource(t, pve(t, object{"port": 0}), pveToken), "pve1/100", "neither port nor ticket")
	wantFailure(t, pveSource(t, pve(t, "text"), pveToken), "pve1/100", "expected")
	s.Close()
	wantFailure(t, p, "pve1/100", "refused", pveToken)
	if _, err := p.Names(t.Context()); err == nil {
		t.Error("listed by a server that is down")
	}
	for _, cfg := range []tickets.ProxmoxConfig{{URL: "https://h"}, {URL: "http://h", Token: geheim}, {URL: "h:8006", Token: geheim}} {
		if _, err := tickets.NewProxmox(cfg); err == nil {
			t.Errorf("%s was taken", cfg.URL)
		}
	}
}

func TestProxmoxNames(t *testing.T) {
	s := pve(t, nil)
	names, err := pveSource(t, s, pveToken).Names(t.Context())
	if err != nil || !slices.Equal(names, []string{"pve1/100", "pve1/lxc/101", "pve2/102"}) {
		t.Errorf("%q, %v", names, err)
	}
	if _, err := pveSource(t, s, "g@pve!t=wrong").Names(t.Context()); err == nil {
		t.Error("listed without a good token")
	}
	if _, err := pveSource(t, s, "").Names(t.Context()); err == nil {
		t.Error("listed without a token")
	}
}

// vncTicket signs as pve-access-control:src/PVE/AccessControl.pm and
// pve-common:src/PVE/Ticket.pm do: secret is what is signed and not said.
func vncTicket(t testing.TB, key *rsa.PrivateKey, hash crypto.Hash, at time.Time, secret string) string {
	plain := fmt.Sprintf("PVEVNC:%08X", at.Unix())
	var digest []byte
	if hash == crypto.SHA1 {
		d := sha1.Sum([]byte(plain + ":" + secret))
		digest = d[:]
	} else {
		d := sha256.Sum256([]byte(plain + ":" + secret))
		digest = d[:]
	}
	return plain + "::" + base64.StdEncoding.EncodeToString(ok(rsa.SignPKCS1v15(rand.Reader, key, hash, digest))(t))
}

func pveQuery(change map[string]string) string {
	q := url.Values{"node": {"pve1"}, "vmid": {"100"}, "user": {"root@pam"}, "port": {"5901"}}
	for k, v := range change {
		if q.Set(k, v); v == "" {
			q.Del(k)
		}
	}
	return q.Encode()
}

func newProxmoxTicket(t testing.TB, change func(*tickets.ProxmoxTicketConfig)) *tickets.ProxmoxTicket {
	cfg := tickets.ProxmoxTicketConfig{KeyFile: keyFile(t, publicPEM(t, &rsaKey().PublicKey)), Nodes: map[string]string{"pve1": "10.0.0.1", "pve2": "fe80::2"}}
	if change != nil {
		change(&cfg)
	}
	return ok(tickets.NewProxmoxTicket(cfg))(t)
}

func TestProxmoxTicket(t *testing.T) {
	p, now := newProxmoxTicket(t, nil), time.Now()
	const secret = "root@pam:/vms/100:5901"
	query := func(ticket string, change map[string]string) string {
		all := map[string]string{"vncticket": ticket}
		for k, v := range change {
			all[k] = v
		}
		return pveQuery(all)
	}
	good := tickets.Ticket{Address: "10.0.0.1:5901", Identity: by("proxmox", "root@pam")}
	ticket := vncTicket(t, rsaKey(), crypto.SHA256, now, secret)
	want(t, p, query(ticket, nil), good)
	want(t, p, query(vncTicket(t, rsaKey(), crypto.SHA1, now, secret), nil), good)
	want(t, p, query(vncTicket(t, rsaKey(), crypto.SHA256, now.Add(-30*time.Second), secret), nil), good)
	want(t, p, query(vncTicket(t, rsaKey(), crypto.SHA256, now.Add(10*time.Second), secret), nil), good)
	want(t, p, query(ticket, map[string]string{"node": "pve2"}), tickets.Ticket{Address: "[fe80::2]:5901", Identity: good.Identity})
	tls := newProxmoxTicket(t, func(c *tickets.ProxmoxTicketConfig) { c.TLS, c.Portless = true, true })
	good.Password, good.TLS = "!2345:78", true
	want(t, tls, query("!2345:78:"+ticket, nil), good)
	want(t, tls, query(ticket, map[string]string{"password": "!2345:78"}), good)
	portless := vncTicket(t, rsaKey(), crypto.SHA1, now, "root@pam:/vms/100")
	want(t, tls, query(portless, map[string]string{"password": "!2345:78"}), good)
	wantUnknown(t, p, query(portless, nil), "signature is wrong")

	for what, c := range map[string]struct {
		token, says string
	}{
		"old":           {query(vncTicket(t, rsaKey(), crypto.SHA256, now.Add(-41*time.Second), secret), nil), "too old"},
		"of the future": {query(vncTicket(t, rsaKey(), crypto.SHA256, now.Add(25*time.Second), secret), nil), "too old"},
		"another key":   {query(vncTicket(t, rsaKey2(), crypto.SHA256, now, secret), nil), "signature is wrong"},
		"other port":    {query(ticket, map[string]string{"port": "5902"}), "signature is wrong"},
		"other machine": {query(ticket, map[string]string{"vmid": "101"}), "signature is wrong"},
		"other user":    {query(ticket, map[string]string{"user": "ada@pam"}), "signature is wrong"},
		"other node":    {query(ticket, map[string]string{"node": "pve3"}), "not configured"},
		"no ticket":     {pveQuery(nil), "missing or malformed"},
		"odd user":      {query(ticket, map[string]string{"user": "root@pam:/vms/100"}), "missing or malformed"},
		"ssh's port":    {query(ticket, map[string]string{"port": "22"}), "5900 to 5999"},
		"spelled port":  {query(ticket, map[string]string{"port": "05901"}), "5900 to 5999"},
		"twice":         {query(ticket, nil) + "&vmid=100", "twice"},
		"stranger":      {query(ticket, nil) + "&x=1", "none"},
		"no query":      {"%zz", "query"},
		"long password": {query(ticket, map[string]string{"password": "123456789"}), "longer"},
		"large":         {strings.Repeat("a", 65<<10), "too large"},
		"not base64":    {query("PVEVNC:68000000::A", nil), "not base64"},
	} {
		t.Run(what, func(t *testing.T) { wantUnknown(t, p, c.token, c.says) })
	}
}

func TestProxmoxTicketConfig(t *testing.T) {
	path := keyFile(t, pemText("RSA PUBLIC KEY", x509.MarshalPKCS1PublicKey(&rsaKey().PublicKey)))
	var broken error
	p := newProxmoxTicket(t, func(c *tickets.ProxmoxTicketConfig) { c.KeyFile, c.Report = path, func(err error) { broken = err } })
	ticket := func() string {
		return pveQuery(map[string]string{"vncticket": vncTicket(t, rsaKey2(), crypto.SHA256, time.Now(), "root@pam:/vms/100:5901")})
	}
	wantUnknown(t, p, ticket(), "signature is wrong")
	for _, text := range []string{publicPEM(t, &rsaKey2().PublicKey), "broken"} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		want(t, p, ticket(), tickets.Ticket{Address: "10.0.0.1:5901", Identity: by("proxmox", "root@pam")})
	}
	if broken == nil {
		t.Error("nothing was reported")
	}
	nodes := map[string]string{"a": "b"}
	for says, cfg := range map[string]tickets.ProxmoxTicketConfig{
		"no nodes":          {KeyFile: path},
		`host of node "a"`:  {KeyFile: path, Nodes: map[string]string{"a": "b:c"}},
		"no such file":      {KeyFile: path + ".none", Nodes: nodes},
		"RSA public key of": {KeyFile: keyFile(t, publicPEM(t, &ecKey().PublicKey)), Nodes: nodes},
		"PEM file":          {KeyFile: keyFile(t, "text"), Nodes: nodes},
	} {
		if _, err := tickets.NewProxmoxTicket(cfg); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%v, expected: %s", err, says)
		}
	}
}

// Only a query whose ticket was signed for just what it says comes through.
func FuzzProxmoxTicket(f *testing.F) {
	p := newProxmoxTicket(f, nil)
	f.Add(pveQuery(map[string]string{"vncticket": pveTicket}), "root@pam", "100")
	f.Add("vmid=100&vmid=101", "ada@pve!t1", "999999999")
	f.Add("%", "a:b@pam", "1")
	f.Fuzz(func(t *testing.T, query, user, vmid string) {
		if _, err := p.Lookup(context.Background(), query); !errors.Is(err, tickets.ErrUnknown) {
			t.Fatalf("forged: %v", err)
		}
		ticket := vncTicket(t, rsaKey(), crypto.SHA256, time.Now(), user+":/vms/"+vmid+":5901")
		got, err := p.Lookup(context.Background(), pveQuery(map[string]string{"vncticket": ticket, "user": user, "vmid": vmid}))
		if err != nil && !errors.Is(err, tickets.ErrUnknown) || err == nil && (got.Identity.Name != user || got.Address != "10.0.0.1:5901") {
			t.Fatalf("%+v, %v", got, err)
		}
	})
}

func FuzzProxmoxName(f *testing.F) {
	var asked string
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { asked = r.URL.Path; w.WriteHeader(400) }))
	f.Cleanup(s.Close)
	p := ok(tickets.NewProxmox(tickets.ProxmoxConfig{URL: s.URL, Plain: true, Token: func(context.Context) (string, error) { return pveToken, nil }}))(f)
	f.Add("pve1/100")
	f.Add("pve1/lxc/100")
	f.Add("../../access/users/100")
	f.Fuzz(func(t *testing.T, name string) {
		asked = ""
		if _, err := p.Lookup(context.Background(), name); !errors.Is(err, tickets.ErrUnknown) {
			t.Fatal(err)
		}
		parts := strings.Split(asked, "/")
		if asked != "" && (len(parts) != 8 || parts[3] != "nodes" || parts[7] != "vncproxy" || slices.Contains(parts, "..")) {
			t.Fatalf("%q asked for %q", name, asked)
		}
	})
}
