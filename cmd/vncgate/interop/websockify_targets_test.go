package interop

import (
	"crypto/tls"
	"crypto/x509"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// bridgeWorld is what both bridges find: targets, files, tokens, certificates.
type bridgeWorld struct {
	dir                                             string
	echo, echo6, dead, leaving, unix, tls, tlsGreet string // targets
	web, tokens, both, ca                           string // files
	jane, joe                                       tls.Certificate
}

// newBridgeWorld starts the targets and writes the files.
func newBridgeWorld(t *testing.T) *bridgeWorld {
	t.Helper()
	dir, err := testScope(t).tempDir()
	if err != nil {
		t.Fatal(err)
	}
	a, err := newAuthority(testScope(t), "bridge authority")
	if err != nil {
		t.Fatal(err)
	}
	w := &bridgeWorld{dir: dir, ca: a.caFile, unix: filepath.Join(dir, "echo"), web: filepath.Join(dir, "web"),
		tokens: filepath.Join(dir, "tokens"), both: filepath.Join(dir, "both.pem")}
	w.echo = w.serve(t, "tcp", "127.0.0.1:0", nil, echoes)
	w.echo6 = w.serve(t, "tcp", "[::1]:0", nil, echoes)
	w.leaving = w.serve(t, "tcp", "127.0.0.1:0", nil, func(c net.Conn) { io.WriteString(c, "bye") })
	w.serve(t, "unix", w.unix, nil, echoes)
	pair, cert := certificateFor(t, a, "localhost")
	w.jane, _ = certificateFor(t, a, "jane")
	w.joe, _ = certificateFor(t, a, "joe")
	secure := &tls.Config{Certificates: []tls.Certificate{pair}}
	local := func(address string) string { return strings.Replace(address, "127.0.0.1", "localhost", 1) }
	w.tls = local(w.serve(t, "tcp", "127.0.0.1:0", secure, echoes))
	w.tlsGreet = local(w.serve(t, "tcp", "127.0.0.1:0", secure, func(c net.Conn) { io.WriteString(c, "hi "); echoes(c) }))
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w.dead = ln.Addr().String()
	ln.Close()
	w.write(t, cert, a.keyFile())
	return w
}

func (w *bridgeWorld) serve(t *testing.T, network, address string, secure *tls.Config, serve func(net.Conn)) string {
	t.Helper()
	ln, err := net.Listen(network, address)
	if err != nil {
		t.Fatal(err)
	}
	if secure != nil {
		ln = tls.NewListener(ln, secure)
	}
	t.Cleanup(func() { ln.Close() })
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				serve(c)
			}()
		}
	}()
	return ln.Addr().String()
}

// echoes says everything again and leaves after "quit".
func echoes(c net.Conn) {
	b := make([]byte, 64<<10)
	for {
		n, err := c.Read(b)
		if err != nil {
			return
		}
		c.Write(b[:n])
		if strings.HasSuffix(string(b[:n]), "quit") {
			return
		}
	}
}

// certificateFor issues one that is good for servers and clients.
func certificateFor(t *testing.T, a *authority, name string) (pair tls.Certificate, file string) {
	t.Helper()
	file, _, err := a.issue(name, func(leaf, _ *x509.Certificate) { leaf.Subject.CommonName = name })
	if err == nil {
		pair, err = tls.LoadX509KeyPair(file, a.keyFile())
	}
	if err != nil {
		t.Fatal(err)
	}
	return pair, file
}

func (w *bridgeWorld) write(t *testing.T, certFile, keyFile string) {
	t.Helper()
	cert, err := os.ReadFile(certFile)
	if err != nil {
		t.Fatal(err)
	}
	key, err := os.ReadFile(keyFile)
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		w.both:                            string(cert) + string(key),
		filepath.Join(w.web, "page.html"): "<p>a page</p>",
		filepath.Join(w.web, "sub", "listed.txt"): "listed",
		filepath.Join(w.web, "own", "index.html"): "<p>an index</p>",
		filepath.Join(w.dir, "outside.txt"):       "outside",
		filepath.Join(w.web, "own.pem"):           string(cert) + string(key),
		w.tokens: strings.Join([]string{"# comment", "good: " + w.echo, "six: " + w.echo6, "unix: unix_socket:" + w.unix,
			"gone: " + w.dead, "good.example: " + w.echo}, "\n") + "\n",
	} {
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}
