package interop

import (
	"encoding/json"
	"fmt"
	"image"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

var sharedQEMU, sharedQEMUX509Vnc, sharedQEMUSASL shared[*display]

func needQEMU(t testing.TB) {
	t.Helper()
	need(t, "qemu-system-x86_64", "qemu-system-x86")
}

// theQEMU is a machine on a unix socket with a VNC password.
func theQEMU(t testing.TB) *display {
	t.Helper()
	needQEMU(t)
	return sharedQEMU.get(t, func(s *scope) (*display, error) {
		return startQEMU(s, qemuConfig{security: "vnc", password: secrets.qemu})
	})
}

// theQEMUX509Vnc is a machine that demands VeNCrypt X509Vnc.
func theQEMUX509Vnc(t testing.TB) *display {
	t.Helper()
	needQEMU(t)
	certs := thePKI(t)
	return sharedQEMUX509Vnc.get(t, func(s *scope) (*display, error) {
		return startQEMU(s, qemuConfig{security: "x509-vnc", password: secrets.qemuTLS, tcp: true, certs: certs})
	})
}

// theQEMUSASL is a machine that demands VeNCrypt X509SASL. It listens on TCP:
// QEMU before 9.2 cannot run SASL over a unix socket.
func theQEMUSASL(t testing.TB) *display {
	t.Helper()
	needQEMU(t)
	need(t, "saslpasswd2", "sasl2-bin")
	needFile(t, "/usr/lib/x86_64-linux-gnu/sasl2/libscram.so", "libsasl2-modules")
	certs := thePKI(t)
	return sharedQEMUSASL.get(t, func(s *scope) (*display, error) {
		return startQEMU(s, qemuConfig{security: "x509-sasl", user: "alice", password: secrets.qemuSASL, tcp: true, certs: certs})
	})
}

type qemuConfig struct {
	security, user, password string
	tcp                      bool
	certs                    pki
	power                    bool // viewers may reset it, which ends it
}

// startQEMU runs a machine without a disk: its firmware says so and waits.
func startQEMU(s *scope, cfg qemuConfig) (*display, error) {
	dir, err := s.tempDir()
	if err != nil {
		return nil, err
	}
	d := &display{
		label: "QEMU " + cfg.security, version: debianVersion("qemu-system-x86"), offers: []string{cfg.security},
		at: endpoint{security: cfg.security, user: cfg.user, password: cfg.password, ca: cfg.certs.ca},
	}
	if !cfg.tcp {
		d.label += ", unix socket"
	}
	listen, err := qemuListen(&d.at, dir, cfg.tcp)
	if err != nil {
		return nil, err
	}
	cmd, err := qemuCommand(s, cfg, dir, listen)
	if err != nil {
		return nil, err
	}
	if d.process, err = start(s, "qemu", cmd); err != nil {
		return nil, err
	}
	control := qmp{filepath.Join(dir, "qmp")}
	d.picture = control.picture
	if err := d.ready(s); err != nil {
		return nil, err
	}
	return d, control.freeze(d)
}

// qemuListen gives the machine a place to listen and returns it in QEMU's
// words.
func qemuListen(at *endpoint, dir string, tcp bool) (string, error) {
	if !tcp {
		at.unix = filepath.Join(dir, "vnc")
		return "unix:" + at.unix, nil
	}
	port, err := freePort()
	if err != nil {
		return "", err
	}
	at.host, at.port = "localhost", port
	return fmt.Sprintf("127.0.0.1:%d", port-5900), nil
}

func qemuCommand(s *scope, cfg qemuConfig, dir, listen string) (*exec.Cmd, error) {
	args := []string{
		"-nodefaults", "-no-user-config", "-machine", "pc,accel=tcg", "-m", "16", "-vga", "std", "-display", "none",
		"-qmp", "unix:" + filepath.Join(dir, "qmp") + ",server=on,wait=off", "-trace", "input_event_*",
	}
	cmd := exec.Command("qemu-system-x86_64")
	if strings.HasPrefix(cfg.security, "x509-") {
		args = append(args, "-object", "tls-creds-x509,id=tls,endpoint=server,verify-peer=off,dir="+cfg.certs.dir)
		listen += ",tls-creds=tls"
	}
	if cfg.security == "x509-sasl" {
		conf, err := saslConfig(s, cfg.user, cfg.password)
		if err != nil {
			return nil, err
		}
		listen += ",sasl=on"
		cmd.Env = append(os.Environ(), "SASL_CONF_PATH="+conf)
	} else {
		path, err := plainFile(s, "password", cfg.password)
		if err != nil {
			return nil, err
		}
		args = append(args, "-object", "secret,id=password,file="+path)
		listen += ",password-secret=password"
	}
	if cfg.power {
		args = append(args, "-no-reboot")
		listen += ",power-control=on"
	}
	cmd.Args = append(cmd.Args, append(args, "-vnc", listen)...)
	return cmd, nil
}

// saslConfig makes a folder with QEMU's SASL configuration and a user.
func saslConfig(s *scope, user, password string) (string, error) {
	dir, err := s.tempDir()
	if err != nil {
		return "", err
	}
	db := filepath.Join(dir, "users")
	conf := "mech_list: scram-sha-256\npwcheck_method: auxprop\nauxprop_plugin: sasldb\nsasldb_path: " + db + "\n"
	if err := os.WriteFile(filepath.Join(dir, "qemu.conf"), []byte(conf), 0o600); err != nil {
		return "", err
	}
	cmd := exec.Command("saslpasswd2", "-p", "-c", "-f", db, "-a", "qemu", user)
	cmd.Stdin = strings.NewReader(password)
	_, err = run(cmd)
	return dir, err
}

// qmp is the path of a machine's control socket.
type qmp struct{ path string }

// control is that of a machine on a unix socket.
func (d *display) control() qmp { return qmp{filepath.Join(filepath.Dir(d.at.unix), "qmp")} }

// do runs commands, one after the other.
func (q qmp) do(commands ...string) error {
	c, err := net.Dial("unix", q.path)
	if err != nil {
		return err
	}
	defer c.Close()
	dec := json.NewDecoder(c)
	if err := dec.Decode(new(any)); err != nil { // the greeting
		return err
	}
	for _, command := range append([]string{`{"execute":"qmp_capabilities"}`}, commands...) {
		if _, err := c.Write([]byte(command)); err != nil {
			return err
		}
		if err := q.answer(dec); err != nil {
			return fmt.Errorf("%s: %w", command, err)
		}
	}
	return nil
}

// answer reads up to the reply, past events.
func (q qmp) answer(dec *json.Decoder) error {
	for {
		var reply struct {
			Return *any
			Error  *struct{ Desc string }
			Event  string
		}
		if err := dec.Decode(&reply); err != nil {
			return err
		}
		if reply.Error != nil {
			return fmt.Errorf("qmp: %s", reply.Error.Desc)
		}
		if reply.Event == "" {
			return nil
		}
	}
}

// picture is the machine's screen, past its VNC server.
func (q qmp) picture() (image.Image, error) {
	dump := q.path + ".ppm"
	if err := q.do(fmt.Sprintf(`{"execute":"screendump","arguments":{"filename":%q}}`, dump)); err != nil {
		return nil, err
	}
	return readPicture(dump)
}

// freeze stops the machine once its firmware has written its last word, so
// that the text cursor stands still.
func (q qmp) freeze(d *display) error {
	const cursor = 9 * 16 // pixels of a character cell, which blinks
	last, same := image.Image(image.Rect(0, 0, 1, 1)), 0
	err := poll("the firmware settles", func() error {
		img, err := q.picture()
		if err != nil {
			return err
		}
		same++
		if img.Bounds() != last.Bounds() || differing(img, last) > cursor || telling(img) != nil {
			same = 0
		}
		last = img
		if same < 8 {
			return fmt.Errorf("the screen of %v was the same %d times", img.Bounds().Size(), same)
		}
		return nil
	})
	if err != nil {
		return err
	}
	return q.do(`{"execute":"stop"}`)
}
