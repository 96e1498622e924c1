//go:build linux

package auth

import (
	"bufio"
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/emersion/go-sasl"
)

// startPeer runs a program that speaks SASL in lines of base64.
func startPeer(t testing.TB, env []string, program string, args ...string) *sample {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	cmd := exec.CommandContext(ctx, "stdbuf", append([]string{"-oL", program}, args...)...)
	cmd.Env = append(os.Environ(), env...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true} // without a terminal it reads the password from its input
	in, err := cmd.StdinPipe()
	must(t, err)
	out, err := cmd.StdoutPipe()
	must(t, err)
	must(t, cmd.Start())
	t.Cleanup(func() {
		in.Close()
		cancel()
		cmd.Wait()
	})
	return &sample{in: in, out: bufio.NewReader(out), ours: "S: ", theirs: "C: "}
}

func needPeers(t testing.TB, debianPackage string, tools ...string) {
	t.Helper()
	for _, tool := range append(tools, "stdbuf") {
		if _, err := exec.LookPath(tool); err != nil {
			missingPeer(t, tool, debianPackage)
		}
	}
}

// Cyrus SASL is what gtk-vnc, libvncclient and QEMU are built on. Its sample
// client proves a user whose keys were made at the cost of real ones.
func TestCyrusClient(t *testing.T) {
	needPeers(t, "sasl2-bin libsasl2-modules", "sasl-sample-client")
	f := &UsersFile{Path: t.TempDir() + "/users"}
	must(t, f.Add("alice", "wonderland"))
	m := Mechanisms{Users: openUsers(t, f), Encrypted: true, External: &Identity{Name: "alice"}, Anonymous: true}
	for _, c := range []struct{ mechanism, password, want string }{
		{ScramSHA512, "wonderland", "alice"}, {ScramSHA256, "wonderland", "alice"}, {Plain, "wonderland", "alice"},
		{ScramSHA512, "guess", ""}, {ScramSHA256, "guess", ""}, {Plain, "guess", ""},
		{External, "", "alice"}, {Anonymous, "", ""},
	} {
		server, err := m.New(t.Context(), c.mechanism)
		must(t, err)
		peer := startPeer(t, nil, "sasl-sample-client", "-s", "vnc", "-m", c.mechanism, "-u", "alice", "-a", "alice", "-e", "ssf=256,id=alice")
		satisfied, err := serveCyrus(peer, server, c.password)
		if ok := c.want != "" || c.mechanism == Anonymous; server.Username() != c.want || satisfied != ok || (err == nil) != ok {
			t.Errorf("%s %q: user %q, client satisfied %v, %v\n%s", c.mechanism, c.password, server.Username(), satisfied, err, peer.rest())
		}
	}
}

// Cyrus's client has no channel binding of its own, and is not confused by a list
// with -PLUS in it.
func TestCyrusClientChooses(t *testing.T) {
	needPeers(t, "sasl2-bin libsasl2-modules", "sasl-sample-client")
	f := &UsersFile{Path: t.TempDir() + "/users"}
	must(t, f.Add("alice", "wonderland"))
	m := Mechanisms{Users: openUsers(t, f), Encrypted: true, Binding: Binding{Exporter: randomBytes(exporterLen)}}
	peer := startPeer(t, nil, "sasl-sample-client", "-s", "vnc", "-u", "alice", "-a", "alice")
	peer.send([]byte(strings.Join(m.Names(), " ")))
	io.WriteString(peer.in, "wonderland\n")
	chosen, err := peer.receive()
	must(t, err)
	name, response, _ := strings.Cut(string(chosen), "\x00")
	server, err := m.New(t.Context(), name)
	must(t, err)
	satisfied, err := serveCyrusFrom(peer, server, []byte(response))
	if name != ScramSHA512 || server.Username() != "alice" || !satisfied {
		t.Errorf("%s: user %q, client satisfied %v, %v", name, server.Username(), satisfied, err)
	}
}

// serveCyrus runs the sample client against server. The client is satisfied
// when it has taken the last challenge, if there is one, and answers with
// nothing.
func serveCyrus(peer *sample, server *Mechanism, password string) (satisfied bool, err error) {
	peer.send([]byte(server.Name()))
	if password != "" {
		io.WriteString(peer.in, password+"\n")
	}
	response, err := peer.receive()
	if err != nil {
		return false, err
	}
	_, response, _ = bytes.Cut(response, []byte{0}) // the mechanism's name comes first
	return serveCyrusFrom(peer, server, response)
}

// serveCyrusFrom is the rest of it, from the client's first response on.
func serveCyrusFrom(peer *sample, server *Mechanism, response []byte) (satisfied bool, err error) {
	for {
		challenge, done, err := server.Next(response)
		if err != nil || done && len(challenge) == 0 {
			return err == nil, err
		}
		peer.send(challenge)
		if response, err = peer.receive(); err != nil || done {
			return err == nil && len(response) == 0, err
		}
	}
}

