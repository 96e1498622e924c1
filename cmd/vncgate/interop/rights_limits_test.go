package interop

import (
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// An outcome is what the user of a page meets by a rule.
type outcome struct {
	rule   string
	before func(*testing.T, *ruled) // the page comes
	then   func(*testing.T, *ruled) // the page shows the display; without it, the page may not get that far
	says   string                   // title on the page
	reason string                   // in the log
}

// outcomes are by targets.
func outcomes() map[string]outcome {
	other := func(target string) func(*testing.T, *ruled) {
		return func(t *testing.T, g *ruled) { g.enterRaw(t, target) }
	}
	change := func(target, rights string) func(*testing.T, *ruled) {
		return func(t *testing.T, g *ruled) { g.rule(t, target, rights) }
	}
	return map[string]outcome{
		"timed":     {rule: `limits="session=4s"`, says: "The session’s time is over", reason: "session time over"},
		"idle":      {rule: `limits="idle=3s"`, says: "Ended, since nothing was done", reason: "idle"},
		"replaced":  {rule: `limits="per_target=1 busy=replace"`, then: other("replaced"), says: "Another session took this place", reason: "replaced"},
		"busy":      {rule: `limits="per_target=1"`, before: other("busy"), says: "This display is in use", reason: "busy"},
		"withdrawn": {then: change("withdrawn", "deny=all"), says: "Your access was withdrawn", reason: "access withdrawn"},
	}
}

// TestRulesOnThePage lets sessions reach their limits and lose their rights.
// The page says so, and does not come back by itself though it is set to.
func TestRulesOnThePage(t *testing.T) {
	t.Parallel()
	d := newDesk(t, "limited")
	displays, rights := map[string]*display{}, map[string]string{}
	for name, o := range outcomes() {
		displays[name], rights[name] = d, "allow=all "+o.rule
	}
	g := startRuled(t, displays, rights)
	for name, o := range outcomes() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if o.before != nil {
				o.before(t, g)
			}
			p := g.openPage(t, name)
			if o.then != nil {
				showsDisplay(t, p, d)
				o.then(t, g)
			}
			eventually(t, "the page says why", func() error { return p.says(o.says) })
			time.Sleep(500 * time.Millisecond) // longer than it would wait
			p.shoot(t, name)
			if err := p.says(o.says); err != nil {
				t.Error(err)
			}
			eventually(t, "so does the log", func() error { return g.log.has(0, "reason="+quoted(o.reason)) })
			want := 1
			if name == "replaced" {
				want = 2
			}
			eventually(t, "so many sessions were opened", func() error {
				if opened := g.sessions("session opened", name); opened != want {
					return fmt.Errorf("%d, not %d", opened, want)
				}
				return nil
			})
		})
	}
}

// quoted is text as the log has it.
func quoted(text string) string {
	if strings.Contains(text, " ") {
		return `"` + text + `"`
	}
	return text
}

// openPage is our page at a target, which comes back by itself if it may.
func (g *ruled) openPage(t *testing.T, target string) *page {
	t.Helper()
	ownPage.needs(t)
	at := g.enter(ownPage, target)
	p, err := openNoVNC(testScope(t), at.page, at, "reconnect", "true", "reconnect_delay", "100")
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// TestPageWarnsOfIdling has the page warn that nothing is done, and take it back
// for a key.
func TestPageWarnsOfIdling(t *testing.T) {
	t.Parallel()
	d := newDesk(t, "idle")
	g := startRuled(t, map[string]*display{"desk": d}, map[string]string{"desk": `allow=control limits="idle=20s"`})
	p := g.openPage(t, "desk")
	showsDisplay(t, p, d)
	const warning = "Your session ends soon, since nothing is done in it."
	eventually(t, "it warns", func() error { return p.says(warning) })
	p.shoot(t, "warned")
	if err := p.press(keyX); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the warning goes", func() error {
		if err := p.says(warning); err != nil {
			return nil
		}
		return errors.New("it is still there")
	})
	p.shoot(t, "working")
	if n := g.sessions("session closed", "desk"); n != 0 {
		t.Error("the session has ended")
	}
}

// TestPageComesBackWithLess takes the clipboard from a session whose display has
// not been listened to so far. It ends, and the page goes on with a new one.
func TestPageComesBackWithLess(t *testing.T) {
	t.Parallel()
	d := newDesk(t, "back")
	g := startRuled(t, map[string]*display{"desk": d}, map[string]string{"desk": "allow=all"})
	p := g.openPage(t, "desk")
	showsDisplay(t, p, d)
	g.rule(t, "desk", "allow=all deny=clipboard-out")
	eventually(t, "it comes back", func() error {
		if n := g.sessions("session opened", "desk"); n != 2 {
			return fmt.Errorf("%d sessions were opened", n)
		}
		return g.log.has(0, `reason="rights changed"`)
	})
	if err := d.x.paint(testScope(t), numberedCard(5)); err != nil {
		t.Fatal(err)
	}
	showsDisplay(t, p, d)
}

// TestSessionsOfOneUser has a user open two pages where there may be one, and
// another lose a page with the account.
func TestSessionsOfOneUser(t *testing.T) {
	t.Parallel()
	ownPage.needs(t)
	d := newDesk(t, "single")
	users := filepath.Join(t.TempDir(), "users")
	for _, name := range []string{"alice", "bob"} {
		if err := addUser(program(t), users, name, secrets.user); err != nil {
			t.Fatal(err)
		}
	}
	g := serveFile(t, `listeners:
  - address: 127.0.0.1:{{port "web"}}
    tls: {{tls}}
    web: {path: /websockify}
    target: desk
targets:
  desk: {address: "{{.Address}}", security: [none]}
users: {file: {{.Users}}}
policy: [{who: "*", targets: "*", allow: [all], limits: {per_user: 1}}]
`, map[string]any{"Address": d.at.address(), "Users": users})
	open := func(name string) *page {
		at := g.at("web")
		at.tls, at.path, at.page = true, "websockify", fmt.Sprintf("https://127.0.0.1:%d", g.ports["web"])
		at.user, at.password = name, secrets.user
		p, err := openNoVNC(testScope(t), at.page, at)
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	showsDisplay(t, open("alice"), d)
	second := open("alice")
	eventually(t, "the page says why", func() error { return second.says("Too many sessions of yours") })
	second.shoot(t, "second")
	bob := open("bob")
	showsDisplay(t, bob, d)
	if _, err := run(exec.Command(program(t), "user", "remove", "bob", "--users-file", users)); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the page of a user who is no more says so", func() error { return bob.says("Your access was withdrawn") })
}

// shoot leaves a picture of the page behind, when the tests run with
// -artifacts.
func (p *page) shoot(t *testing.T, name string) {
	t.Helper()
	if err := p.do(nil, "screenshot", map[string]any{"path": filepath.Join(t.ArtifactDir(), name+".png")}); err != nil {
		t.Log(err)
	}
}

// sessions counts what the gateway has said about sessions with a target.
func (g *ruled) sessions(message, target string) (n int) {
	for line := range strings.Lines(g.log.String()) {
		if strings.Contains(line, message) && strings.Contains(line, "target="+target+" ") {
			n++
		}
	}
	return n
}
