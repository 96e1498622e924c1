package rfbtest_test

import (
	"bufio"
	"context"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"vncgate/layers/layertest"
	"vncgate/rfb"
	"vncgate/rfb/rfbtest"
)

// Recording needs the programs of Debian's tigervnc-viewer,
// tigervnc-standalone-server, tigervnc-tools, gvncviewer, gir1.2-gtk-vnc-2.0,
// qemu-system-x86, sasl2-bin, libsasl2-modules, x11vnc, xvfb, xdotool, gcc,
// novnc and chromium:
//
//	go test ./rfb/rfbtest -update

// A recording has what the programs need to run.
type recording struct {
	t    *testing.T
	name string // of the session, which ends in the security type
	pair *layertest.TLSPair
	dir  string

	port    int              // of our display, or of theirs
	display *rfbtest.Display // ours
}

// recordViewer has a program view a display of ours.
func recordViewer(t *testing.T, s session, path string, pair *layertest.TLSPair) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	cfg := pair.Server.Clone()
	cfg.ClientAuth = 0 // vncviewer has no certificate to show
	r := &recording{
		t: t, name: s.name, pair: pair, dir: t.TempDir(),
		port: ln.Addr().(*net.TCPAddr).Port, display: new(rfbtest.Display),
	}
	tr := &rfbtest.Transcript{About: s.about + "\n"}
	served := make(chan struct{})
	go func() {
		defer close(served)
		c, err := ln.Accept()
		if err != nil {
			return
		}
		defer c.Close()
		tr.Result = s.serve(tr.Record(c, rfbtest.ByDisplay), tlsServer(cfg), r.display)
	}()
	s.peer(r)
	ln.Close()
	<-served
	// However a viewer leaves, its transcript ends between two messages.
	head, _, _ := strings.Cut(tr.Result, "\nend ")
	tr.Result = head + "\nend EOF\n"
	save(t, path, tr)
}

// recordDisplay views the display of a program.
func recordDisplay(t *testing.T, s session, path string, pair *layertest.TLSPair) {
	r := &recording{t: t, name: s.name, pair: pair, dir: t.TempDir(), port: freePort(t)}
	s.peer(r)
	c := r.dial()
	defer c.Close()
	tr := &rfbtest.Transcript{About: s.about + "\n"}
	tr.Result = s.view(tr.Record(c, rfbtest.ByViewer), tlsClient(pair.Client))
	save(t, path, tr)
}

func freePort(t *testing.T) int {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	return ln.Addr().(*net.TCPAddr).Port
}

// dial connects to a display as soon as it is up.
func (r *recording) dial() net.Conn {
	for range 200 {
		c, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", r.port))
		if err == nil {
			return c
		}
		time.Sleep(50 * time.Millisecond)
	}
	r.t.Fatal("the display does not come up")
	return nil
}

// run starts a program that is stopped when the recording ends.
func (r *recording) run(env []string, name string, args ...string) *exec.Cmd {
	cmd := exec.Command(name, args...)
	cmd.Env = append(os.Environ(), env...)
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	return cmd
}

// stop ends a program before the recording does.
func stop(cmd *exec.Cmd) {
	_ = cmd.Process.Kill()
	_, _ = cmd.Process.Wait()
}

// xvfb runs an X server and returns its display as an environment variable.
func (r *recording) xvfb() string {
	read, write, err := os.Pipe()
	if err != nil {
		r.t.Fatal(err)
	}
	defer read.Close()
	cmd := exec.Command("Xvfb", "-displayfd", "3", "-nolisten", "tcp", "-screen", "0", "320x240x24")
	cmd.ExtraFiles = []*os.File{write}
	if err := cmd.Start(); err != nil {
		r.t.Fatal(err)
	}
	write.Close()
	r.t.Cleanup(func() { stop(cmd) })
	number, err := bufio.NewReader(read).ReadString('\n')
	if err != nil {
		r.t.Fatal(err)
	}
	return "DISPLAY=:" + strings.TrimSpace(number)
}

func (r *recording) file(name, content string) string {
	path := filepath.Join(r.dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		r.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		r.t.Fatal(err)
	}
	return path
}

// certificates writes what servers need and returns certificate and key.
func (r *recording) certificates() (cert, key string) {
	r.file("ca-cert.pem", string(r.pair.CAPEM))
	leaf := r.pair.Server.Certificates[0]
	der, err := x509.MarshalPKCS8PrivateKey(leaf.PrivateKey)
	if err != nil {
		r.t.Fatal(err)
	}
	cert = r.file("server-cert.pem", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: leaf.Certificate[0]})))
	key = r.file("server-key.pem", string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})))
	return cert, key
}

// waitFor returns when the viewer has sent a message of type kind.
func (r *recording) waitFor(kind byte) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if _, err := r.display.Wait(ctx, func(msg []byte) bool { return msg[0] == kind }); err != nil {
		r.t.Fatalf("no message of type %d: %v", kind, err)
	}
}

func (r *recording) vncviewer() {
	x := r.xvfb()
	types := map[string]string{"none": "None", "vnc": "VncAuth", "x509-plain": "X509Plain", "x509-vnc": "X509Vnc"}
	_, kind, _ := strings.Cut(r.name, "-")
	viewer := r.run([]string{x, "VNC_USERNAME=" + user, "VNC_PASSWORD=" + secret, "HOME=" + r.dir}, "vncviewer",
		"-SecurityTypes="+types[kind], "-X509CA="+r.file("ca.pem", string(r.pair.CAPEM)),
		"-AutoSelect=0", "-PreferredEncoding=Raw", "-UseIPv6=0", "-AlertOnFatalError=0", "-ReconnectOnError=0",
		fmt.Sprintf("localhost::%d", r.port))
	r.waitFor(rfb.MsgFramebufferUpdateRequest)
	if kind == "none" {
		r.typeAndClick(x)
	}
	time.Sleep(time.Second)
	stop(viewer)
}

