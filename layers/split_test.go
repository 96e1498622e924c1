package layers_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"vncgate/layers"
	"vncgate/layers/layertest"
)

// slowly is a silence that a busy machine keeps to as well.
const slowly = 500 * time.Millisecond

// greeting is what the raw side of the tests says first.
const greeting = "RFB 003.008\n"

// splitServer is a Split on a loopback port with both sides served: HTTP
// answers with what it knows of the request, raw connections are greeted,
// described and echoed.
func splitServer(t *testing.T, config layers.SplitConfig) (address string) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := layers.NewSplit(ln, config)
	server := &http.Server{Handler: http.HandlerFunc(tellRequest)}
	web, raw := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(web)
		_ = server.Serve(s.HTTP())
	}()
	go func() {
		defer close(raw)
		serveRaw(s.Raw())
	}()
	t.Cleanup(func() {
		_ = s.Close()
		_ = server.Close()
		<-web
		<-raw
	})
	return ln.Addr().String()
}

func tellRequest(w http.ResponseWriter, r *http.Request) {
	words := "plain"
	if r.TLS != nil {
		words = "tls " + r.TLS.ServerName
	}
	_, _ = io.WriteString(w, words+" "+r.RemoteAddr)
}

func serveRaw(ln net.Listener) {
	for {
		c, err := ln.Accept()
		if err != nil {
			return
		}
		go func() {
			defer c.Close()
			_, _ = io.WriteString(c, greeting+layers.Describe(c)+"\n")
			_, _ = io.Copy(c, c)
		}()
	}
}

// say sends text and returns all that is answered within patience; a raw
// connection is hung up on after its first two lines.
func say(t *testing.T, c net.Conn, text string) string {
	t.Helper()
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(time.Minute))
	_, _ = io.WriteString(c, text)
	r := bufio.NewReader(c)
	line, err := r.ReadString('\n')
	if line == greeting {
		second, _ := r.ReadString('\n')
		return line + second
	}
	if err != nil {
		return line
	}
	rest, _ := io.ReadAll(r)
	return line + string(rest)
}

func dialTCP(t *testing.T, address string) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func dialTLS(t *testing.T, address string, config *tls.Config) net.Conn {
	t.Helper()
	c, err := layers.TLSClient(config)(context.Background(), dialTCP(t, address))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

const request = "GET / HTTP/1.1\r\nHost: gate.test\r\nConnection: close\r\n\r\n"

// TestSplit knocks in every language at every kind of port.
func TestSplit(t *testing.T) {
	certs := layertest.Certificates(t)
	for _, test := range []struct {
		name                           string
		config                         layers.SplitConfig
		http, https, rfb, rfbs, letter string // how each is answered; "": closed without a word
	}{
		{"all", layers.SplitConfig{TLS: certs.Server},
			"plain 127.", "tls gate.test", greeting + "tcp\n", greeting + "tcp→tls1.3\n", ""},
		{"without TLS", layers.SplitConfig{},
			"plain 127.", "refused", greeting + "tcp\n", "refused", ""},
		{"TLS only", layers.SplitConfig{TLS: certs.Server, TLSOnly: true, Timeout: slowly},
			"TLS only", "tls gate.test", "", greeting + "tcp→tls1.3\n", ""},
		{"HTTP only", layers.SplitConfig{TLS: certs.Server, NoRaw: true, Timeout: slowly},
			"plain 127.", "tls gate.test", "", "silent", "400 Bad Request"},
		{"raw only", layers.SplitConfig{TLS: certs.Server, NoHTTP: true},
			"", greeting + "tcp→tls1.3\n", greeting + "tcp\n", greeting + "tcp→tls1.3\n", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			test.config.Silence = slowly
			address := splitServer(t, test.config)
			check := func(what, got, want string) {
				t.Helper()
				if want == "" && got != "" || !strings.Contains(got, want) {
					t.Errorf("%s: answered %q, want %q", what, got, want)
				}
			}
			check("http", say(t, dialTCP(t, address), request), test.http)
			check("rfb", say(t, dialTCP(t, address), ""), test.rfb)
			check("letters", say(t, dialTCP(t, address), "hello?\r\n\r\n"), test.letter)
			if test.https == "refused" {
				_, err := layers.TLSClient(certs.Client)(context.Background(), dialTCP(t, address))
				if err == nil || !strings.Contains(err.Error(), "handshake failure") {
					t.Errorf("TLS: %v", err)
				}
				return
			}
			check("https", say(t, dialTLS(t, address, certs.Client), request), test.https)
			browser := certs.Client.Clone()
			browser.NextProtos = []string{"h2", "http/1.1"}
			check("browser", say(t, dialTLS(t, address, browser), request), test.https)
			other := certs.Client.Clone()
			other.NextProtos = []string{"http/1.0"}
			check("other ALPN", say(t, dialTLS(t, address, other), request), test.https)
			if test.rfbs != "silent" {
				check("rfbs", say(t, dialTLS(t, address, certs.Client), ""), test.rfbs)
			}
		})
	}
}

// TestSplitBytes sends a long request at once and in single bytes,
// and a viewer's answer with the greeting not yet read.
func TestSplitBytes(t *testing.T) {
	t.Parallel()
	certs := layertest.Certificates(t)
	address := splitServer(t, layers.SplitConfig{TLS: certs.Server, Silence: slowly})
	slow := dialTCP(t, address)
	for i := range len(request) - 1 {
		_, _ = io.WriteString(slow, request[i:i+1])
		if i < 12 {
			time.Sleep(time.Millisecond)
		}
	}
	if got := say(t, slow, request[len(request)-1:]); !strings.Contains(got, "plain") {
		t.Errorf("byte by byte: %q", got)
	}
	early := dialTCP(t, address)
	if got := say(t, early, greeting); got != greeting+"tcp\n" {
		t.Errorf("RFB early: %q", got)
	}
}

// TestSplitBelow reads a PROXY header first.
func TestSplitBelow(t *testing.T) {
	t.Parallel()
	log := make(lines, 8)
	config := layers.SplitConfig{Silence: slowly, Below: layers.ProxyServer(everyone), Log: slog.New(slog.NewTextHandler(log, nil))}
	address := splitServer(t, config)
	header := "PROXY TCP4 192.0.2.7 192.0.2.1 4711 80\r\n"
	if got := say(t, dialTCP(t, address), header+request); !strings.Contains(got, "plain 192.0.2.7:4711") {
		t.Errorf("HTTP behind a proxy: %q", got)
	}
	if got := say(t, dialTCP(t, address), header); got != greeting+"tcp→proxy\n" {
		t.Errorf("RFB behind a proxy: %q", got)
	}
	for range 3 {
		if got := say(t, dialTCP(t, address), request); got != "" {
			t.Errorf("without a header: %q", got)
		}
	}
	if line := <-log; !strings.Contains(line, "level=WARN") || !strings.Contains(line, "does not begin with a PROXY header") {
		t.Errorf("the log says %q", line)
	}
	if len(log) > 0 {
		t.Errorf("and again: %q", <-log)
	}
}

// lines is a log of which each line is waited for.
type lines chan string

func (l lines) Write(b []byte) (int, error) {
	l <- string(b)
	return len(b), nil
}
