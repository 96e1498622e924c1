//go:build linux

package auth_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/binary"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"vncgate/auth"
	"vncgate/layers"
	"vncgate/rfb"
)

// QEMU without TLS takes nothing but a confidential layer, in tokens of 8192
// bytes; with TLS it wants none. Its picture has to come through either.
func TestGSSAPIWithQEMU(t *testing.T) {
	dir, env, alice := auth.KerberosRealm(t)
	if _, err := exec.LookPath("qemu-system-x86_64"); err != nil {
		if os.Getenv("VNCGATE_REQUIRE_PEERS") != "" {
			t.Fatal("qemu-system-x86_64 is missing: apt install qemu-system-x86")
		}
		t.Skip("qemu-system-x86_64 is missing: apt install qemu-system-x86")
	}
	must(t, os.WriteFile(filepath.Join(dir, "qemu.conf"), []byte("mech_list: gssapi\nkeytab: "+dir+"/vnc.keytab\n"), 0o600))
	env = append(env, "SASL_CONF_PATH="+dir)
	t.Run("without TLS", func(t *testing.T) {
		t.Parallel()
		c := dialDisplay(t, startQEMU(t, env, "sasl=on"))
		logIn(t, c, gssapiSecurity(alice, false), "sasl/GSSAPI", true)
	})
	t.Run("with TLS", func(t *testing.T) {
		t.Parallel()
		trusted := writeCertificate(t, dir)
		c := dialDisplay(t, startQEMU(t, env, "sasl=on,tls-creds=tls", "-object", "tls-creds-x509,id=tls,endpoint=server,verify-peer=off,dir="+dir))
		security := rfb.ClientVeNCrypt{Subtypes: []rfb.Security{rfb.ClientX509{
			TLS:   rfb.Upgrade(layers.TLSClient(&tls.Config{RootCAs: trusted, ServerName: "localhost"})),
			Inner: gssapiSecurity(alice, true),
		}}}
		logIn(t, c, security, "x509-sasl/GSSAPI", false)
	})
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// layered is a client as package rfb wants it.
type layered struct{ *auth.GSSAPIClient }

func (l layered) SecurityLayer() rfb.Upgrade { return upgrade(l.Layer()) }

func upgrade(l auth.SecurityLayer, ok bool) rfb.Upgrade {
	if !ok {
		return nil
	}
	return layers.SASL(layers.SASLCodec(l))
}

func gssapiSecurity(who auth.KerberosCredentials, encrypted bool) rfb.Security {
	return rfb.ClientSASL{Choose: func(ctx context.Context, offered []string, c net.Conn) (rfb.SASLClientMechanism, error) {
		client, err := who.Client(ctx, auth.KerberosTestService, encrypted)
		return layered{client}, err
	}}
}

// startQEMU runs a machine without anything and returns its address.
func startQEMU(t *testing.T, env []string, options string, args ...string) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	port := l.Addr().(*net.TCPAddr).Port
	l.Close()
	cmd := exec.Command("qemu-system-x86_64", append([]string{"-nodefaults", "-no-user-config", "-machine", "none", "-display", "none",
		"-vnc", fmt.Sprintf("127.0.0.1:%d,%s", port-5900, options)}, args...)...)
	cmd.Env = env
	cmd.Stderr = os.Stderr
	must(t, cmd.Start())
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
	})
	return fmt.Sprint("127.0.0.1:", port)
}

func dialDisplay(t *testing.T, address string) net.Conn {
	t.Helper()
	for end := time.Now().Add(time.Minute); ; time.Sleep(20 * time.Millisecond) {
		c, err := net.Dial("tcp", address)
		if err == nil {
			t.Cleanup(func() { c.Close() })
			must(t, c.SetDeadline(time.Now().Add(time.Minute)))
			return c
		}
		if time.Now().After(end) {
			t.Fatal(err)
		}
	}
}

// logIn has a picture sent over c.
func logIn(t *testing.T, c net.Conn, security rfb.Security, method string, layer bool) {
	t.Helper()
	conn, err := rfb.Client(t.Context(), c, &rfb.ClientConfig{Security: []rfb.Security{security}})
	must(t, err)
	if conn.Secured.Method != method {
		t.Errorf("method %q", conn.Secured.Method)
	}
	if s, ok := conn.Conn.(*layers.SASLConn); ok != layer || ok && s.SSF() < 128 {
		t.Errorf("the connection is a %T", conn.Conn)
	}
	_, err = conn.Write([]byte{1}) // ClientInit: shared
	must(t, err)
	head := make([]byte, 24) // ServerInit
	_, err = io.ReadFull(conn, head)
	must(t, err)
	width, height := binary.BigEndian.Uint16(head), binary.BigEndian.Uint16(head[2:])
	bytesPerPixel := int64(head[4] / 8)
	_, err = io.CopyN(io.Discard, conn, int64(binary.BigEndian.Uint32(head[20:])))
	must(t, err)
	request := append([]byte{rfb.MsgFramebufferUpdateRequest, 0, 0, 0, 0, 0}, head[:4]...)
	_, err = conn.Write(request)
	must(t, err)
	picture := int64(width) * int64(height) * bytesPerPixel
	update := make([]byte, 4+12) // one rectangle of the whole, Raw
	_, err = io.ReadFull(conn, update)
	must(t, err)
	if update[0] != 0 || picture == 0 {
		t.Fatalf("a display of %d × %d answers % x", width, height, update)
	}
	n, err := io.CopyN(io.Discard, conn, picture)
	if err != nil {
		t.Errorf("%d of %d bytes of the picture: %v", n, picture, err)
	}
}

// writeCertificate makes an authority and its certificate for localhost, as
// QEMU reads them.
func writeCertificate(t *testing.T, dir string) *x509.CertPool {
	t.Helper()
	authority := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"}, IsCA: true, KeyUsage: x509.KeyUsageCertSign,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), BasicConstraintsValid: true,
	}
	caKey := writePair(t, filepath.Join(dir, "ca"), authority, authority, nil)
	server := *authority
	server.SerialNumber, server.DNSNames, server.IsCA, server.KeyUsage = big.NewInt(2), []string{"localhost"}, false, x509.KeyUsageDigitalSignature
	writePair(t, filepath.Join(dir, "server"), &server, authority, caKey)
	text, err := os.ReadFile(filepath.Join(dir, "ca-cert.pem"))
	must(t, err)
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(text)
	return pool
}

// writePair writes a certificate that parent signs, or itself, and its key.
func writePair(t *testing.T, path string, template, parent *x509.Certificate, signer *ecdsa.PrivateKey) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	if signer == nil {
		signer = key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), signer)
	must(t, err)
	must(t, os.WriteFile(path+"-cert.pem", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600))
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	must(t, err)
	must(t, os.WriteFile(path+"-key.pem", pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret}), 0o600))
	return key
}
