package interop

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// machine is one QEMU whose screen several VNC servers show, each with another
// security.
type machine map[string]*display

var sharedMachine shared[machine]

// theMachine has the servers none, vnc (its password set by QMP), x509-none,
// x509-vnc and mutual (x509-none, with certificates of viewers demanded).
func theMachine(t testing.TB) machine {
	t.Helper()
	needQEMU(t)
	a := theAuthority(t)
	return sharedMachine.get(t, func(s *scope) (machine, error) { return startServers(s, a) })
}

func startServers(s *scope, a *authority) (machine, error) {
	const x509 = ",tls-creds=tls"
	m, command, err := startMachine(s, a, nil, map[string]string{
		"none": "", "vnc": ",password=on", "x509-none": x509, "x509-vnc": x509 + ",password=on", "mutual": ",tls-creds=mutual",
	}, "-object", "tls-creds-x509,id=tls,endpoint=server,verify-peer=off,dir="+a.dir,
		"-object", "tls-creds-x509,id=mutual,endpoint=server,verify-peer=on,dir="+a.dir)
	if err != nil {
		return nil, err
	}
	m["mutual"].at.security, m["mutual"].label = "x509-none", "QEMU, verify-peer"
	for _, name := range []string{"vnc", "x509-vnc"} {
		m[name].at.password = secrets.qemu
		set := fmt.Sprintf(`{"execute":"set_password","arguments":{"protocol":"vnc","password":%q,"display":%q}}`, secrets.qemu, name)
		if err := command.do(set); err != nil {
			return nil, err
		}
	}
	return m, nil
}

// startMachine runs a machine without a disk that shows its firmware, with
// the VNC servers of servers: their options by their names.
func startMachine(s *scope, a *authority, env []string, servers map[string]string, args ...string) (machine, qmp, error) {
	dir, err := s.tempDir()
	if err != nil {
		return nil, qmp{}, err
	}
	command := qmp{filepath.Join(dir, "qmp")}
	cmd := exec.Command("qemu-system-x86_64", append([]string{
		"-nodefaults", "-no-user-config", "-machine", "pc,accel=tcg", "-m", "16", "-vga", "std", "-display", "none",
		"-qmp", "unix:" + command.path + ",server=on,wait=off",
	}, args...)...)
	cmd.Env = append(os.Environ(), env...)
	m := machine{}
	for name, options := range servers {
		port, err := freePort()
		if err != nil {
			return nil, command, err
		}
		cmd.Args = append(cmd.Args, "-vnc", fmt.Sprintf("127.0.0.1:%d,id=%s%s", port-5900, name, options))
		m[name] = &display{
			label: "QEMU", version: debianVersion("qemu-system-x86"), picture: command.picture,
			at: endpoint{host: "localhost", port: port, security: name, ca: a.caFile},
		}
	}
	p, err := start(s, "qemu", cmd)
	if err != nil {
		return nil, command, err
	}
	var any *display
	for _, d := range m {
		d.process, any = p, d
		if err := d.ready(s); err != nil {
			return nil, command, err
		}
	}
	return m, command, command.freeze(any)
}

// tigerConfig is how an Xtigervnc of a test differs from its defaults.
type tigerConfig struct {
	types      string // "" for its defaults
	cert, key  string
	pamService string // proves alice, "" for nobody
}

