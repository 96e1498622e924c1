package interop

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// needKerberos asks for MIT Kerberos and for Cyrus SASL's GSSAPI. The KDC is in
// sbin, which a user's PATH may leave out.
func needKerberos(t testing.TB) {
	t.Helper()
	leaveShort(t)
	for _, p := range [][2]string{
		{"/usr/sbin/krb5kdc", "krb5-kdc"}, {"/usr/sbin/kdb5_util", "krb5-kdc"}, {"/usr/sbin/kadmin.local", "krb5-admin-server"},
		{"/usr/bin/kinit", "krb5-user"}, {"/usr/lib/x86_64-linux-gnu/sasl2/libgssapiv2.so", "libsasl2-modules-gssapi-mit"},
	} {
		if _, err := os.Stat(p[0]); err != nil {
			missing(t, p[0], "apt install "+p[1])
		}
	}
}

// A realm is a KDC with the users alice and gateway and the service of VNC on
// this host, whose keys displays and the gateway share.
type realm struct {
	dir, config, keytab string
	env                 []string
	alice, gateway      string // passwords
}

const realmConfig = `[libdefaults]
 default_realm = INTEROP.TEST
 dns_lookup_kdc = false
 dns_lookup_realm = false
 dns_canonicalize_hostname = false
 rdns = false
 ignore_acceptor_hostname = true
[realms]
 INTEROP.TEST = {
  kdc = 127.0.0.1:%[1]d
 }
[domain_realm]
 localhost = INTEROP.TEST
[kdcdefaults]
 kdc_listen = 127.0.0.1:%[1]d
 kdc_tcp_listen = 127.0.0.1:%[1]d
`

const kdcConfig = `[kdcdefaults]
 kdc_listen = 127.0.0.1:%[1]d
 kdc_tcp_listen = 127.0.0.1:%[1]d
[realms]
 INTEROP.TEST = {
  database_name = %[2]s/principal
  key_stash_file = %[2]s/stash
 }
[logging]
 kdc = FILE:%[2]s/kdc.log
`

var sharedRealm shared[*realm]

func theRealm(t testing.TB) *realm {
	t.Helper()
	needKerberos(t)
	return sharedRealm.get(t, startRealm)
}

func startRealm(s *scope) (*realm, error) {
	dir, err := s.tempDir()
	if err != nil {
		return nil, err
	}
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	r := &realm{
		dir: dir, config: filepath.Join(dir, "krb5.conf"), keytab: filepath.Join(dir, "vnc.keytab"), alice: "K" + short(), gateway: "G" + short(),
	}
	for path, text := range map[string]string{
		r.config: fmt.Sprintf(realmConfig, port), filepath.Join(dir, "kdc.conf"): fmt.Sprintf(kdcConfig, port, dir),
	} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			return nil, err
		}
	}
	r.env = []string{
		"KRB5_CONFIG=" + r.config, "KRB5_KDC_PROFILE=" + filepath.Join(dir, "kdc.conf"), "KRB5RCACHENAME=none:",
		"KRB5CCNAME=FILE:" + filepath.Join(dir, "ccache"), "KRB5_KTNAME=FILE:" + r.keytab,
	}
	if err := r.fill(); err != nil {
		return nil, err
	}
	kdc := exec.Command("/usr/sbin/krb5kdc", "-n")
	kdc.Env = append(os.Environ(), r.env...)
	p, err := start(s, "krb5kdc", kdc)
	if err != nil {
		return nil, err
	}
	return r, poll("the KDC gives a ticket", func() error {
		if err := p.alive(); err != nil {
			return err
		}
		return r.run(r.alice, "kinit", "alice")
	})
}

