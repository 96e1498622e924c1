package interop

import (
	"fmt"
	"strings"
	"testing"
)

// TestSecurityMatrix has real viewers prove themselves in front by every type
// that they know, and the gateway to real displays behind by every type that
// they demand. Each row ends with the display's picture in the viewer.
func TestSecurityMatrix(t *testing.T) {
	rows := &proofs{}
	defer rows.publish(t)
	t.Run("displays", func(t *testing.T) { testDisplays(t, rows) })
	t.Run("viewers", func(t *testing.T) { testViewers(t, rows) })
	t.Run("kerberos", func(t *testing.T) { testKerberos(t, rows) })
}

// A demand is a display with what the gateway has to do to get in.
type demand struct {
	name    string
	display func(testing.TB) *display
	via     string // what is named in the configuration, "" for the automatic choice
	by      string // what the log has to say
	more    block  // settings of the target
}

func server(name string) func(testing.TB) *display {
	return func(t testing.TB) *display { return theMachine(t)[name] }
}

// demands are all displays. The automatic choice is left to them where there
// is but one.
func demands(t testing.TB) []demand {
	list := []demand{
		{"qemu-none", server("none"), "", "none", nil},
		{"qemu-vnc", server("vnc"), "", "vnc", nil},
		{"qemu-unix-vnc", theQEMU, "vnc", "vnc", nil},
		{"qemu-x509-none", server("x509-none"), "x509-none", "x509-none", nil},
		{"qemu-x509-vnc", server("x509-vnc"), "", "x509-vnc", nil},
		{"qemu-x509-sasl", theQEMUSASL, "x509-sasl", "x509-sasl/SCRAM-SHA-256", nil},
		{"tiger-defaults", theTigerDefaults, "", "vnc", nil},
		{"tiger-x509-none", theTiger, "x509-none", "x509-none", nil},
		{"tiger-x509-vnc", theTiger, "x509-vnc", "x509-vnc", nil},
		{"tiger-vnc", theTiger, "vnc", "vnc", nil},
		{"tiger-none", theTiger, "none", "none", nil},
		{"x11vnc", theX11vnc, "", "vnc", nil},
		{"qemu-mutual", server("mutual"), "", "x509-none", block{"tls": theAuthority(t).client()}},
	}
	if !hasPAM() {
		return list
	}
	list = append(list, demand{"tiger-x509-plain", theTiger, "x509-plain", "x509-plain", pamUser})
	plain := setup{
		listeners: map[string]block{"x": listener(t, "none", "x")},
		targets:   map[string]block{"x": {"address": "localhost:1", "security": []string{"plain"}}},
	}
	if speaks(t, plain) {
		list = append(list, demand{"tiger-plain", theTiger, "plain", "plain", pamUser})
	}
	return list
}

// pamUser is whom Xtigervnc's PAM service knows.
var pamUser = block{"user": "alice", "password": secrets.qemuSASL}

func testDisplays(t *testing.T, rows *proofs) {
	libVNCClient.needs(t)
	set := setup{listeners: map[string]block{}, targets: map[string]block{}}
	all := demands(t)
	for _, d := range all {
		set.listeners[d.name] = listener(t, "x509-plain", d.name)
		b := target(d.display(t), d.via)
		for key, value := range d.more {
			b[key] = value
		}
		set.targets[d.name] = b
	}
	g := startSecured(t, set)
	for _, d := range all {
		t.Run(d.name, func(t *testing.T) {
			testRow(t, rows, g, libVNCClient, g.enter(d.name, "x509-plain"), d.display(t), d.by)
		})
	}
}

