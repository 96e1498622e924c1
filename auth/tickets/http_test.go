package tickets_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"vncgate/auth"
	"vncgate/auth/tickets"
)

// serveAPI runs a token service.
func serveAPI(t testing.TB, h http.HandlerFunc) *httptest.Server {
	t.Helper()
	s := httptest.NewServer(h)
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	t.Cleanup(s.Close)
	return s
}

// api makes a source; everything in cfg but the URL may be left out.
func api(t testing.TB, cfg tickets.HTTPConfig) *tickets.HTTP {
	t.Helper()
	s, err := tickets.NewHTTP(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func TestHTTPAnswers(t *testing.T) {
	server := serveAPI(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer key" || r.Header.Get("Accept") == "" || r.Method != "GET" {
			w.WriteHeader(http.StatusTeapot)
			return
		}
		switch r.URL.Query().Get("token") {
		case "plain":
			fmt.Fprintln(w, "host:5900")
		case "json":
			fmt.Fprint(w, `{"host":"::1","port":5900}`)
		case "rich":
			fmt.Fprint(w, `{"target":"vm","identity":"alice","rights":["view"],"password":"pw"}`)
		case "ended":
			fmt.Fprint(w, `{"target":"vm","expires":1}`)
		case "a&b=c #é/..":
			fmt.Fprint(w, "odd:1")
		case "empty":
			w.WriteHeader(http.StatusNoContent)
		case "large":
			fmt.Fprint(w, "h:1", strings.Repeat(" ", 70000))
		case "garbage":
			fmt.Fprint(w, "<html>s3cret</html>")
		default:
			http.NotFound(w, r)
		}
	})
	s := api(t, tickets.HTTPConfig{URL: server.URL + "/?token=%s", Header: http.Header{"Authorization": {"Bearer key"}}})
	for token, want := range map[string]tickets.Ticket{
		"plain":       at("host:5900"),
		"json":        at("[::1]:5900"),
		"a&b=c #é/..": at("odd:1"),
		"rich":        {Target: "vm", Password: "pw", Identity: auth.Identity{Name: "alice", Method: "http"}, Rights: auth.Viewing},
	} {
		got, err := s.Lookup(context.Background(), token)
		if diff := cmp.Diff(want, got); diff != "" || err != nil {
			t.Errorf("%s: %v\n%s", token, err, diff)
		}
	}
	for _, token := range []string{"", "nobody's", "ended", "empty", strings.Repeat("x", 5000)} {
		expect(t, s, token, "")
	}
	var told reports
	s.Report = told.add
	expect(t, s, "large", "")
	expect(t, s, "garbage", "")
	told.mu.Lock()
	defer told.mu.Unlock()
	if said := strings.Join(told.said, "\n"); len(told.said) != 2 || !strings.Contains(said, "65536 bytes") || !strings.Contains(said, "neither an address") || strings.Contains(said, "s3cret") {
		t.Errorf("reports: %s", said)
	}
	expectFailure(t, api(t, tickets.HTTPConfig{URL: server.URL + "/?token=%s"}), "plain", "status 418")
}

func TestHTTPStatus(t *testing.T) {
	var status atomic.Int64
	server := serveAPI(t, func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(int(status.Load()))
		fmt.Fprint(w, "host:1")
	})
	s := api(t, tickets.HTTPConfig{URL: server.URL + "/{token}"})
	for code, want := range map[int64]string{
		200: "good", 201: "good", 299: "good",
		400: "unknown", 401: "unknown", 403: "unknown", 404: "unknown", 410: "unknown", 422: "unknown",
		300: "failed", 304: "failed", 302: "failed", 405: "failed", 407: "failed", 408: "failed", 429: "failed", 500: "failed", 503: "failed",
	} {
		status.Store(code)
		_, err := s.Lookup(context.Background(), "s3cret")
		got := "good"
		if errors.Is(err, tickets.ErrUnknown) {
			got = "unknown"
		} else if err != nil {
			got = "failed"
		}
		if got != want || err != nil && strings.Contains(err.Error(), "s3cret") {
			t.Errorf("status %d: %s (%v), want %s", code, got, err, want)
		}
	}
}

func TestHTTPRedirects(t *testing.T) {
	var elsewhere atomic.Int64
	other := serveAPI(t, func(w http.ResponseWriter, _ *http.Request) {
		elsewhere.Add(1)
		fmt.Fprint(w, "evil:1")
	})
	server := serveAPI(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/here":
			http.Redirect(w, r, "/there", http.StatusFound)
		case "/there":
			fmt.Fprint(w, "host:1")
		case "/other":
			http.Redirect(w, r, other.URL+r.URL.Path, http.StatusFound)
		case "/s3cret":
			w.Header().Set("Location", "http://[broken/s3cret")
			w.WriteHeader(http.StatusFound)
		default:
			http.Redirect(w, r, r.URL.Path, http.StatusFound)
		}
	})
	s := api(t, tickets.HTTPConfig{URL: server.URL + "/%s"})
	expect(t, s, "here", "host:1")
	expectFailure(t, s, "other", "status 302")
	expectFailure(t, s, "round", "status 302")
	expectFailure(t, s, "s3cret", "could not be asked")
	if elsewhere.Load() != 0 {
		t.Error("the token went to another host")
	}
}

