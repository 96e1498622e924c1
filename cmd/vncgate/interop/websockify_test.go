package interop

import (
	"crypto/tls"
	"encoding/base64"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
)

// differencesFile lists what our bridge does otherwise than websockify, with
// the reason of each; the README shows it.
const differencesFile = "../testdata/websockify.md"

// A bridgeCase is a command line that both programs are started with, and what
// clients ask of them.
type bridgeCase struct {
	name string
	args []string // without the listening port, which comes first
	ask  func(w webClient, see func(what, seen string))
}

// TestWebsockifySideBySide starts Debian's websockify, or the one that
// VNCGATE_WEBSOCKIFY names, and ours with the same options, makes the same
// requests, and compares what the client sees. Every difference has to be in
// the list, and everything in the list has to be one.
func TestWebsockifySideBySide(t *testing.T) {
	need(t, "websockify", "websockify")
	theirs := "websockify"
	if other := os.Getenv("VNCGATE_WEBSOCKIFY"); other != "" {
		theirs = other
	}
	world := newBridgeWorld(t)
	var mu sync.Mutex
	different := map[string][2]string{}
	for _, c := range bridgeCases(world) {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			old := world.seen(t, c, exec.Command(theirs))
			ours := world.seen(t, c, exec.Command(program(t), "websockify"))
			if !slices.Equal(old.order, ours.order) {
				t.Fatalf("not the same was asked: %q and %q", old.order, ours.order)
			}
			for _, what := range old.order {
				if old.seen[what] != ours.seen[what] {
					mu.Lock()
					different[c.name+": "+what] = [2]string{old.seen[what], ours.seen[what]}
					mu.Unlock()
				}
			}
		})
	}
	t.Cleanup(func() { judgeDifferences(t, different) }) // behind the parallel ones
}

// judgeDifferences holds what was seen to the list.
func judgeDifferences(t *testing.T, different map[string][2]string) {
	listed, err := readDifferences()
	if err != nil {
		t.Error(err)
		return
	}
	for what, seen := range different {
		if listed[what] != seen {
			t.Errorf("a difference that is not in %s, or reads otherwise there:\n| %s | %s | %s | why? |", differencesFile, what, seen[0], seen[1])
		}
	}
	for what := range listed {
		if _, ok := different[what]; !ok && !t.Failed() {
			t.Errorf("%s has a difference that is none: %s", differencesFile, what)
		}
	}
}

// readDifferences reads the rows "what | websockify | vncgate | why" up to the
// empty line behind the first table.
func readDifferences() (map[string][2]string, error) {
	b, err := os.ReadFile(differencesFile)
	if err != nil {
		return nil, err
	}
	listed := map[string][2]string{}
	first, _, _ := strings.Cut(string(b), "|\n\n")
	for line := range strings.Lines(first) {
		cells := strings.Split(strings.Trim(line, "| \n"), " | ")
		if len(cells) == 4 && !strings.HasPrefix(cells[0], "asked") {
			listed[cells[0]] = [2]string{cells[1], cells[2]}
		}
	}
	return listed, nil
}

// observation is what the client saw of one program.
type observation struct {
	order []string
	seen  map[string]string
}

func (o *observation) see(what, seen string) {
	o.order = append(o.order, what)
	o.seen[what] = seen
}

// seen runs one program with the case's arguments and asks.
func (w *bridgeWorld) seen(t *testing.T, c bridgeCase, cmd *exec.Cmd) *observation {
	t.Helper()
	port, err := freePort()
	if err != nil {
		t.Fatal(err)
	}
	s := new(scope)
	defer s.close()
	cmd.Args = append(append(cmd.Args, fmt.Sprint(port)), c.args...)
	cmd.Dir = w.dir
	cmd.Env = append(os.Environ(), "SSL_CERT_FILE="+w.ca)
	p, err := start(s, filepath.Base(cmd.Path), cmd)
	if err != nil {
		t.Fatal(err)
	}
	client := webClient{network: "tcp", address: fmt.Sprintf("127.0.0.1:%d", port), program: p}
	eventually(t, "the bridge listens", func() error {
		if err := p.alive(); err != nil {
			return err
		}
		c, err := net.Dial(client.network, client.address)
		if err == nil {
			c.Close()
		}
		return err
	})
	o := &observation{seen: map[string]string{}}
	c.ask(client, o.see)
	if t.Failed() || testing.Verbose() {
		t.Logf("%s: %q\n%s", p.name, o.seen, p.log.tail(15))
	}
	return o
}

func bridgeCases(w *bridgeWorld) []bridgeCase {
	return slices.Concat(w.wireCases(), w.fileCases(), w.tokenCases(), w.authCases(), w.tlsCases(), w.endCases())
}

