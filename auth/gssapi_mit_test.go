//go:build linux

package auth

import (
	"bufio"
	"bytes"
	"context"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// needKerberos asks for the programs of MIT Kerberos and of Cyrus SASL.
func needKerberos(t testing.TB) {
	t.Helper()
	packages := [][2]string{
		{"krb5kdc", "krb5-kdc"}, {"kdb5_util", "krb5-kdc"}, {"kadmin.local", "krb5-admin-server"}, {"kinit", "krb5-user"},
		{"sasl-sample-client", "sasl2-bin"}, {"sasl-sample-server", "sasl2-bin"}, {"stdbuf", "coreutils"},
	}
	for _, p := range packages {
		if _, err := exec.LookPath(systemProgram(p[0])); err != nil {
			missingPeer(t, p[0], p[1])
		}
	}
	if found, _ := filepath.Glob("/usr/lib/*/sasl2/libgssapiv2.so"); len(found) == 0 {
		missingPeer(t, "Cyrus SASL's GSSAPI", "libsasl2-modules-gssapi-mit")
	}
}

// systemProgram finds a program where a user's PATH may not look.
func systemProgram(name string) string {
	if path, err := exec.LookPath("/usr/sbin/" + name); err == nil {
		return path
	}
	return name
}

func missingPeer(t testing.TB, what, debianPackage string) {
	t.Helper()
	if os.Getenv("VNCGATE_REQUIRE_PEERS") != "" {
		t.Fatalf("%s is missing: apt install %s", what, debianPackage)
	}
	t.Skipf("%s is missing: apt install %s", what, debianPackage)
}

// realm is a KDC of MIT Kerberos of one test's own.
type realm struct {
	dir, config string
	env         []string
}

// newRealm starts a KDC whose keys are of enctypes. It knows alice (password
// wonderland) and the service, whose keys are in vnc.keytab.
func newRealm(t testing.TB, enctypes string) *realm {
	t.Helper()
	needKerberos(t)
	dir := t.TempDir()
	r := &realm{dir: dir, config: dir + "/krb5.conf"}
	r.env = append(os.Environ(), "KRB5_CONFIG="+r.config, "KRB5_KDC_PROFILE="+dir+"/kdc.conf",
		"KRB5CCNAME=FILE:"+dir+"/ccache", "KRB5_KTNAME=FILE:"+dir+"/vnc.keytab", "KRB5RCACHENAME=none:")
	port := r.configure(t, enctypes)
	r.run(t, "", "kdb5_util", "create", "-s", "-P", "master", "-r", testRealm)
	r.run(t, "", "kadmin.local", "-q", "addprinc -pw wonderland +requires_preauth alice")
	r.service(t, testService, "vnc.keytab")
	for range 5 {
		if r.serve(t, port) {
			return r
		}
		port = r.configure(t, enctypes) // somebody else has taken it
	}
	t.Fatal("the KDC does not start")
	return nil
}

// configure writes the configurations, with a free port for the KDC.
func (r *realm) configure(t testing.TB, enctypes string) (port int) {
	t.Helper()
	port = freePort(t)
	r.write(t, "krb5.conf", `[libdefaults]
 default_realm = EXAMPLE.ORG
 dns_lookup_kdc = false
 dns_lookup_realm = false
 dns_canonicalize_hostname = false
 rdns = false
 ignore_acceptor_hostname = true
 permitted_enctypes = %[2]s
[realms]
 EXAMPLE.ORG = {
  kdc = 127.0.0.1:%[1]d
 }
[domain_realm]
 .example.org = EXAMPLE.ORG
`, port, enctypes)
	r.write(t, "kdc.conf", `[kdcdefaults]
 kdc_listen = 127.0.0.1:%[1]d
 kdc_tcp_listen = 127.0.0.1:%[1]d
[realms]
 EXAMPLE.ORG = {
  database_name = %[2]s/principal
  key_stash_file = %[2]s/stash
  supported_enctypes = %[3]s
  master_key_type = %[3]s
  max_renewable_life = 1d
 }
[logging]
 kdc = FILE:%[2]s/kdc.log
`, port, r.dir, enctypes)
	return port
}

func (r *realm) path(name string) string { return filepath.Join(r.dir, name) }

func (r *realm) write(t testing.TB, name, format string, args ...any) {
	t.Helper()
	must(t, os.WriteFile(r.path(name), fmt.Appendf(nil, format, args...), 0o600))
}

// service makes a principal with keys in a keytab.
func (r *realm) service(t testing.TB, principal, keytab string) {
	t.Helper()
	r.run(t, "", "kadmin.local", "-q", "addprinc -randkey "+principal)
	r.run(t, "", "kadmin.local", "-q", "ktadd -k "+r.path(keytab)+" "+principal)
}

// kinit fills the credential cache.
func (r *realm) kinit(t testing.TB, args ...string) {
	t.Helper()
	r.run(t, "wonderland\n", "kinit", append(args, "alice")...)
}

func (r *realm) run(t testing.TB, input, program string, args ...string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, systemProgram(program), args...)
	cmd.Env, cmd.Stdin = r.env, strings.NewReader(input)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true} // no terminal to ask for passwords on
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s %q: %v\n%s", program, args, err, out)
	}
}

