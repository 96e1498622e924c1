package main

import (
	"bytes"
	"context"
	"fmt"
	"image"
	"log/slog"
	"net"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"vncgate/auth"
	"vncgate/certs"
	"vncgate/gateway"
	"vncgate/layers/layertest"
	"vncgate/rfb"
	"vncgate/rfb/display"
	"vncgate/rfb/display/demo"
)

// Credentials of the matrix: the same for viewers and displays, so that one
// configuration plays both.
const (
	matrixUser     = "alice"
	matrixPassword = "sesame42"
)

// TestMatrix takes a viewer of every type through the gateway to a display of
// every type, and compares the picture with the one that the display has. The
// displays are gateways themselves, in front of the demo display, so every type
// is spoken in both roles.
func TestMatrix(t *testing.T) {
	m := newMatrix(t)
	want := m.picture(t, m.displays, "none", "demo")
	backs := slices.DeleteFunc(slices.Clone(displaySecurity), func(name string) bool { return !slices.Contains(nativeSecurity, name) })
	table := &strings.Builder{}
	fmt.Fprintf(table, "%-12s", "front/back")
	for _, back := range backs {
		fmt.Fprintf(table, " %10s", back)
	}
	for _, front := range nativeSecurity {
		fmt.Fprintf(table, "\n%-12s", front)
		for _, back := range backs {
			result := "failed"
			t.Run(front+"/"+back, func(t *testing.T) {
				got := m.picture(t, m.middle, front, back)
				if !samePicture(got, want) {
					t.Fatal("the picture is another one")
				}
				result = "in-process"
			})
			fmt.Fprintf(table, " %10s", result)
		}
	}
	t.Logf("\n%s", table)
}

// matrix is two gateways, one behind the other.
type matrix struct {
	middle, displays *wiring
	cert             *serverCertificate
	caFile, dir      string
	rsaKey           string
	viewers          map[string]*gateway.Target // by security, since each makes a key of its own
}

func newMatrix(t *testing.T) *matrix {
	t.Helper()
	m := &matrix{dir: t.TempDir(), viewers: map[string]*gateway.Target{}}
	ca, err := certs.OpenCA(m.dir)
	if err != nil {
		t.Fatal(err)
	}
	pair, err := ca.Server([]string{"localhost"})
	if err != nil {
		t.Fatal(err)
	}
	m.cert, m.caFile, m.rsaKey = certificateOf(pair), ca.CertFile(), filepath.Join(m.dir, "rsa.pem")
	users := filepath.Join(m.dir, "users")
	if err := (&auth.UsersFile{Path: users}).Add(matrixUser, matrixPassword); err != nil {
		t.Fatal(err)
	}
	still := demo.New(demo.Options{Still: true, Width: 320, Height: 200, MaxViewers: 200, Password: matrixPassword})
	t.Cleanup(still.Close)
	m.displays = m.wire(t, users, map[string]*gateway.Target{"demo": demoTarget(still, matrixPassword)})
	behind := map[string]*gateway.Target{}
	m.middle = m.wire(t, users, behind)
	for _, back := range nativeSecurity {
		target := m.target(t, back)
		target.Name = back
		target.Dial = func(context.Context) (net.Conn, error) { return m.enter(t, m.displays, back, "demo"), nil }
		behind[back] = target
		m.viewers[back] = m.target(t, back)
	}
	return m
}

// wire makes a gateway from the parts that serve makes it from.
func (m *matrix) wire(t *testing.T, users string, targets map[string]*gateway.Target) *wiring {
	t.Helper()
	u, err := auth.OpenUsers(users)
	if err != nil {
		t.Fatal(err)
	}
	w := &wiring{cfg: &config{Users: &usersConfig{File: users}}, users: u, log: slog.New(slog.DiscardHandler)}
	patient := gateway.Limits{HandshakeTimeout: 2 * time.Minute, LayerTimeout: time.Minute, DialTimeout: time.Minute, GreetTimeout: time.Minute}
	w.gate = &gateway.Gateway{Resolve: resolver(targets), Log: slog.New(slog.NewTextHandler(t.Output(), nil)), Limits: patient}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		_ = w.gate.Shutdown(ctx)
	})
	return w
}

// target is a display of one security type, as a configuration has it.
func (m *matrix) target(t *testing.T, security string) *gateway.Target {
	t.Helper()
	c := targetConfig{
		Address: "localhost:1", User: matrixUser, Password: &secret{text: matrixPassword},
		Security: []string{security}, TLS: &clientTLSConfig{CA: m.caFile},
	}
	if isRSAAES(security) {
		c.RSAKey = m.fingerprint(t)
	}
	g, err := (&wiring{log: slog.New(slog.DiscardHandler)}).target(security, c)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func (m *matrix) fingerprint(t *testing.T) string {
	t.Helper()
	key, err := loadRSAKey(m.rsaKey)
	if err != nil {
		t.Fatal(err)
	}
	sum := rfb.RSAFingerprint(&key.key.PublicKey)
	return certs.Hex(sum[:])
}

// enter comes to a listener of w that offers security alone.
func (m *matrix) enter(t *testing.T, w *wiring, security, target string) net.Conn {
	t.Helper()
	l := &listenerConfig{Address: "memory", Security: []string{security}, Password: &secret{text: matrixPassword}, Target: target}
	if isRSAAES(security) {
		l.RSAKey = m.rsaKey
	}
	front, err := w.front(l, natives, m.cert)
	if err != nil {
		t.Fatal(err)
	}
	ours, theirs := layertest.Pipe()
	go func() { _ = w.gate.ServeConn(context.Background(), theirs, front) }()
	return ours
}

// picture is what a viewer of the given type sees of target through w.
func (m *matrix) picture(t *testing.T, w *wiring, security, target string) image.Image {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	c := m.enter(t, w, security, target)
	defer c.Close()
	viewer, err := rfb.Client(ctx, c, &rfb.ClientConfig{Security: m.viewers[security].Security()})
	if err != nil {
		t.Fatal(err)
	}
	defer viewer.Close()
	if err := viewer.WriteClientInit(ctx, true); err != nil {
		t.Fatal(err)
	}
	init, err := viewer.ReadServerInit(ctx)
	if err != nil {
		t.Fatal(err)
	}
	picture, err := display.Snapshot(ctx, viewer, init)
	if err != nil {
		t.Fatal(err)
	}
	return picture
}

func samePicture(a, b image.Image) bool {
	if a.Bounds() != b.Bounds() {
		return false
	}
	var pixels [2]bytes.Buffer
	var both sync.WaitGroup
	for i, picture := range []image.Image{a, b} {
		both.Go(func() {
			for y := picture.Bounds().Min.Y; y < picture.Bounds().Max.Y; y++ {
				for x := picture.Bounds().Min.X; x < picture.Bounds().Max.X; x++ {
					r, g, b, _ := picture.At(x, y).RGBA()
					pixels[i].Write([]byte{byte(r >> 8), byte(g >> 8), byte(b >> 8)})
				}
			}
		})
	}
	both.Wait()
	return bytes.Equal(pixels[0].Bytes(), pixels[1].Bytes())
}