// testRow shows a display in a viewer, and checks how both proved themselves.
func testRow(t *testing.T, rows *proofs, g *securedGate, kind viewerKind, at endpoint, d *display, by string) {
	row := proof{viewer: kind.named(), front: at.security, display: d.named(), back: by, result: "same picture"}
	defer func() {
		switch {
		case t.Failed():
			row.result = "FAILED"
			t.Logf("the display said:\n%s", d.log.tail(10))
		case t.Skipped():
			row.result = "not run"
		}
		rows.add(row)
	}()
	want, err := d.picture()
	if err != nil {
		t.Fatal(err)
	}
	said := g.log.len()
	v, err := openSecured(testScope(t), kind, at)
	if err != nil {
		t.Fatal(err)
	}
	sees(t, v, want)
	opened := g.session(t, said, at.port)
	row.front, row.back = opened["security"], opened["display_security"]
	if row.back != by {
		t.Errorf("the display was reached by %s, not %s", row.back, by)
	}
	if name, _, _ := strings.Cut(row.front, "/"); name != at.security {
		t.Errorf("the viewer came in by %s, not %s", row.front, at.security)
	}
}

// openSecured is open, with the answers to what our page asks for more: the
// name beside a password only after the key of RSA-AES.
func openSecured(s *scope, kind viewerKind, at endpoint) (viewer, error) {
	if kind.label != ownPage.label || !strings.HasPrefix(at.security, "ra2") {
		return kind.open(s, at)
	}
	login := map[string]any{"user": at.user, "password": at.password}
	at.user, at.password = "", ""
	v, err := kind.open(s, at)
	if err != nil {
		return nil, err
	}
	p := v.(*page)
	if err := poll("the page asks about the key", func() error { return p.says("Is this your display?") }); err != nil {
		return nil, err
	}
	if err := p.eval(nil, "[...document.querySelectorAll('button')].find(b => b.innerText === 'It is the same').click()"); err != nil {
		return nil, err
	}
	return p, p.do(nil, "login", login)
}

// testViewers takes each viewer through each front it knows, to an Xtigervnc
// that is reached by X509Vnc.
func testViewers(t *testing.T, rows *proofs) {
	native := []string{"none", "vnc", "x509-none", "x509-vnc", "x509-plain", "x509-sasl"}
	web := []string{"none", "vnc", "plain", "ra2ne"}
	d := theTiger(t)
	set := setup{listeners: map[string]block{}, targets: map[string]block{"tiger": target(d, "x509-vnc")}}
	for _, security := range native {
		set.listeners[security] = listener(t, security, "tiger")
	}
	for _, security := range append(web, optionalFronts(t)...) {
		set.listeners["web-"+security] = webListener(t, security, "tiger")
	}
	web = append(web, optionalFronts(t)...)
	g := startSecured(t, set)
	for _, tt := range []struct {
		kind   viewerKind
		fronts []string
	}{
		{vncViewer, native[:5]}, {gtkVNC, native}, {gvncCapture, []string{"vnc", "x509-vnc", "x509-plain", "x509-sasl"}},
		{libVNCClient, []string{"none", "vnc", "x509-none", "x509-vnc", "x509-plain", "x509-sasl"}},
		{ownPage, web}, {noVNC, []string{"none", "vnc", "plain"}},
	} {
		for _, front := range tt.fronts {
			t.Run(fmt.Sprintf("%s, %s", tt.kind.label, front), func(t *testing.T) {
				tt.kind.needs(t)
				at := g.enter(front, front)
				if tt.kind.label == ownPage.label || tt.kind.label == noVNC.label {
					at = g.enterWeb("web-"+front, front)
				}
				testRow(t, rows, g, tt.kind, at, d, "x509-vnc")
			})
		}
	}
}

// optionalFronts are types that noVNC speaks, as far as listeners for browsers
// offer them.
func optionalFronts(t testing.TB) []string {
	var list []string
	for _, security := range []string{"ard", "tight-none", "tight-vnc", "tight-plain"} {
		if speaks(t, setup{
			listeners: map[string]block{"x": webListener(t, security, "x")},
			targets:   map[string]block{"x": {"address": "localhost:1"}},
		}) {
			list = append(list, security)
		}
	}
	return list
}
