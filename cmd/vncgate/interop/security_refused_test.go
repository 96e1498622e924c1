package interop

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
)

// unproved is what viewers are turned away with. Nothing tells a wrong password
// from an unknown user, or from a user who may not.
const unproved = "Authentication failed"

// frontTypes are the types with a proof in them, as far as the program offers
// them: to native viewers, and to browsers.
func frontTypes(t testing.TB) (native, web []string) {
	native = []string{"vnc", "x509-vnc", "x509-plain", "x509-sasl", "sasl", "ra2", "ra2ne", "ra2-256", "ra2ne-256"}
	web = []string{"vnc", "plain", "sasl", "ra2", "ra2ne", "ra2-256", "ra2ne-256"}
	for _, security := range optionalFronts(t) {
		switch security {
		case "tight-none":
			continue
		case "tight-plain": // is for browsers over TLS
		default:
			native = append(native, security)
		}
		web = append(web, security)
	}
	return native, web
}

// TestRefusals fails the proof of every type in front, in every way, before a
// target that all may use and one that nobody may.
func TestRefusals(t *testing.T) {
	native, web := frontTypes(t)
	d := theX11vnc(t)
	set := setup{listeners: map[string]block{}, targets: map[string]block{"open": target(d, ""), "forbidden": target(d, "")}, more: block{
		"policy": []block{{"who": "*", "targets": "open", "allow": []string{"all"}}},
	}}
	type front struct{ name, security, user string }
	var fronts []front
	add := func(name, security string, make func(testing.TB, string, string) block) {
		for _, to := range []string{"open", "forbidden"} {
			set.listeners[name+" "+to] = make(t, security, to)
		}
		// A user for each: guessing one's password makes this user wait.
		f := front{name, security, "user-of-" + strings.ReplaceAll(name, " ", "-")}
		set.users = append(set.users, f.user)
		fronts = append(fronts, f)
	}
	for _, security := range native {
		add(security, security, listener)
	}
	for _, security := range web {
		add("wss "+security, security, webListener)
	}
	g := startSecured(t, set)
	for _, f := range fronts {
		t.Run(f.name, func(t *testing.T) {
			at := func(to string) endpoint {
				if strings.HasPrefix(f.name, "wss ") {
					return g.enterWeb(f.name+" "+to, f.security)
				}
				return g.enter(f.name+" "+to, f.security)
			}
			testRefusals(t, g, at, f.user)
		})
	}
}

// testRefusals goes through one front; at is where it is for a target.
func testRefusals(t *testing.T, g *securedGate, at func(to string) endpoint, user string) {
	right := at("open").password
	heard := map[string]int{}
	cases := []struct{ what, to, user, password, reason, log string }{
		{"right", "open", user, right, "", ""},
		{"forbidden", "forbidden", user, right, unproved, "policy:"},
		{"unknown user", "open", "mallory", right, unproved, "denied"},
		{"unknown user, wrong password", "open", "trudy", secrets.wrongOnes, unproved, "denied"},
		{"wrong password", "open", user, secrets.wrongOnes, unproved, "denied"},
		{"wrong password, forbidden", "forbidden", user, secrets.wrongOnes, unproved, "denied"},
	}
	switch {
	case at("open").user == "": // VNC authentication has no users
		cases = slices.Delete(cases, 2, 4)
		cases[2].log, cases[3].log = "wrong password", "wrong password"
	case !strings.HasSuffix(at("open").security, "sasl"): // SCRAM does not say which it was
		for i, log := range []string{"no such user", "no such user", fmt.Sprintf("user %q", user), fmt.Sprintf("user %q", user)} {
			cases[i+2].log = log
		}
	}
	for _, tt := range cases {
		v := &ownViewer{at: at(tt.to), user: tt.user, password: tt.password}
		said := g.log.len()
		reason, err := v.enter()
		if err != nil || reason != tt.reason {
			t.Errorf("%s: the viewer is told %q, %v", tt.what, reason, err)
			continue
		}
		heard[tt.what] = v.heard
		if tt.reason == "" {
			continue
		}
		if logged := g.refusal(t, said, v.at.port); !strings.Contains(logged["error"], tt.log) {
			t.Errorf("%s: the log says %q", tt.what, logged["error"])
		}
	}
	if at("open").user != "" && (heard["unknown user"] != heard["wrong password"] || heard["wrong password"] == 0) {
		t.Errorf("the answers are not of one length: %v", heard)
	}
}

