package netlab

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// A route is a way for viewers to the display.
type route struct {
	name string
	open func(t testing.TB, l *lab) (address string) // makes it, until the test is over
}

// direct is a connection through the port that the nat forwards.
var direct = route{"direct", func(testing.TB, *lab) string { return natAddress + ":" + displayPort }}

// sshRemote is ssh -R, from the agent to an sshd at the gateway.
var sshRemote = route{"ssh -R", func(t testing.TB, l *lab) string {
	t.Helper()
	const port, forwarded = "2222", "5901"
	sshd, err := exec.LookPath("sshd")
	if err != nil {
		t.Fatal("sshd is missing: apt install openssh-server")
	}
	dir := t.TempDir()
	for _, name := range []string{"host", "user"} {
		command(t, "ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", filepath.Join(dir, name))
	}
	config := filepath.Join(dir, "config")
	if err := os.WriteFile(config, []byte(`ListenAddress `+gatewayAddress+`:`+port+`
HostKey `+dir+`/host
AuthorizedKeysFile `+dir+`/user.pub
StrictModes no
UsePAM no
PasswordAuthentication no
PidFile none
GatewayPorts clientspecified
`), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll("/run/sshd", 0o755); err != nil {
		t.Fatal(err)
	}
	server := start(t, "sshd", l.gateway.command(sshd, "-D", "-e", "-f", config))
	eventually(t, "sshd listens", l.gateway.reaches(t, gatewayAddress+":"+port, server))
	client := start(t, "ssh", l.agent.command("ssh", "-N", "-F", "none", "-i", filepath.Join(dir, "user"), "-p", port,
		"-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "ExitOnForwardFailure=yes",
		"-R", frontAddress+":"+forwarded+":"+agentAddress+":"+displayPort, "root@"+gatewayAddress))
	eventually(t, "ssh -R forwards", l.viewer.reaches(t, frontAddress+":"+forwarded, client))
	return frontAddress + ":" + forwarded
}}

// reaches tries to connect, unless the process has ended.
func (h *host) reaches(t testing.TB, address string, p *process) func() error {
	return func() error {
		if err := p.ended(); err != nil {
			return err
		}
		c, err := h.dial(t.Context(), address)
		if err != nil {
			return err
		}
		return c.Close()
	}
}

// startDisplay serves the display at the agent's.
func (l *lab) startDisplay(t testing.TB) net.Listener {
	t.Helper()
	ln := l.agent.listen(t, agentAddress+":"+displayPort)
	go display(ln)
	return ln
}