// startTiger runs TigerVNC's server.
func startTiger(s *scope, cfg tigerConfig, ca string) (*display, error) {
	passwd, err := passwordFile(s, secrets.xvnc)
	if err != nil {
		return nil, err
	}
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	args := []string{
		"-rfbport", strconv.Itoa(port), "-localhost", "-PasswordFile", passwd, "-AlwaysShared", "-UseBlacklist=0",
		"-geometry", fmt.Sprintf("%dx%d", cardWidth, cardHeight), "-depth", "24", "-desktop", "interop", "-Log", "*:stderr:30",
	}
	if cfg.types != "" {
		args = append(args, "-SecurityTypes", cfg.types)
	}
	if cfg.cert != "" {
		args = append(args, "-X509Cert", cfg.cert, "-X509Key", cfg.key)
	}
	if cfg.pamService != "" {
		args = append(args, "-PlainUsers", "alice", "-pam_service", cfg.pamService)
	}
	x, err := startX(s, "Xtigervnc", args...)
	if err != nil {
		return nil, err
	}
	d := &display{
		process: x.process, label: "Xtigervnc", version: debianVersion("tigervnc-standalone-server"), x: x, picture: x.picture,
		at: endpoint{host: "localhost", port: port, ca: ca, password: secrets.xvnc},
	}
	return d, d.ready(s)
}

var sharedTigerDefaults, sharedTiger shared[*display]

func needTiger(t testing.TB) {
	t.Helper()
	needX(t)
	need(t, "Xtigervnc", "tigervnc-standalone-server")
	need(t, "tigervncpasswd", "tigervnc-tools")
}

// theTigerDefaults has the security types that Xtigervnc has by itself.
func theTigerDefaults(t testing.TB) *display {
	t.Helper()
	needTiger(t)
	return sharedTigerDefaults.get(t, func(s *scope) (*display, error) {
		d, err := startTiger(s, tigerConfig{}, "")
		if err == nil {
			d.label += ", its defaults"
		}
		return d, err
	})
}

// theTiger has every type of Xtigervnc that a gateway in Go can speak. PAM is
// asked about users.
func theTiger(t testing.TB) *display {
	t.Helper()
	needTiger(t)
	a, service := theAuthority(t), thePAMService(t)
	return sharedTiger.get(t, func(s *scope) (*display, error) {
		return startTiger(s, tigerConfig{
			types: "X509None,X509Vnc,X509Plain,Plain,VncAuth,None",
			cert:  filepath.Join(a.dir, "server-cert.pem"), key: a.keyFile(), pamService: service,
		}, a.caFile)
	})
}

var sharedPAMService shared[string]

// hasPAM reports whether the tests may write to /etc/pam.d.
func hasPAM() bool { return os.Getuid() == 0 }

// thePAMService is a service of PAM that knows alice and her password at the
// displays, from a script: pam_exec hands it the password on standard input.
// Without root it is "", and PAM knows nobody.
func thePAMService(t testing.TB) string {
	t.Helper()
	if !hasPAM() && os.Getenv("VNCGATE_REQUIRE_PEERS") != "" {
		missing(t, "a PAM service of the test's own", "run as root, who may write to /etc/pam.d")
	}
	if !hasPAM() {
		t.Log("no log-in through PAM is tried: only root may write to /etc/pam.d")
		return ""
	}
	return sharedPAMService.get(t, func(s *scope) (string, error) {
		script, err := plainFile(s, "check", "#!/bin/sh\nread -r given\n[ \"$PAM_USER\" = alice ] && [ \"$given\" = "+secrets.qemuSASL+" ]\n")
		if err != nil {
			return "", err
		}
		if err := os.Chmod(script, 0o700); err != nil {
			return "", err
		}
		name := "vncgate-interop-" + strings.ToLower(short())
		file := filepath.Join("/etc/pam.d", name)
		text := "auth required pam_exec.so quiet expose_authtok " + script + "\naccount required pam_permit.so\n"
		s.onClose(func() { os.Remove(file) })
		return name, os.WriteFile(file, []byte(text), 0o644)
	})
}

// target is the gateway's way to a display by one security type, or by the one
// that it chooses itself.
func target(d *display, security string) block {
	b := block{"address": d.at.address()}
	if d.at.user != "" {
		b["user"] = d.at.user
	}
	if d.at.password != "" {
		b["password"] = d.at.password
	}
	if d.at.ca != "" {
		b["tls"] = block{"ca": d.at.ca, "name": "localhost"}
	}
	if security != "" {
		b["security"] = []string{security}
	}
	return b
}
