package main

import (
	"bufio"
	"bytes"
	"fmt"
	"image/png"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"vncgate/certs"
)

// These tests hold the doctor against displays of other people, as they come.

// peerPatience is how long a display may take to start.
const peerPatience = time.Minute

// needPeer skips without a program, or fails where every peer has to be there.
func needPeer(t *testing.T, program, debianPackage string) {
	t.Helper()
	if testing.Short() || runtime.GOOS != "linux" {
		t.Skip("real peers are left out by -short, and run on Linux only")
	}
	if _, err := exec.LookPath(program); err == nil {
		return
	}
	if os.Getenv("VNCGATE_REQUIRE_PEERS") != "" {
		t.Fatalf("%s is missing: apt install %s", program, debianPackage)
	}
	t.Skipf("%s is missing: apt install %s", program, debianPackage)
}

// startPeer runs a program until the test ends.
func startPeer(t *testing.T, extra []*os.File, program string, args ...string) {
	t.Helper()
	cmd := exec.Command(program, args...)
	var log bytes.Buffer
	cmd.Stdout, cmd.Stderr, cmd.ExtraFiles = &log, &log, extra
	cmd.WaitDelay = time.Second
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if t.Failed() {
			t.Logf("%s said:\n%s", program, log.String())
		}
	})
}

// greets waits until a display greets at the address.
func greets(t *testing.T, network, address string) {
	t.Helper()
	var last error
	for deadline := time.Now().Add(peerPatience); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		c, err := net.Dial(network, address)
		if err != nil {
			last = err
			continue
		}
		_ = c.SetReadDeadline(time.Now().Add(peerPatience))
		head := make([]byte, 4)
		_, last = c.Read(head)
		c.Close()
		if last == nil && string(head) == "RFB " {
			return
		}
	}
	t.Fatalf("no display at %s: %v", address, last)
}

// unusedPort is for programs that cannot be given port 0. It lies below those
// of outgoing connections.
func unusedPort(t *testing.T) int {
	t.Helper()
	for port := 10000 + os.Getpid()%9000; port < 20000; port++ {
		ln, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
		if err == nil {
			ln.Close()
			return port
		}
	}
	t.Fatal("no port is free")
	return 0
}

// xserver runs an X server and returns its display's name.
func xserver(t *testing.T, program string, args ...string) string {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	startPeer(t, []*os.File{w}, program, append([]string{"-displayfd", "3", "-nolisten", "tcp"}, args...)...)
	w.Close()
	number, err := bufio.NewReader(r).ReadString('\n') // EOF when it dies
	if err != nil {
		t.Fatalf("%s gives no display number: %v", program, err)
	}
	return ":" + strings.TrimSpace(number)
}

