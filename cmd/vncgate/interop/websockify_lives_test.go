package interop

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// bridge starts our websockify and waits until it listens at port.
func bridge(t *testing.T, port int, cmd *exec.Cmd) *process {
	t.Helper()
	p, err := start(testScope(t), "vncgate websockify", cmd)
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, "the bridge listens", func() error {
		if err := p.alive(); err != nil {
			return err
		}
		c, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err == nil {
			c.Close()
		}
		return err
	})
	return p
}

func takePort(t *testing.T) int {
	t.Helper()
	port, err := freePort()
	if err != nil {
		t.Fatal(err)
	}
	return port
}

// TestWebsockifyServesNoVNC has Debian's noVNC come from the bridge's --web
// and connect through it, as the page is meant to be used.
func TestWebsockifyServesNoVNC(t *testing.T) {
	needNoVNC(t)
	d := theXvnc(t)
	port := takePort(t)
	bridge(t, port, exec.Command(program(t), "websockify", "--web", debianNoVNC, fmt.Sprint(port), d.at.address()))
	seesThroughBridge(t, port, noVNC, d)
}

// TestNoVNCProxyServesOurPage does the same by the other name, with the page
// that comes along.
func TestNoVNCProxyServesOurPage(t *testing.T) {
	needOwnPage(t)
	d := theXvnc(t)
	port := takePort(t)
	link := filepath.Join(t.TempDir(), "novnc_proxy")
	if err := os.Symlink(program(t), link); err != nil {
		t.Fatal(err)
	}
	p := bridge(t, port, exec.Command(link, "--listen", fmt.Sprint(port), "--vnc", d.at.address()))
	eventually(t, "it says where its page is", func() error { return p.log.has(0, fmt.Sprintf(":%d/vnc.html", port)) })
	seesThroughBridge(t, port, ownPage, d)
}

func seesThroughBridge(t *testing.T, port int, kind viewerKind, d *display) {
	t.Helper()
	want := directPicture(t, kind, d)
	at := d.at
	at.host, at.port, at.path = "127.0.0.1", port, "websockify"
	v, err := openNoVNC(testScope(t), fmt.Sprintf("http://127.0.0.1:%d", port), at)
	if err != nil {
		t.Fatal(err)
	}
	sees(t, v, want)
}

// TestWebsockifyWrapsXvnc has Xvnc believe that it listens on the bridge's port.
func TestWebsockifyWrapsXvnc(t *testing.T) {
	need(t, "Xtigervnc", "tigervnc-standalone-server")
	port := takePort(t)
	p := bridge(t, port, exec.Command(program(t), "websockify", fmt.Sprint(port), "--",
		"Xtigervnc", "-displayfd", "1", "-nolisten", "tcp", "-rfbport", fmt.Sprint(port), "-SecurityTypes", "None"))
	client := webClient{network: "tcp", address: fmt.Sprintf("127.0.0.1:%d", port)}
	eventually(t, "Xvnc greets through the bridge", func() error {
		if err := p.alive(); err != nil {
			return err
		}
		// Xvnc closes when it reads what is no version.
		if seen := client.upgrade("/", nil, frame(opBinary, "no version!!")); !strings.Contains(seen, "RFB 003.008") {
			return fmt.Errorf("seen: %s", seen)
		}
		return nil
	})
	p.stop()
}

// TestWebsockifyByInetd passes a listening socket and a connection.
func TestWebsockifyByInetd(t *testing.T) {
	world := newBridgeWorld(t)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	client := webClient{network: "tcp", address: ln.Addr().String()}
	want := `101; "quit", closed with 1000 Target closed`

	t.Run("wait", func(t *testing.T) {
		socket, err := ln.(*net.TCPListener).File()
		if err != nil {
			t.Fatal(err)
		}
		defer socket.Close()
		p := underInetd(t, socket, program(t), "--run-once", world.echo)
		if seen := client.upgrade("/", nil, frame(opBinary, "quit")); seen != want {
			t.Errorf("seen: %s", seen)
		}
		if err := p.finish(); err != nil {
			t.Error(err)
		}
	})
	t.Run("nowait", func(t *testing.T) {
		ended := make(chan string, 1)
		go func() { ended <- client.upgrade("/", nil, frame(opBinary, "quit")) }()
		c, err := ln.Accept()
		if err != nil {
			t.Fatal(err)
		}
		socket, err := c.(*net.TCPConn).File()
		if err != nil {
			t.Fatal(err)
		}
		c.Close()
		p := underInetd(t, socket, program(t), world.echo)
		socket.Close()
		if seen := <-ended; seen != want {
			t.Errorf("seen: %s", seen)
		}
		if err := p.finish(); err != nil {
			t.Error(err)
		}
	})
}

// underInetd starts the program with the socket as input, output and error.
func underInetd(t *testing.T, socket *os.File, binary string, args ...string) *process {
	t.Helper()
	cmd := exec.Command(binary, append([]string{"websockify", "--inetd"}, args...)...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = socket, socket, socket
	p, err := start(testScope(t), "vncgate websockify --inetd", cmd)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// TestWebsockifyDaemon finds the bridge listening as soon as the program that
// was started has ended, and learns by its exit status when it cannot.
func TestWebsockifyDaemon(t *testing.T) {
	world := newBridgeWorld(t)
	port := takePort(t)
	log := filepath.Join(world.dir, "log")
	args := []string{"websockify", "-D", "--run-once", "--log-file", "log", fmt.Sprint(port), world.echo}
	cmd := exec.Command(program(t), args...)
	cmd.Dir = world.dir
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	second := exec.Command(program(t), args...)
	second.Dir = world.dir
	if out, err := second.CombinedOutput(); err == nil || second.ProcessState.ExitCode() != 1 || !strings.Contains(string(out), "in use") {
		t.Errorf("a second one on the same port: %v: %s", err, out)
	}
	client := webClient{network: "tcp", address: fmt.Sprintf("127.0.0.1:%d", port)}
	if seen := client.upgrade("/", nil, frame(opBinary, "quit")); seen != `101; "quit", closed with 1000 Target closed` {
		t.Errorf("seen: %s", seen)
	}
	eventually(t, "the log is in the folder that it was started in", func() error {
		b, err := os.ReadFile(log)
		if err == nil && !strings.Contains(string(b), "--run-once") {
			err = fmt.Errorf("the log is %s", b)
		}
		return err
	})
}

// TestWebsockifyDaemonWraps has the command of a daemon keep nothing of the
// terminal, nor the program that was started waiting.
func TestWebsockifyDaemonWraps(t *testing.T) {
	dir := t.TempDir()
	cmd := exec.Command(program(t), "websockify", "-D", fmt.Sprint(takePort(t)), "--",
		"sh", "-c", "readlink /proc/self/fd/0 /proc/self/fd/1 /proc/self/fd/2 /proc/self/fd/3 >fds; env >env; sleep 2")
	cmd.Dir = dir
	if out, err := run(cmd); err != nil { // whose output ends with the last that has it open
		t.Fatalf("%v: %s", err, out)
	}
	eventually(t, "the command says what it has", func() error {
		fds, _ := os.ReadFile(filepath.Join(dir, "fds"))
		env, _ := os.ReadFile(filepath.Join(dir, "env"))
		if string(fds) == "" || len(env) == 0 {
			return fmt.Errorf("nothing yet")
		}
		if strings.Contains(string(fds), "pipe:") || strings.Contains(string(env), "VNCGATE_BACKGROUND") {
			return fatal{fmt.Errorf("it has %s and %s", fds, env)}
		}
		return nil
	})
}