// TestRefusedViewers turns real viewers away, and looks at what they show of
// it.
func TestRefusedViewers(t *testing.T) {
	d := theX11vnc(t)
	native, web := []string{"x509-plain", "x509-sasl"}, []string{"plain", "ra2ne"}
	set := setup{listeners: map[string]block{}, targets: map[string]block{"open": target(d, ""), "forbidden": target(d, "")}, more: block{
		"policy": []block{{"who": "*", "targets": "open", "allow": []string{"all"}}},
	}}
	for _, to := range []string{"open", "forbidden"} {
		for _, security := range native {
			set.listeners[security+" "+to] = listener(t, security, to)
		}
		for _, security := range web {
			set.listeners[security+" "+to] = webListener(t, security, to)
		}
	}
	for _, tt := range []struct {
		kind   viewerKind
		fronts []string
	}{
		{vncViewer, native[:1]}, {libVNCClient, native}, {gtkVNC, native}, {ownPage, web}, {noVNC, web[:1]},
	} {
		t.Run(tt.kind.label, func(t *testing.T) {
			tt.kind.needs(t)
			g := startSecured(t, set)
			for _, front := range tt.fronts {
				t.Run(front, func(t *testing.T) { testRefusedViewer(t, g, tt.kind, front) })
			}
		})
	}
}

func testRefusedViewer(t *testing.T, g *securedGate, kind viewerKind, front string) {
	for _, tt := range []struct{ to, user, password string }{
		{"forbidden", "alice", secrets.user},
		{"open", "mallory", secrets.user},
		{"open", "alice", secrets.wrongOnes},
	} {
		at := g.enter(front+" "+tt.to, front)
		if !strings.HasPrefix(front, "x509-") {
			at = g.enterWeb(front+" "+tt.to, front)
		}
		at.user, at.password = tt.user, tt.password
		said := g.log.len()
		s := testScope(t)
		v, err := openSecured(s, kind, at)
		if err != nil {
			t.Fatal(err)
		}
		words := ownWords(kind, front, tt.to == "forbidden")
		what := fmt.Sprintf("%s at %s shows %q", tt.user, tt.to, words)
		eventually(t, what, func() error { return shows(v, words) })
		g.refusal(t, said, at.port)
		s.close()
	}
}

// ownWords are what a viewer shows in place of ours. Where SCRAM fails, the
// two on Cyrus SASL end at the missing last message, before the reason comes;
// and libvncclient reads no reason behind SASL at all. proved says that the
// proof was right and the user may not.
func ownWords(kind viewerKind, front string, proved bool) string {
	switch {
	case front != "x509-sasl":
	case !proved:
		return "Failed SASL step"
	case kind.label == libVNCClient.label:
		return "Authentication failure"
	}
	return unproved
}

// shows is an error while a viewer does not show words.
func shows(v viewer, words string) error {
	switch v := v.(type) {
	case *page:
		return v.says(strings.TrimSuffix(words, "."))
	case *lineViewer:
		return printed(v.process, words)
	case *tigerViewer:
		return printed(v.process, words)
	}
	return fmt.Errorf("%T shows nothing", v)
}

func printed(p *process, words string) error {
	if p.log.has(0, words) == nil {
		return nil
	}
	return errors.Join(fmt.Errorf("it says %s", p.log.tail(8)), p.alive())
}