// serve runs the KDC until the test is over, and says whether it listens.
func (r *realm) serve(t testing.TB, port int) bool {
	t.Helper()
	cmd := exec.Command(systemProgram("krb5kdc"), "-n")
	cmd.Env = r.env
	must(t, cmd.Start())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		cmd.Wait()
	}()
	t.Cleanup(func() {
		cmd.Process.Kill()
		<-ended
	})
	for {
		if c, err := net.Dial("tcp", fmt.Sprint("127.0.0.1:", port)); err == nil {
			c.Close()
			return true
		}
		select {
		case <-ended:
			return false
		case <-time.After(10 * time.Millisecond):
		}
	}
}

func freePort(t testing.TB) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

// sample is one of Cyrus SASL's sample programs: lines of base64, what we send
// with their prefix, what they send with theirs.
type sample struct {
	in           io.WriteCloser
	out          *bufio.Reader
	ours, theirs string
	told         bytes.Buffer // everything that it says
}

func (r *realm) sample(t testing.TB, program string, args ...string) *sample {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	cmd := exec.CommandContext(ctx, "stdbuf", append([]string{"-oL", systemProgram(program), "-s", "vnc", "-m", GSSAPI}, args...)...)
	cmd.Env = r.env
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	in, err := cmd.StdinPipe()
	must(t, err)
	out, err := cmd.StdoutPipe()
	must(t, err)
	cmd.Stderr = cmd.Stdout
	must(t, cmd.Start())
	s := &sample{in: in, out: bufio.NewReader(out), ours: "S: ", theirs: "C: "}
	if program == "sasl-sample-server" {
		s.ours, s.theirs = s.theirs, s.ours
	}
	t.Cleanup(func() {
		in.Close()
		cancel()
		cmd.Wait()
	})
	return s
}

func (s *sample) send(message []byte) {
	fmt.Fprintf(s.in, "%s%s\n", s.ours, base64.StdEncoding.EncodeToString(message))
}

// receive reads to its next message, past what it tells.
func (s *sample) receive() ([]byte, error) {
	for {
		line, err := s.out.ReadString('\n')
		s.told.WriteString(line)
		if encoded, ok := strings.CutPrefix(line, s.theirs); ok {
			return base64.StdEncoding.DecodeString(strings.TrimSpace(encoded))
		}
		if err != nil {
			return nil, io.ErrUnexpectedEOF
		}
	}
}

// rest reads what it says until it ends.
func (s *sample) rest() string {
	s.in.Close()
	io.Copy(&s.told, s.out)
	return s.told.String()
}

// frame and unframe are what sasl_encode puts around a wrap token.
func frame(token []byte) []byte {
	return append(binary.BigEndian.AppendUint32(nil, uint32(len(token))), token...)
}

func unframe(b []byte) []byte {
	if len(b) < 4 || int(binary.BigEndian.Uint32(b)) != len(b)-4 {
		return nil
	}
	return b[4:]
}

// What the samples send each other through a security layer.
const (
	sampleServerMessage = "srv message 1\x00"
	sampleClientMessage = "client message 1\x00"
)

// acceptSample lets a sample client log in to server.
func acceptSample(s *sample, server *gssapiServer) error {
	s.send([]byte(GSSAPI))
	response, err := s.receive()
	if err != nil {
		return err
	}
	_, response, _ = bytes.Cut(response, []byte{0}) // the mechanism's name comes first
	for {
		challenge, done, err := server.Next(response)
		if err != nil {
			return err
		}
		if done {
			return nil
		}
		s.send(challenge)
		if response, err = s.receive(); err != nil {
			return err
		}
	}
}

var allEnctypes = []string{"aes256-cts-hmac-sha1-96", "aes128-cts-hmac-sha1-96", "aes256-cts-hmac-sha384-192", "aes128-cts-hmac-sha256-128"}

