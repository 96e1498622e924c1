package layers_test

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"vncgate/layers"
	"vncgate/layers/layertest"
)

func tlsPair(t testing.TB) (client, server net.Conn, clientPipe, serverPipe *layertest.PipeConn) {
	t.Helper()
	certs := layertest.Certificates(t)
	near, far := layertest.Pipe()
	client, server = join(t, near, far, layers.TLSClient(certs.Client), layers.TLSServer(certs.Server))
	return client, server, near.(*layertest.PipeConn), far.(*layertest.PipeConn)
}

// TestTLSEndWithoutGoodbye cuts between two records, where crypto/tls alone
// would see a clean end.
func TestTLSEndWithoutGoodbye(t *testing.T) {
	client, server, _, serverPipe := tlsPair(t)
	if _, err := io.WriteString(server, "all of it"); err != nil {
		t.Fatal(err)
	}
	_ = serverPipe.CloseWrite()
	got, err := io.ReadAll(client)
	if string(got) != "all of it" || err != layers.ErrTruncated {
		t.Errorf("read %q, %v; want ErrTruncated", got, err)
	}
	if _, err := client.Read(got); err != layers.ErrTruncated {
		t.Errorf("again: %v", err)
	}
}

func TestRelaxedEOF(t *testing.T) {
	client, server, _, serverPipe := tlsPair(t)
	relaxed, err := layers.RelaxedEOF(context.Background(), client)
	if err != nil || relaxed != client {
		t.Fatalf("RelaxedEOF = %v, %v", relaxed, err)
	}
	_, _ = io.WriteString(server, "all of it")
	_ = serverPipe.CloseWrite()
	if got, err := io.ReadAll(client); string(got) != "all of it" || err != nil {
		t.Errorf("read %q, %v", got, err)
	}
	if _, err := layers.RelaxedEOF(context.Background(), serverPipe); err == nil {
		t.Error("RelaxedEOF on something that is not TLS")
	}
}

// TestTLSOtherProtocols: the error says what a stray client spoke.
func TestTLSOtherProtocols(t *testing.T) {
	certs := layertest.Certificates(t)
	for sent, want := range map[string]string{
		"GET / HTTP/1.1\r\nHost: x\r\n\r\n":  "plain HTTP",
		"RFB 003.008\n":                      "plain RFB",
		"PROXY TCP4 1.1.1.1 2.2.2.2 3 4\r\n": "PROXY header",
		"\r\n\r\n\x00\r\nQUIT\n":             "PROXY header",
		"SSH-2.0-OpenSSH\r\n":                "SSH",
		"xxxxxxxxxxxx":                       "does not look like a TLS handshake",
	} {
		near, far := layertest.Pipe()
		_, _ = io.WriteString(near, sent)
		c, err := layers.TLSServer(certs.Server)(context.Background(), far)
		var record tls.RecordHeaderError
		if c != nil || !errors.As(err, &record) || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", sent, err, want)
		}
		_ = near.Close()
		_ = far.Close()
	}
}

func TestTLSVersions(t *testing.T) {
	certs := layertest.Certificates(t)
	old := certs.Client.Clone()
	old.MinVersion, old.MaxVersion = tls.VersionTLS10, tls.VersionTLS11
	near, far := layertest.Pipe()
	defer near.Close()
	defer far.Close()
	go func() { _, _ = layers.TLSClient(old)(context.Background(), near) }()
	if _, err := layers.TLSServer(certs.Server)(context.Background(), far); err == nil {
		t.Error("TLS 1.1 accepted")
	}
	twelve := certs.Client.Clone()
	twelve.MaxVersion = tls.VersionTLS12
	a, b := layertest.Pipe()
	client, _ := join(t, a, b, layers.TLSClient(twelve), layers.TLSServer(certs.Server))
	if got := layers.Describe(client); got != "pipe→tls1.2" {
		t.Errorf("Describe = %q", got)
	}
	if certs.Server.MinVersion != 0 {
		t.Error("the caller's config was changed")
	}
}

func TestTLSClientRefusesTheWrongName(t *testing.T) {
	certs := layertest.Certificates(t)
	wrong := certs.Client.Clone()
	wrong.ServerName = "elsewhere.test"
	near, far := layertest.Pipe()
	defer near.Close()
	defer far.Close()
	go func() { _, _ = layers.TLSServer(certs.Server)(context.Background(), far) }()
	_, err := layers.TLSClient(wrong)(context.Background(), near)
	var name *tls.CertificateVerificationError
	if !errors.As(err, &name) || !strings.Contains(err.Error(), "elsewhere.test") {
		t.Errorf("error = %v", err)
	}
	if _, err := layers.TLSClient(nil)(context.Background(), near); err == nil {
		t.Error("no config, no error")
	}
}

// TestTLSCloseDoesNotWait: crypto/tls alone gives close_notify five seconds.
func TestTLSCloseDoesNotWait(t *testing.T) {
	client, _, _, _ := tlsPair(t)
	_ = client.SetWriteDeadline(time.Now().Add(time.Millisecond))
	for b := make([]byte, 64<<10); ; {
		if _, err := client.Write(b); err != nil {
			break
		}
	}
	start := time.Now()
	if err := client.Close(); err != nil {
		t.Errorf("Close: %v", err)
	}
	if took := time.Since(start); took > 4500*time.Millisecond {
		t.Errorf("Close took %v", took)
	}
}
