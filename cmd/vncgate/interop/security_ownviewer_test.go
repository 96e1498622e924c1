package interop

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/gorilla/websocket"

	"vncgate/auth"
	"vncgate/layers"
	vnc "vncgate/rfb"
)

// An ownViewer is the program's own side of the viewer, for what real viewers
// do not show: the very words and the number of bytes that the gateway says.
type ownViewer struct {
	at             endpoint
	user, password string
	heard          int // bytes, inside the innermost TLS
}

var ownKey = sync.OnceValues(func() (*rsa.PrivateKey, error) { return rsa.GenerateKey(rand.Reader, 2048) })

// enter goes as far as the SecurityResult. A refusal's words are no error.
func (v *ownViewer) enter() (reason string, err error) {
	c, err := v.dial()
	if err != nil {
		return "", err
	}
	defer c.Close()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	s, err := v.security(v.at.security)
	if err != nil {
		return "", err
	}
	_, err = vnc.Client(ctx, v.listen(c), &vnc.ClientConfig{Security: []vnc.Security{s}})
	var refused *vnc.DisplayError
	if errors.As(err, &refused) {
		if refused.Stage != vnc.StageAuthentication || refused.Reason == "" {
			return "", err
		}
		return refused.Reason, nil
	}
	return "", err
}

func (v *ownViewer) dial() (net.Conn, error) {
	if v.at.path == "" {
		return v.at.dial()
	}
	dialer := websocket.Dialer{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, HandshakeTimeout: patience}
	ws, _, err := dialer.Dial(fmt.Sprintf("wss://%s/%s", v.at.address(), v.at.path), nil)
	if err != nil {
		return nil, err
	}
	return &wsStream{Conn: ws.NetConn(), ws: ws}, ws.NetConn().SetDeadline(time.Now().Add(patience))
}

// listen counts from now on.
func (v *ownViewer) listen(c net.Conn) net.Conn {
	v.heard = 0
	return &ear{Conn: c, heard: &v.heard}
}

// An ear counts what is read, until another one above it does.
type ear struct {
	net.Conn
	heard *int
}

func (e *ear) Read(b []byte) (int, error) {
	n, err := e.Conn.Read(b)
	if e.heard != nil {
		*e.heard += n
	}
	return n, err
}

// security is the viewer's side of a type, by the name of the configuration.
func (v *ownViewer) security(name string) (vnc.Security, error) {
	inner, overTLS := strings.CutPrefix(name, "x509-")
	inner, enveloped := strings.CutPrefix(inner, "tight-")
	s := v.plainSecurity(inner)
	switch {
	case s == nil:
		return nil, fmt.Errorf("there is no security type %s", name)
	case overTLS:
		upgrade, err := v.upgrade()
		return vnc.ClientVeNCrypt{Subtypes: []vnc.Security{vnc.ClientX509{TLS: upgrade, Inner: s}}}, err
	case enveloped:
		return vnc.ClientTight{Auths: []vnc.Security{s}}, nil
	case name == "plain":
		return vnc.ClientVeNCrypt{Subtypes: []vnc.Security{s}}, nil
	}
	return s, nil
}

func (v *ownViewer) upgrade() (vnc.Upgrade, error) {
	roots := x509.NewCertPool()
	pem, err := os.ReadFile(v.at.ca)
	roots.AppendCertsFromPEM(pem)
	layer := layers.TLSClient(&tls.Config{RootCAs: roots, ServerName: "localhost"})
	return func(ctx context.Context, below net.Conn) (net.Conn, error) {
		below.(*ear).heard = nil
		above, err := layer(ctx, below)
		if err != nil {
			return nil, err
		}
		return v.listen(above), nil
	}, err
}

func (v *ownViewer) plainSecurity(name string) vnc.Security {
	password := func(context.Context) (string, error) { return v.password, nil }
	both := func(context.Context) (string, string, error) { return v.user, v.password, nil }
	rsaTypes := map[string]vnc.SecurityType{
		"ra2": vnc.TypeRA2, "ra2ne": vnc.TypeRA2ne, "ra2-256": vnc.TypeRA256, "ra2ne-256": vnc.TypeRAne256,
	}
	switch name {
	case "none":
		return vnc.None{}
	case "vnc":
		return vnc.ClientVncAuth{Password: password}
	case "plain":
		return vnc.ClientPlain{Credentials: both}
	case "ard":
		return vnc.ClientARD{Credentials: both}
	case "sasl":
		return vnc.ClientSASL{Choose: func(ctx context.Context, offered []string, _ net.Conn) (vnc.SASLClientMechanism, error) {
			return auth.ChooseClient(ctx, offered, auth.Credentials{User: v.user, Password: password, Encrypted: true})
		}}
	}
	if as, ok := rsaTypes[name]; ok {
		return vnc.ClientRSAAES{As: as, VerifyKey: func(*rsa.PublicKey) error { return nil }, Credentials: both, Key: ownKey}
	}
	return nil
}