func TestGSSAPISampleClient(t *testing.T) {
	for _, enctype := range allEnctypes {
		t.Run(enctype, func(t *testing.T) {
			t.Parallel()
			r := newRealm(t, enctype)
			r.kinit(t)
			service := &KerberosService{Keytab: r.path("vnc.keytab"), Realm: testRealm}
			must(t, service.Check())
			t.Run("layer", func(t *testing.T) { testSampleClientLayer(t, r, service) })
			for name, args := range map[string][]string{
				"no layer":             {"-b", "min=0,max=0", "-e", "ssf=256"},
				"no layer, with proof": {"-b", "min=0,max=100000", "-e", "ssf=256"},
			} {
				t.Run(name, func(t *testing.T) {
					server := service.begin(true)
					s := r.sample(t, "sasl-sample-client", append(args, "-n", testHost, "-u", "alice")...)
					if err := acceptSample(s, server); err != nil {
						t.Fatalf("%v\n%s", err, s.rest())
					}
					if l, ok := server.Layer(); ok || server.Username() != "alice" {
						t.Errorf("user %q, layer %v", server.Username(), l)
					}
				})
			}
		})
	}
}

func testSampleClientLayer(t *testing.T, r *realm, service *KerberosService) {
	server := service.begin(false)
	s := r.sample(t, "sasl-sample-client", "-n", testHost, "-b", "min=56,max=100000", "-u", "alice")
	if err := acceptSample(s, server); err != nil {
		t.Fatalf("%v\n%s", err, s.rest())
	}
	l, ok := server.Layer()
	if !ok || l.SSF < 128 || server.Username() != "alice" {
		t.Fatalf("user %q, layer %v of SSF %d", server.Username(), ok, l.SSF)
	}
	token, err := l.Wrap([]byte(sampleServerMessage))
	must(t, err)
	s.send(frame(token))
	answer, err := s.receive()
	if err != nil {
		t.Fatalf("%v\n%s", err, s.rest())
	}
	if text, err := l.Unwrap(unframe(answer)); err != nil || string(text) != sampleClientMessage {
		t.Errorf("unwrapped %q, %v\n%s", text, err, s.rest())
	}
}

// loginToSample logs in to a sample server.
func loginToSample(s *sample, client *GSSAPIClient) error {
	list, err := s.receive()
	if err != nil || string(list) != GSSAPI {
		return fmt.Errorf("mechanisms %q, %v", list, err)
	}
	name, response, err := client.Start()
	if err != nil {
		return err
	}
	s.send(append([]byte(name+"\x00"), response...))
	for !client.Done() {
		challenge, err := s.receive()
		if err != nil {
			return err
		}
		if response, err = client.Next(challenge); err != nil {
			return err
		}
		s.send(response)
	}
	return nil
}

func TestGSSAPISampleServer(t *testing.T) {
	for _, enctype := range allEnctypes {
		t.Run(enctype, func(t *testing.T) {
			t.Parallel()
			r := newRealm(t, enctype)
			r.kinit(t)
			r.service(t, "gateway", "gateway.keytab")
			for name, k := range map[string]KerberosCredentials{
				"password": {Principal: "alice@EXAMPLE.ORG", Password: "wonderland"},
				"keytab":   {Principal: "gateway", Keytab: r.path("gateway.keytab")},
				"cache":    {CCache: r.path("ccache")},
			} {
				k.Config = r.config
				t.Run(name, func(t *testing.T) {
					testSampleServerLayer(t, r, k)
					testSampleServerPlain(t, r, k)
				})
			}
		})
	}
}

func testSampleServerLayer(t *testing.T, r *realm, k KerberosCredentials) {
	client, err := k.Client(t.Context(), testService, false)
	must(t, err)
	s := r.sample(t, "sasl-sample-server", "-d", testHost, "-b", "min=56,max=100000")
	if err := loginToSample(s, client); err != nil {
		t.Fatalf("%v\n%s", err, s.rest())
	}
	l, ok := client.Layer()
	if !ok || l.SSF < 128 {
		t.Fatalf("layer %v of SSF %d", ok, l.SSF)
	}
	token, err := s.receive()
	if err != nil {
		t.Fatalf("%v\n%s", err, s.rest())
	}
	if text, err := l.Unwrap(unframe(token)); err != nil || string(text) != sampleServerMessage {
		t.Errorf("unwrapped %q, %v", text, err)
	}
	token, err = l.Wrap([]byte(sampleClientMessage))
	must(t, err)
	s.send(frame(token))
	if told := s.rest(); !strings.Contains(told, "'client message 1'") {
		t.Errorf("the server did not decode our message:\n%s", told)
	}
}

func testSampleServerPlain(t *testing.T, r *realm, k KerberosCredentials) {
	client, err := k.Client(t.Context(), testService+"@"+testRealm, true)
	must(t, err)
	s := r.sample(t, "sasl-sample-server", "-d", testHost, "-b", "min=0,max=0", "-e", "ssf=256")
	if err := loginToSample(s, client); err != nil {
		t.Fatalf("%v\n%s", err, s.rest())
	}
	if _, ok := client.Layer(); ok {
		t.Error("a layer where none is needed")
	}
	if told := s.rest(); !strings.Contains(told, "Negotiation complete") {
		t.Errorf("the server is not content:\n%s", told)
	}
}