func (w *bridgeWorld) wireCases() []bridgeCase {
	quit := frame(opBinary, "quit")
	return []bridgeCase{
		{"one target", []string{w.echo}, func(c webClient, see func(string, string)) {
			see("no sub-protocol", c.upgrade("/websockify", nil, frame(opBinary, "hello"), quit))
			see("any path", c.upgrade("/a/b?c=d", nil, quit))
			for _, offer := range []string{"binary", "base64", "binary, base64", "base64,binary", "base64, binary", "chat"} {
				see("sub-protocol "+offer, c.upgrade("/", []string{"Sec-WebSocket-Protocol: " + offer}, quit))
			}
			for _, version := range []string{"8", "7", "12", "none"} {
				see("version "+version, c.upgrade("/", []string{"Sec-WebSocket-Version: " + version}, quit))
			}
			see("no key", c.upgrade("/", []string{"Sec-WebSocket-Key: none"}))
			see("text frame", c.upgrade("/", nil, frame(opText, "hello")))
			see("unmasked frame", c.upgrade("/", nil, frame(opBinary, "hello", unmasked)))
			see("reserved frame", c.upgrade("/", nil, frame(5, "hello")))
			see("two fragments", c.upgrade("/", nil, frame(opBinary, "he", unfinished), frame(opContinue, "llo"), quit))
			see("ping", c.upgrade("/", nil, frame(opPing, "there?"), quit))
			see("a megabyte", c.upgrade("/", nil, frame(opBinary, strings.Repeat("x", 1<<20)), quit))
			see("client closes", c.upgrade("/", nil, closing()))
			see("GET", c.get("GET", "/", ""))
			see("HEAD", c.get("HEAD", "/", ""))
			see("POST", c.get("POST", "/", "", "Content-Length: 0"))
		}},
		{"dead display", []string{w.dead}, func(c webClient, see func(string, string)) {
			see("upgrade", c.upgrade("/", nil))
		}},
		{"display that closes", []string{w.leaving}, func(c webClient, see func(string, string)) {
			see("upgrade", c.upgrade("/", nil))
		}},
		{"unix socket", []string{"--unix-target", w.unix}, func(c webClient, see func(string, string)) {
			see("upgrade", c.upgrade("/", nil, quit))
		}},
		{"IPv6", []string{w.echo6}, func(c webClient, see func(string, string)) {
			see("to an IPv6 target", c.upgrade("/", nil, quit))
			_, port, _ := net.SplitHostPort(c.address)
			c.address = "[::1]:" + port
			see("from an IPv6 client", c.upgrade("/", nil, quit))
		}},
		{"TLS to a target that speaks first", []string{"--ssl-target", w.tlsGreet}, func(c webClient, see func(string, string)) {
			see("upgrade", c.upgrade("/", nil, quit))
		}},
		{"TLS to a target that speaks second", []string{"--ssl-target", w.tls}, func(c webClient, see func(string, string)) {
			see("upgrade", c.upgrade("/", nil, quit))
		}},
	}
}

func (w *bridgeWorld) fileCases() []bridgeCase {
	return []bridgeCase{{"files", []string{"--web", w.web, "--cert", filepath.Join(w.web, "own.pem"), w.echo}, func(c webClient, see func(string, string)) {
		see("GET a file", c.get("GET", "/page.html", "a page"))
		see("HEAD a file", c.get("HEAD", "/page.html", ""))
		see("GET with a query", c.get("GET", "/page.html?x=y", "a page"))
		see("GET a folder", c.get("GET", "/sub/", "listed.txt"))
		see("GET a folder without its slash", c.get("GET", "/sub", ""))
		see("GET a folder with an index", c.get("GET", "/own/", "an index"))
		see("GET what is missing", c.get("GET", "/missing", ""))
		see("GET outside", c.get("GET", "/../outside.txt", "outside"))
		see("GET outside, encoded", c.get("GET", "/%2e%2e/outside.txt", "outside"))
		see("GET our own key", c.get("GET", "/own.pem", "PRIVATE KEY"))
		see("POST", c.get("POST", "/page.html", "", "Content-Length: 0"))
		see("upgrade", c.upgrade("/page.html", nil, frame(opBinary, "quit")))
	}}}
}

func (w *bridgeWorld) tokenCases() []bridgeCase {
	quit := frame(opBinary, "quit")
	return []bridgeCase{
		{"tokens", []string{"--token-plugin", "TokenFile", "--token-source", w.tokens}, func(c webClient, see func(string, string)) {
			see("good", c.upgrade("/?token=good", nil, quit))
			see("good, and another", c.upgrade("/?x=y&token=good&token=bad", nil, quit))
			see("with a newline", c.upgrade("/?token=good%0A", nil, quit))
			see("bad", c.upgrade("/?token=bad", nil))
			see("none", c.upgrade("/", nil))
			see("dead display", c.upgrade("/?token=gone", nil))
			see("unix socket", c.upgrade("/?token=unix", nil, quit))
			see("IPv6 display in brackets", c.upgrade("/?token=six", nil, quit))
			see("good, bad sub-protocol", c.upgrade("/?token=good", []string{"Sec-WebSocket-Protocol: chat"}))
		}},
		{"host tokens", []string{"--host-token", "--token-plugin=TokenFile", "--token-source=" + w.tokens}, func(c webClient, see func(string, string)) {
			see("good", c.upgrade("/", []string{"Host: good.example"}, quit))
			see("good, with a port", c.upgrade("/", []string{"Host: good.example:6080"}, quit))
			see("bad", c.upgrade("/?token=good", []string{"Host: bad.example"}))
		}},
	}
}