// typeAndClick uses the keyboard and the pointer on the viewer's window.
func (r *recording) typeAndClick(x string) {
	time.Sleep(time.Second)
	cmd := exec.Command("xdotool", "search", "--name", "TigerVNC", "windowfocus", "mousemove", "--window", "%1", "4", "4", "click", "1", "key", "a")
	cmd.Env = append(os.Environ(), x)
	if out, err := cmd.CombinedOutput(); err != nil {
		r.t.Fatalf("xdotool: %v: %s", err, out)
	}
	r.waitFor(rfb.MsgPointerEvent)
}

// interop has a gtk-vnc viewer that is driven by lines.
const interop = "../../cmd/vncgate/interop/testdata/"

func (r *recording) gtkvnc() {
	x := r.xvfb()
	r.file(".pki/CA/cacert.pem", string(r.pair.CAPEM))
	preload := filepath.Join(r.dir, "home.so")
	if out, err := exec.Command("gcc", "-shared", "-fPIC", "-o", preload, interop+"home.c", "-ldl").CombinedOutput(); err != nil {
		r.t.Fatalf("gcc: %v: %s", err, out)
	}
	cmd := exec.Command("/usr/bin/python3", interop+"gtkviewer.py", "localhost", fmt.Sprint(r.port))
	cmd.Env = append(os.Environ(), x, "LD_PRELOAD="+preload, "HOME="+r.dir, "VIEWER_USER="+user, "VIEWER_PASSWORD="+secret)
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		r.t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		r.t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		r.t.Fatal(err)
	}
	defer stop(cmd)
	r.waitFor(rfb.MsgFramebufferUpdateRequest)
	answers := bufio.NewScanner(stdout)
	for _, line := range []string{"key 0x61", "pointer 3 4 0", "cut hello"} {
		fmt.Fprintln(stdin, line)
		for answers.Scan() && strings.HasPrefix(answers.Text(), "event") {
		}
	}
	r.waitFor(rfb.MsgClientCutText)
	stdin.Close()
}

func (r *recording) gvnccapture() {
	cmd := exec.Command("gvnccapture", fmt.Sprintf("localhost:%d", r.port-5900), filepath.Join(r.dir, "shot.png"))
	out, err := cmd.CombinedOutput()
	if err != nil {
		r.t.Fatalf("gvnccapture: %v: %s", err, out)
	}
}

func (r *recording) xvnc() {
	kind := strings.TrimSuffix(strings.TrimPrefix(r.name, "xvnc-"), "-wrong")
	types := map[string]string{"none": "None", "vnc": "VncAuth", "x509-vnc": "X509Vnc", "tls-vnc": "TLSVnc"}
	cert, key := r.certificates()
	obfuscate := exec.Command("vncpasswd", "-f")
	obfuscate.Stdin = strings.NewReader(secret + "\n")
	password, err := obfuscate.Output()
	if err != nil {
		r.t.Fatal(err)
	}
	r.run(nil, "Xtigervnc", fmt.Sprintf(":%d", 100+r.port%800), "-rfbport", fmt.Sprint(r.port), "-localhost", "-geometry", "32x32",
		"-depth", "24", "-desktop", "transcript", "-SecurityTypes", types[kind], "-X509Cert", cert, "-X509Key", key,
		"-PasswordFile", r.file("passwd", string(password)), "-nolisten", "tcp", "-Log", "*:stderr:0")
}

func (r *recording) qemu() {
	kind := strings.TrimSuffix(strings.TrimPrefix(r.name, "qemu-"), "-wrong")
	r.certificates()
	listen := fmt.Sprintf("127.0.0.1:%d", r.port-5900)
	args := []string{"-nodefaults", "-no-user-config", "-machine", "pc,accel=tcg", "-m", "16", "-vga", "std", "-display", "none", "-S", "-name", "transcript"}
	var env []string
	if strings.HasPrefix(kind, "x509-") {
		args = append(args, "-object", "tls-creds-x509,id=tls,endpoint=server,verify-peer=off,dir="+r.dir)
		listen += ",tls-creds=tls"
	}
	switch {
	case strings.HasSuffix(kind, "sasl"):
		listen += ",sasl=on"
		env = append(env, "SASL_CONF_PATH="+r.saslConfig())
	case strings.HasSuffix(kind, "vnc"):
		args = append(args, "-object", "secret,id=password,file="+r.file("password", secret))
		listen += ",password-secret=password"
	}
	r.run(env, "qemu-system-x86_64", append(args, "-vnc", listen)...)
}

// saslConfig makes a folder with QEMU's SASL configuration and the user.
func (r *recording) saslConfig() string {
	db := filepath.Join(r.dir, "users")
	r.file("qemu.conf", "mech_list: scram-sha-256\npwcheck_method: auxprop\nauxprop_plugin: sasldb\nsasldb_path: "+db+"\n")
	cmd := exec.Command("saslpasswd2", "-p", "-c", "-f", db, "-a", "qemu", user)
	cmd.Stdin = strings.NewReader(secret)
	if out, err := cmd.CombinedOutput(); err != nil {
		r.t.Fatalf("saslpasswd2: %v: %s", err, out)
	}
	return r.dir
}

func (r *recording) x11vnc() {
	x := r.xvfb()
	args := []string{"-rfbport", fmt.Sprint(r.port), "-localhost", "-no6", "-noshm", "-desktop", "transcript", "-quiet", "-forever", "-scale", "32x32"}
	if strings.HasSuffix(r.name, "vnc-vnc") {
		args = append(args, "-passwd", secret)
	}
	r.run([]string{x}, "x11vnc", args...)
}