// fill makes the principals. Passwords go in by standard input.
func (r *realm) fill() error {
	if err := r.run("master\nmaster", "/usr/sbin/kdb5_util", "create", "-s", "-r", "INTEROP.TEST"); err != nil {
		return err
	}
	for _, line := range []string{
		"addprinc +requires_preauth -pw " + r.alice + " alice", "addprinc +requires_preauth -pw " + r.gateway + " gateway",
		"addprinc -randkey vnc/localhost", "ktadd -k " + r.keytab + " vnc/localhost",
	} {
		if err := r.run(line, "/usr/sbin/kadmin.local", "-r", "INTEROP.TEST"); err != nil {
			return err
		}
	}
	return nil
}

func (r *realm) run(input, program string, args ...string) error {
	cmd := exec.Command(program, args...)
	cmd.Env, cmd.Stdin = append(os.Environ(), r.env...), strings.NewReader(input+"\n")
	_, err := run(cmd)
	return err
}

// startKerberosMachine runs QEMU with the servers x509-sasl and sasl, which
// take GSSAPI: under TLS, and with its own confidentiality.
func startKerberosMachine(s *scope, r *realm, a *authority) (machine, error) {
	conf, err := s.tempDir()
	if err != nil {
		return nil, err
	}
	if err := os.WriteFile(filepath.Join(conf, "qemu.conf"), []byte("mech_list: gssapi\nkeytab: "+r.keytab+"\n"), 0o600); err != nil {
		return nil, err
	}
	m, _, err := startMachine(s, a, append(r.env, "SASL_CONF_PATH="+conf),
		map[string]string{"sasl": ",sasl=on", "x509-sasl": ",tls-creds=tls,sasl=on"},
		"-object", "tls-creds-x509,id=tls,endpoint=server,verify-peer=off,dir="+a.dir)
	return m, err
}

// testKerberos logs in to QEMU by GSSAPI, with TLS and without, and lets
// gtk-vnc in by it.
func testKerberos(t *testing.T, rows *proofs) {
	needGtkVNC(t)
	libVNCClient.needs(t)
	r, a := theRealm(t), theAuthority(t)
	m, err := startKerberosMachine(testScope(t), r, a)
	if err != nil {
		t.Fatal(err)
	}
	ours := block{"principal": "gateway@INTEROP.TEST", "password": r.gateway, "config": r.config}
	set := setup{listeners: map[string]block{}, targets: map[string]block{}, more: block{
		"users": nil, "kerberos": block{"keytab": r.keytab, "realm": "INTEROP.TEST"},
		"policy": []block{{"who": "alice", "targets": "*", "allow": []string{"all"}}},
	}}
	for name, d := range m {
		set.targets[name] = target(d, name)
		set.targets[name]["kerberos"] = ours
		set.listeners["to-"+name] = listener(t, "x509-sasl", name)
	}
	set.listeners["sasl"] = listener(t, "sasl", "x509-sasl")
	g := startSecured(t, set, r.alice, r.gateway)
	viewer := viewerKind{
		label: gtkVNC.label, debianSource: gtkVNC.debianSource, needs: gtkVNC.needs,
		open: func(s *scope, at endpoint) (viewer, error) { return openKerberosGtkVNC(s, r, at) },
	}
	for _, tt := range []struct{ listener, front, back string }{
		{"to-x509-sasl", "x509-sasl", "x509-sasl"}, {"to-sasl", "x509-sasl", "sasl"}, {"sasl", "sasl", "x509-sasl"},
	} {
		t.Run(tt.front+" to "+tt.back, func(t *testing.T) {
			testRow(t, rows, g, viewer, g.enter(tt.listener, tt.front), m[tt.back], tt.back+"/GSSAPI")
		})
	}
}

// openKerberosGtkVNC opens gtk-vnc with alice's ticket.
func openKerberosGtkVNC(s *scope, r *realm, at endpoint) (viewer, error) {
	env, err := gtkHome(s, at)
	if err != nil {
		return nil, err
	}
	x, err := startXvfb(s, 1024, 768)
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(systemPython, "-W", "ignore", "testdata/gtkviewer.py", at.host, fmt.Sprint(at.port))
	cmd.Env = append(append(env, r.env...), "DISPLAY="+x.name)
	return startLineViewer(s, "gtk-vnc", cmd)
}