// Its sample server, with passwords in a database of its own, is a display.
func TestCyrusServer(t *testing.T) {
	needPeers(t, "sasl2-bin libsasl2-modules", "sasl-sample-server", "saslpasswd2")
	dir := t.TempDir()
	db := filepath.Join(dir, "sasldb2")
	must(t, os.WriteFile(filepath.Join(dir, "sample.conf"), []byte("pwcheck_method: auxprop\nauxprop_plugin: sasldb\nsasldb_path: "+db+"\n"), 0o600))
	passwd := exec.Command("saslpasswd2", "-p", "-c", "-f", db, "-u", "gate.example", "alice")
	passwd.Stdin = strings.NewReader("wonderland\n")
	if out, err := passwd.CombinedOutput(); err != nil {
		t.Fatalf("saslpasswd2: %v\n%s", err, out)
	}
	for _, c := range []struct {
		mechanism, password string
		ok                  bool
	}{
		{ScramSHA512, "wonderland", true}, {ScramSHA256, "wonderland", true}, {Plain, "wonderland", true},
		{ScramSHA512, "guess", false}, {ScramSHA256, "guess", false}, {Plain, "guess", false},
		{External, "", true}, {Anonymous, "", true},
	} {
		credentials := Credentials{User: "alice", Password: constant(c.password), External: true, Anonymous: true, Encrypted: true}
		client, err := ChooseClient(t.Context(), []string{c.mechanism}, credentials)
		must(t, err)
		peer := startPeer(t, []string{"SASL_CONF_PATH=" + dir}, "sasl-sample-server", "-s", "vnc", "-m", c.mechanism, "-u", "gate.example", "-e", "ssf=256,id=alice", "-l")
		peer.ours, peer.theirs = peer.theirs, peer.ours
		if err := loginToCyrus(peer, client); (err == nil) != c.ok {
			t.Errorf("%s %q: %v\n%s", c.mechanism, c.password, err, peer.rest())
		}
	}
}

// loginToCyrus runs client against the sample server.
func loginToCyrus(peer *sample, client sasl.Client) error {
	if _, err := peer.receive(); err != nil { // its list
		return err
	}
	name, response, err := client.Start()
	if err != nil {
		return err
	}
	peer.send(append([]byte(name+"\x00"), response...))
	for {
		challenge, err := peer.receive()
		if err != nil || strings.Contains(peer.told.String(), "Username: ") {
			break // what it says then is a greeting
		}
		if response, err = client.Next(challenge); err != nil {
			return err
		}
		if len(response) == 0 {
			break
		}
		peer.send(response)
	}
	if !strings.Contains(peer.rest(), "Negotiation complete") {
		return errors.New("the server is not content")
	}
	if d, ok := client.(interface{ Done() bool }); ok && !d.Done() {
		return errors.New("the client is not content")
	}
	return nil
}

// GNU SASL is another implementation with channel bindings; it asks for the
// bytes of tls-exporter.
func TestGNUChannelBinding(t *testing.T) {
	needPeers(t, "gsasl", "gsasl")
	f := newUsersFile(t)
	bytes := randomBytes(exporterLen)
	for _, c := range []struct {
		password string
		theirs   []byte
		ok       bool
	}{
		{"wonderland", bytes, true},
		{"wonderland", randomBytes(exporterLen), false},
		{"guess", bytes, false},
	} {
		server, err := Mechanisms{Users: openUsers(t, f), Binding: Binding{Exporter: bytes}}.New(t.Context(), ScramSHA256Plus)
		must(t, err)
		peer := startPeer(t, nil, "gsasl", "--quiet", "--client", "--mechanism", ScramSHA256Plus, "-a", "alice", "-p", c.password)
		if err := serveGNU(peer, server, c.theirs); (err == nil) != c.ok || (server.Username() == "alice") != c.ok {
			t.Errorf("client, %q: %v, user %q", c.password, err, server.Username())
		}

		client := boundClient(t, scram256, Binding{Exporter: bytes})
		peer = startPeer(t, nil, "gsasl", "--quiet", "--server", "--mechanism", ScramSHA256Plus, "-p", c.password, "--iteration-count", "4096")
		if err := loginToGNU(peer, client, c.theirs); (err == nil) != c.ok || client.(*scramClient).Done() != c.ok {
			t.Errorf("server, %q: %v", c.password, err)
		}
	}
}

// gnuLine reads the next message, past prompts.
func gnuLine(peer *sample) ([]byte, error) {
	line, err := peer.out.ReadString('\n')
	peer.told.WriteString(line)
	if err != nil {
		return nil, io.ErrUnexpectedEOF
	}
	if at := strings.LastIndex(line, ": "); at >= 0 {
		line = line[at+2:]
	}
	return base64.StdEncoding.DecodeString(strings.TrimSpace(line))
}

func sendGNU(peer *sample, messages ...[]byte) {
	for _, m := range messages {
		io.WriteString(peer.in, base64.StdEncoding.EncodeToString(m)+"\n")
	}
}

func serveGNU(peer *sample, server *Mechanism, binding []byte) error {
	if _, err := peer.out.ReadString('\n'); err != nil { // the mechanism's name
		return err
	}
	sendGNU(peer, binding)
	for {
		response, err := gnuLine(peer)
		if err != nil {
			return err
		}
		challenge, done, err := server.Next(response)
		if err != nil || done {
			return err
		}
		sendGNU(peer, challenge)
	}
}

func loginToGNU(peer *sample, client sasl.Client, binding []byte) error {
	_, response, err := client.Start()
	if err != nil {
		return err
	}
	for range 2 { // the mechanism's name, and nothing, since it waits for us
		if _, err := peer.out.ReadString('\n'); err != nil {
			return err
		}
	}
	sendGNU(peer, response, binding)
	for range 2 {
		challenge, err := gnuLine(peer)
		if err != nil {
			return err
		}
		if response, err = client.Next(challenge); err != nil {
			return err
		}
		sendGNU(peer, response)
	}
	return nil
}