func TestHTTPFailuresTellNoToken(t *testing.T) {
	silent := make(chan struct{})
	server := serveAPI(t, func(w http.ResponseWriter, r *http.Request) {
		switch {
		case strings.HasPrefix(r.URL.Path, "/silent"):
			<-silent
		case strings.HasPrefix(r.URL.Path, "/torn"):
			w.Header().Set("Content-Length", "100")
			fmt.Fprint(w, "host:1")
		default:
			panic(http.ErrAbortHandler)
		}
	})
	defer close(silent)
	for path, says := range map[string]string{"silent": "no answer within 200ms", "torn": "", "cut": ""} {
		s := api(t, tickets.HTTPConfig{URL: server.URL + "/" + path + "/%s", Timeout: 200 * time.Millisecond})
		if path != "silent" {
			s = api(t, tickets.HTTPConfig{URL: server.URL + "/" + path + "/%s"})
		}
		expectFailure(t, s, "s3cret", says)
	}
	nobody := httptest.NewServer(nil)
	nobody.Close()
	expectFailure(t, api(t, tickets.HTTPConfig{URL: nobody.URL + "/%s"}), "s3cret", "refused")
	raw, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer raw.Close()
	go func() {
		for {
			c, err := raw.Accept()
			if err != nil {
				return
			}
			buf := make([]byte, 1024)
			n, _ := c.Read(buf)
			_, _ = c.Write(buf[:n]) // says the token back
			c.Close()
		}
	}()
	expectFailure(t, api(t, tickets.HTTPConfig{URL: "http://" + raw.Addr().String() + "/%s"}), "s3cret", "could not be asked")
}

func TestHTTPCallerGoesAway(t *testing.T) {
	server := serveAPI(t, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	s := api(t, tickets.HTTPConfig{URL: server.URL + "/%s", Keep: time.Hour})
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	if _, err := s.Lookup(ctx, "s3cret"); err == nil || errors.Is(err, tickets.ErrUnknown) {
		t.Errorf("got %v", err)
	}
}

func TestHTTPKeeps(t *testing.T) {
	var asked atomic.Int64
	server := serveAPI(t, func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		if r.URL.Path == "/unknown" {
			http.NotFound(w, r)
			return
		}
		fmt.Fprint(w, "host:1")
	})
	s := api(t, tickets.HTTPConfig{URL: server.URL + "/%s", Keep: time.Hour, KeepUnknown: time.Hour})
	for range 5 {
		expect(t, s, "good", "host:1")
		expect(t, s, "unknown", "")
	}
	if n := asked.Load(); n != 2 {
		t.Errorf("asked %d times, want 2", n)
	}
}

// TestHTTPUnderChange: without Keep, a look-up that begins after the service
// changed its mind gives the new answer.
func TestHTTPUnderChange(t *testing.T) {
	var now atomic.Int64
	now.Store(1)
	server := serveAPI(t, func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintf(w, "host:%d", now.Load()) })
	hammer(t, api(t, tickets.HTTPConfig{URL: server.URL + "/%s"}), now.Load, func() {
		for range 200 {
			now.Add(1)
			time.Sleep(time.Millisecond)
		}
	})
}

func TestHTTPWithClientCertificate(t *testing.T) {
	ours, pool := selfSigned(t, "vncgate")
	theirs, roots := selfSigned(t, "localhost")
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "%s:1", r.TLS.PeerCertificates[0].Subject.CommonName)
	}))
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.TLS = &tls.Config{Certificates: []tls.Certificate{theirs}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: pool}
	server.StartTLS()
	defer server.Close()
	url := server.URL + "/%s"
	expect(t, api(t, tickets.HTTPConfig{URL: url, TLS: &tls.Config{RootCAs: roots, Certificates: []tls.Certificate{ours}}}), "token", "vncgate:1")
	expectFailure(t, api(t, tickets.HTTPConfig{URL: url, TLS: &tls.Config{RootCAs: roots}}), "s3cret", "")
	expectFailure(t, api(t, tickets.HTTPConfig{URL: url}), "s3cret", "x509")
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, Certificates: []tls.Certificate{ours}}}}
	expect(t, api(t, tickets.HTTPConfig{URL: url, Client: client}), "token", "vncgate:1")
}

// selfSigned makes a certificate for loopback that is its own authority.
func selfSigned(t testing.TB, name string) (tls.Certificate, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name},
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth},
		IsCA:        true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(leaf)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}, pool
}

func ExampleNewHTTP() {
	service := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, `{"host": "vm7.example", "port": 5900}`)
	}))
	defer service.Close()
	source, err := tickets.NewHTTP(tickets.HTTPConfig{URL: service.URL + "/tokens/{token}", Keep: 10 * time.Second})
	if err != nil {
		panic(err)
	}
	defer source.Close()
	ticket, err := source.Lookup(context.Background(), "4711")
	fmt.Println(ticket.Address, err)
	// Output: vm7.example:5900 <nil>
}
