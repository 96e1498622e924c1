//go:build unix

package auth

import (
	"bufio"
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Cyrus SASL is what gtk-vnc, libvncclient and QEMU are built on. Its sample
// client proves a user whose keys were made at the cost of real ones.
func TestCyrusClient(t *testing.T) {
	for _, tool := range []string{"sasl-sample-client", "stdbuf"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("%s is missing: apt-get install sasl2-bin libsasl2-modules coreutils", tool)
		}
	}
	f := &UsersFile{Path: t.TempDir() + "/users"}
	must(t, f.Add("alice", "wonderland"))
	u := openUsers(t, f)
	for password, want := range map[string]string{"wonderland": "alice", "guess": ""} {
		for _, mechanism := range []string{ScramSHA256, Plain} {
			server := newMechanism(t, u, mechanism)
			satisfied, err := cyrus(t, server, password)
			if server.Username() != want || satisfied != (want != "") {
				t.Errorf("%s %q: user %q, client satisfied %v, %v", mechanism, password, server.Username(), satisfied, err)
			}
		}
	}
}

// cyrus runs the sample client against server. The client is satisfied when it
// has taken the last challenge, if there is one, and answers with nothing.
func cyrus(t *testing.T, server *Mechanism, password string) (satisfied bool, err error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "stdbuf", "-oL", "sasl-sample-client", "-s", "vnc", "-m", server.Name(), "-u", "alice", "-a", "alice")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true} // without a terminal it reads the password from its input
	in, err := cmd.StdinPipe()
	must(t, err)
	out, err := cmd.StdoutPipe()
	must(t, err)
	must(t, cmd.Start())
	defer func() {
		in.Close()
		cmd.Process.Kill()
		cmd.Wait()
	}()
	fmt.Fprintf(in, "S: %s\n%s\n", base64.StdEncoding.EncodeToString([]byte(server.Name())), password)

	lines := bufio.NewReader(out)
	response, err := cyrusResponse(lines)
	if err != nil {
		return false, err
	}
	_, response, _ = bytes.Cut(response, []byte{0}) // the mechanism's name comes first
	for {
		challenge, done, err := server.Next(response)
		if err != nil || done && len(challenge) == 0 {
			return err == nil, err
		}
		fmt.Fprintf(in, "S: %s\n", base64.StdEncoding.EncodeToString(challenge))
		if response, err = cyrusResponse(lines); err != nil || done {
			return err == nil && len(response) == 0, err
		}
	}
}

// cyrusResponse reads to the client's next response, past what it tells.
func cyrusResponse(lines *bufio.Reader) ([]byte, error) {
	for {
		line, err := lines.ReadString('\n')
		if encoded, ok := strings.CutPrefix(line, "C:"); ok {
			return base64.StdEncoding.DecodeString(strings.TrimSpace(encoded))
		}
		if err != nil {
			return nil, io.ErrUnexpectedEOF
		}
	}
}