func (w *bridgeWorld) authCases() []bridgeCase {
	quit := frame(opBinary, "quit")
	basic := func(s string) []string {
		return []string{"Authorization: Basic " + base64.StdEncoding.EncodeToString([]byte(s))}
	}
	return []bridgeCase{
		{"Basic auth", []string{"--auth-plugin", "BasicHTTPAuth", "--auth-source", "jane:pass:word", "--web", w.web, "--web-auth", w.echo}, func(c webClient, see func(string, string)) {
			see("good", c.upgrade("/", basic("jane:pass:word"), quit))
			see("bad", c.upgrade("/", basic("jane:pass")))
			see("none", c.upgrade("/", nil))
			see("not base64", c.upgrade("/", []string{"Authorization: Basic ??"}))
			see("another scheme", c.upgrade("/", []string{"Authorization: Bearer x"}))
			see("file, good", c.get("GET", "/page.html", "a page", basic("jane:pass:word")...))
			see("file, none", c.get("GET", "/page.html", "a page"))
		}},
		{"Origin", []string{"--auth-plugin", "ExpectOrigin", "--auth-source", "https://a.example https://b.example", w.echo}, func(c webClient, see func(string, string)) {
			see("good", c.upgrade("/", []string{"Origin: https://b.example"}, quit))
			see("bad", c.upgrade("/", []string{"Origin: https://c.example"}))
			see("none", c.upgrade("/", nil))
		}},
		{"token and auth", []string{"--auth-plugin", "ExpectOrigin", "--auth-source", "https://a.example", "--token-plugin", "TokenFile", "--token-source", w.tokens},
			func(c webClient, see func(string, string)) {
				see("both good", c.upgrade("/?token=good", []string{"Origin: https://a.example"}, quit))
				see("bad origin", c.upgrade("/?token=good", []string{"Origin: https://b.example"}))
			}},
	}
}

func (w *bridgeWorld) tlsCases() []bridgeCase {
	quit := frame(opBinary, "quit")
	secure := func(c webClient, certs ...tls.Certificate) webClient {
		c.tls = &tls.Config{InsecureSkipVerify: true, Certificates: certs}
		return c
	}
	return []bridgeCase{
		{"TLS and plain on one port", []string{"--cert", w.both, "--web", w.web, w.echo}, func(c webClient, see func(string, string)) {
			see("wss", secure(c).upgrade("/", nil, quit))
			see("ws", c.upgrade("/", nil, quit))
			see("https", secure(c).get("GET", "/page.html", "a page"))
			see("http", c.get("GET", "/page.html", "a page"))
		}},
		{"TLS only", []string{"--cert", w.both, "--ssl-only", w.echo}, func(c webClient, see func(string, string)) {
			see("wss", secure(c).upgrade("/", nil, quit))
			see("ws", c.upgrade("/", nil, quit))
		}},
		{"TLS 1.3 only", []string{"--cert", w.both, "--ssl-version", "tlsv1_3", w.echo}, func(c webClient, see func(string, string)) {
			see("1.3", secure(c).upgrade("/", nil, quit))
			old := secure(c)
			old.tls.MaxVersion = tls.VersionTLS12
			see("1.2", old.upgrade("/", nil, quit))
		}},
		{"no certificate", []string{"--cert", filepath.Join(w.dir, "missing.pem"), w.echo}, func(c webClient, see func(string, string)) {
			see("ws", c.upgrade("/", nil, quit))
			see("wss", secure(c).upgrade("/", nil, quit))
		}},
		{"client certificate", []string{"--cert", w.both, "--verify-client", "--cafile", w.ca, "--auth-plugin", "ClientCertCNAuth", "--auth-source", "jane jill", w.echo},
			func(c webClient, see func(string, string)) {
				see("of jane", secure(c, w.jane).upgrade("/", nil, quit))
				see("of joe", secure(c, w.joe).upgrade("/", nil, quit))
				see("none", secure(c).upgrade("/", nil, quit))
				see("plain", c.upgrade("/", nil, quit))
				see("plain, with its header forged", c.upgrade("/", []string{"SSL_CLIENT_S_DN_CN: jane"}, quit))
			}},
	}
}

// endCases have the programs end by themselves.
func (w *bridgeWorld) endCases() []bridgeCase {
	return []bridgeCase{
		{"--run-once", []string{"--run-once", "--web", w.web, w.echo}, func(c webClient, see func(string, string)) {
			see("a file first", c.get("GET", "/page.html", "a page"))
			see("then an upgrade", c.upgrade("/", nil, frame(opBinary, "quit")))
			see("then", c.end())
		}},
		{"--idle-timeout", []string{"--idle-timeout", "6", w.echo}, func(c webClient, see func(string, string)) {
			see("an upgrade", c.upgrade("/", nil, frame(opBinary, "quit")))
			see("then", c.end())
		}},
		{"--timeout", []string{"--timeout", "3", w.echo}, func(c webClient, see func(string, string)) {
			see("an upgrade", c.upgrade("/", nil, frame(opBinary, "quit")))
			see("then", c.end())
		}},
	}
}