// obscured is a password file as TigerVNC and x11vnc want it.
func obscured(t *testing.T, password string) string {
	t.Helper()
	needPeer(t, "tigervncpasswd", "tigervnc-tools")
	cmd := exec.Command("tigervncpasswd", "-f")
	cmd.Stdin = strings.NewReader(password + "\n")
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "passwd")
	if err := os.WriteFile(path, out, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// xvnc runs TigerVNC's X server with a password and returns its address.
func xvnc(t *testing.T, args ...string) string {
	t.Helper()
	needPeer(t, "Xtigervnc", "tigervnc-standalone-server")
	port := unusedPort(t)
	xserver(t, "Xtigervnc", append([]string{
		"-rfbport", strconv.Itoa(port), "-localhost", "-rfbauth", obscured(t, "sesame"), "-UseBlacklist=0", "-geometry", "320x240", "-desktop", "peer",
	}, args...)...)
	address := net.JoinHostPort("localhost", strconv.Itoa(port))
	greets(t, "tcp", address)
	return address
}

// colours counts the colours of a picture in a file, and checks its size.
func colours(t *testing.T, file string, width, height int) int {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	img, err := png.Decode(f)
	if err != nil {
		t.Fatal(err)
	}
	if b := img.Bounds(); b.Dx() != width || b.Dy() != height {
		t.Errorf("a picture of %v", b)
	}
	seen := map[any]bool{}
	for y := range img.Bounds().Dy() {
		for x := range img.Bounds().Dx() {
			seen[img.At(x, y)] = true
		}
	}
	return len(seen)
}

func TestDoctorOfXvnc(t *testing.T) {
	address := xvnc(t)
	picture := filepath.Join(t.TempDir(), "screen.png")
	r := diagnose(t, address, "--password-file", passwordText(t, "sesame"), "--screenshot", picture)
	if s := r.step(t, "security"); !r.OK || s.Details["server"] != "TigerVNC" || s.Details["chosen"] != "vnc" || !strings.Contains(r.text(), "tls-vnc (258): TLS without certificates") {
		t.Fatalf("%s", r.text())
	}
	colours(t, picture, 320, 240)
	diagnose(t, address, "--password-file", passwordText(t, "wrong")).failsAt(t, "authentication", "Authentication failure", "the password is wrong")
	if r := diagnose(t, "--front", address); !r.OK || !r.step(t, "authentication").Skipped {
		t.Errorf("%s", r.text())
	}
}

func TestDoctorOfXvncWithCertificate(t *testing.T) {
	dir := t.TempDir()
	pair, err := certs.Development(dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	cert, key := pair.Files()
	address := xvnc(t, "-SecurityTypes", "X509Vnc", "-X509Cert", cert, "-X509Key", key)
	args := []string{address, "--password-file", passwordText(t, "sesame")}
	if r := diagnose(t, append(args, "--ca", filepath.Join(dir, "ca.crt"))...); !r.OK || r.step(t, "authentication").Details["method"] != "x509-vnc" {
		t.Errorf("%s", r.text())
	}
	r := diagnose(t, args...)
	r.failsAt(t, "certificate", "vncgate development CA", "--target-ca")
	if !strings.Contains(r.text(), certs.Fingerprint(pair.Leaf())) {
		t.Errorf("%s", r.text())
	}
	r = diagnose(t, append(args, "--front")...)
	if r.OK || !r.step(t, "authentication").Skipped || !strings.Contains(r.step(t, "viewers").Summary, "4 of 4") {
		t.Errorf("%s", r.text())
	}
}

func TestDoctorOfXvncWithAnonymousTLS(t *testing.T) {
	diagnose(t, xvnc(t, "-SecurityTypes", "TLSVnc,TLSNone")).failsAt(t, "security", "nothing that can be spoken here", "-SecurityTypes X509Vnc")
}

// TestDoctorOfXvncLockedOut fails until the server has had enough.
func TestDoctorOfXvncLockedOut(t *testing.T) {
	address := xvnc(t, "-UseBlacklist=1", "-BlacklistThreshold=2", "-BlacklistTimeout=60")
	wrong := passwordText(t, "wrong")
	for range 2 {
		diagnose(t, address, "--password-file", wrong, "--security", "vnc")
	}
	diagnose(t, address, "--password-file", wrong, "--security", "vnc").failsAt(t, "security", "Too many security failures", "locked out")
}

func TestDoctorOfX11vnc(t *testing.T) {
	needPeer(t, "x11vnc", "x11vnc")
	needPeer(t, "Xvfb", "xvfb")
	screen := xserver(t, "Xvfb", "-screen", "0", "320x240x24", "-noreset")
	port := strconv.Itoa(unusedPort(t))
	startPeer(t, nil, "x11vnc", "-display", screen, "-rfbport", port, "-localhost", "-rfbauth", obscured(t, "sesame"), "-forever", "-shared", "-noipv6", "-nocmds")
	address := net.JoinHostPort("127.0.0.1", port)
	greets(t, "tcp", address)
	picture := filepath.Join(t.TempDir(), "screen.png")
	if r := diagnose(t, address, "--password-file", passwordText(t, "sesame"), "--screenshot", picture); !r.OK {
		t.Fatalf("%s", r.text())
	}
	colours(t, picture, 320, 240)
	diagnose(t, address).failsAt(t, "authentication", "asks for a password", "--target-password-file")
}

// startQEMU runs a machine without a disk, whose firmware writes that there is
// none.
func startQEMU(t *testing.T, vnc string, more ...string) {
	t.Helper()
	needPeer(t, "qemu-system-x86_64", "qemu-system-x86")
	startPeer(t, nil, "qemu-system-x86_64", append([]string{
		"-nodefaults", "-no-user-config", "-machine", "pc,accel=tcg", "-m", "16", "-vga", "std", "-display", "none", "-name", "peer", "-vnc", vnc,
	}, more...)...)
}

func TestDoctorOfQEMU(t *testing.T) {
	path := filepath.Join(t.TempDir(), "vnc")
	startQEMU(t, "unix:"+path)
	greets(t, "unix", path)
	picture := filepath.Join(t.TempDir(), "screen.png")
	for deadline := time.Now().Add(peerPatience); ; {
		r := diagnose(t, "unix:"+path, "--screenshot", picture)
		if s := r.step(t, "screen"); !r.OK || s.Details["server"] != "QEMU" {
			t.Fatalf("%s", r.text())
		}
		size := r.step(t, "screenshot").Details // the firmware changes it
		if n := colours(t, picture, int(size["width"].(float64)), int(size["height"].(float64))); n > 1 {
			break // the firmware has written something
		}
		if time.Now().After(deadline) {
			t.Fatal("the screen stays empty")
		}
		time.Sleep(100 * time.Millisecond)
	}
	if r := diagnose(t, "--front", "unix:"+path); !r.OK {
		t.Errorf("%s", r.text())
	}
}

// TestDoctorOfQEMUWithCertificate meets QEMU with X509None, and again where it
// demands a certificate of ours.
func TestDoctorOfQEMUWithCertificate(t *testing.T) {
	dir := t.TempDir()
	authority, err := certs.OpenCA(dir)
	if err != nil {
		t.Fatal(err)
	}
	server, err := authority.Server(nil)
	if err != nil {
		t.Fatal(err)
	}
	client, err := authority.Client("doctor")
	if err != nil {
		t.Fatal(err)
	}
	cert, key := server.Files()
	for from, to := range map[string]string{authority.CertFile(): "ca-cert.pem", cert: "server-cert.pem", key: "server-key.pem"} {
		if err := os.Link(from, filepath.Join(dir, to)); err != nil {
			t.Fatal(err)
		}
	}
	for _, verify := range []string{"off", "on"} {
		port := unusedPort(t)
		startQEMU(t, fmt.Sprintf("127.0.0.1:%d,tls-creds=tls", port-5900), "-object", "tls-creds-x509,id=tls,endpoint=server,dir="+dir+",verify-peer="+verify)
		address := net.JoinHostPort("localhost", strconv.Itoa(port))
		greets(t, "tcp", address)
		args := []string{address, "--ca", authority.CertFile()}
		if verify == "on" {
			r := diagnose(t, args...)
			if r.OK || !strings.Contains(r.text(), "demands a client certificate") {
				t.Errorf("%s", r.text())
			}
			certFile, keyFile := client.Files()
			args = append(args, "--cert", certFile, "--key", keyFile)
		}
		if r := diagnose(t, args...); !r.OK || r.step(t, "authentication").Details["method"] != "x509-none" {
			t.Errorf("verify-peer=%s:\n%s", verify, r.text())
		}
	}
}
