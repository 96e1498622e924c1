// Package redistest runs real servers for tests: Redis's own, or another that
// speaks its protocol, such as Valkey's.
//
//	server := redistest.Start(t, "appendonly yes")
//	server.Set(ctx, "key", "value", 0)
//	server.Kill()
//	server.Start() // with its data, at the same address
//
// A server has its port for as long as the test runs, whether it runs or not, so
// that nobody else can come to listen there. All of them end with their test.
package redistest

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

// Program is the environment variable that names the server's program, and
// usual what runs without it.
const (
	Program = "VNCGATE_REDIS_SERVER"
	usual   = "redis-server"
)

// patience is for servers to come up on a machine that has other things to do.
const patience = 60 * time.Second

// attempts is how many ports are tried, of which the last are not held: there are
// systems where one that is held cannot be listened at.
const attempts, held = 6, 3

// Server is one that runs, with a client that may do everything.
type Server struct {
	*redis.Client
	// Address is host:port, and stays what it is.
	Address string

	t        testing.TB
	dir      string
	settings []string
	tls      bool
	sentinel bool
	ports    []*port // the server's, and of a cluster its bus
	cmd      *exec.Cmd
	ended    chan struct{}
}

// Need skips the test where there is no server, and fails it where there has to
// be one (VNCGATE_REQUIRE_PEERS).
func Need(t testing.TB) {
	t.Helper()
	if testing.Short() {
		t.Skip("real peers are left out by -short")
	}
	if _, err := exec.LookPath(program()); err == nil {
		return
	}
	if os.Getenv("VNCGATE_REQUIRE_PEERS") != "" && runtime.GOOS == "linux" {
		t.Fatalf("%s is missing: apt install redis-server, or name a program in %s", program(), Program)
	}
	t.Skipf("%s is missing: apt install redis-server, or name a program in %s", program(), Program)
}

func program() string { return cmp.Or(os.Getenv(Program), usual) }

// Start runs a server with more settings, each "name value" as in redis.conf. It
// writes nothing to its disk unless they say so.
func Start(t testing.TB, settings ...string) *Server {
	t.Helper()
	return StartFor(t, redis.Options{}, settings...)
}

// StartFor is Start with options for the client, such as a password. With a
// TLSConfig the server listens with TLS alone (see TLS).
func StartFor(t testing.TB, client redis.Options, settings ...string) *Server {
	t.Helper()
	return run(t, &Server{settings: settings, tls: client.TLSConfig != nil}, client)
}

// run starts s for the first time, at a port that it gets.
func run(t testing.TB, s *Server, client redis.Options) *Server {
	t.Helper()
	Need(t)
	s.t, s.dir = t, t.TempDir()
	t.Cleanup(s.end)
	for try := range attempts {
		s.settle(try < held)
		client.Addr, client.Protocol, client.DisableIdentity = s.Address, 2, true
		s.Client = redis.NewClient(&client)
		if s.comesUp() {
			return s
		}
		_ = s.Close()
		if !s.said("in use") {
			break
		}
	}
	t.Fatalf("%s does not run:\n%s", program(), s.log())
	return nil
}

// settle takes ports, and writes the configuration.
func (s *Server) settle(hold bool) {
	s.t.Helper()
	s.release()
	own := s.take(hold)
	s.Address = fmt.Sprint("127.0.0.1:", own.number)
	lines := []string{`save ""`, "bind 127.0.0.1", "dir " + s.dir}
	if s.tls {
		lines = append(lines, "port 0", fmt.Sprint("tls-port ", own.number))
	} else {
		lines = append(lines, fmt.Sprint("port ", own.number))
	}
	if s.isShard() {
		lines = append(lines, fmt.Sprint("cluster-port ", s.take(hold).number))
	}
	text := strings.Join(append(lines, s.settings...), "\n") + "\n"
	if err := os.WriteFile(s.config(), []byte(text), 0o600); err != nil {
		s.t.Fatal(err)
	}
}

func (s *Server) take(hold bool) *port {
	p, err := takePort(hold)
	if err != nil {
		s.t.Fatal(err)
	}
	s.ports = append(s.ports, p)
	return p
}

func (s *Server) release() {
	for _, p := range s.ports {
		p.release()
	}
	s.ports = nil
}

func (s *Server) config() string  { return filepath.Join(s.dir, "redis.conf") }
func (s *Server) logFile() string { return filepath.Join(s.dir, "log") }

// Start runs a server again that has ended, with what it has kept, and returns
// when it answers.
func (s *Server) Start() {
	s.t.Helper()
	for end := time.Now().Add(patience); !s.comesUp(); time.Sleep(50 * time.Millisecond) {
		if !s.said("in use") || time.Now().After(end) {
			s.t.Fatalf("%s does not run again:\n%s", program(), s.log())
		}
	}
}

// comesUp starts the process, and reports whether it is the one that answers.
func (s *Server) comesUp() bool {
	s.t.Helper()
	s.launch()
	for end := time.Now().Add(patience); time.Now().Before(end); {
		select {
		case <-s.ended:
			return false
		case <-time.After(10 * time.Millisecond):
		}
		if s.answers() {
			return true
		}
	}
	s.Kill()
	return false
}

// launch starts the process.
func (s *Server) launch() {
	s.t.Helper()
	args := []string{s.config()}
	if s.sentinel {
		args = append(args, "--sentinel")
	}
	log, err := os.Create(s.logFile())
	if err != nil {
		s.t.Fatal(err)
	}
	defer log.Close()
	cmd := exec.Command(program(), args...)
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	s.cmd, s.ended = cmd, make(chan struct{})
	go awaitEnd(s.cmd, s.ended)
}

func awaitEnd(cmd *exec.Cmd, ended chan<- struct{}) {
	_ = cmd.Wait()
	close(ended)
}

// answers reports whether this very process does.
func (s *Server) answers() bool {
	ctx, cancel := context.WithTimeout(context.Background(), patience/4)
	defer cancel()
	if s.Ping(ctx).Err() != nil { // it may be reading its data
		return false
	}
	info := s.Info(ctx, "server").Val()
	return strings.Contains(info, fmt.Sprintf("process_id:%d\r\n", s.cmd.Process.Pid))
}

// Kill ends the server at once, as by kill -9.
func (s *Server) Kill() {
	_ = s.cmd.Process.Kill()
	<-s.ended
}

// end is for the end of the test.
func (s *Server) end() {
	if s.cmd != nil {
		s.Kill()
	}
	if s.Client != nil {
		_ = s.Close()
	}
	s.release()
	if s.t.Failed() {
		s.t.Logf("%s at %s said:\n%s", program(), s.Address, s.log())
	}
}

// Version is the name and the number that the server goes by, as "redis 7.0.15".
func (s *Server) Version() string {
	fields := map[string]string{}
	for line := range strings.Lines(s.Info(context.Background(), "server").Val()) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), ":")
		fields[name] = value
	}
	if v := fields["valkey_version"]; v != "" {
		return "valkey " + v
	}
	return "redis " + fields["redis_version"]
}

func (s *Server) said(what string) bool { return strings.Contains(s.log(), what) }

// log is the end of what the process has said.
func (s *Server) log() string {
	const most = 8 << 10
	b, _ := os.ReadFile(s.logFile())
	return string(b[max(0, len(b)-most):])
}

// Eventually waits until done, and fails the test if that does not come about.
func Eventually(t testing.TB, otherwise string, done func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !done(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal(otherwise)
		}
	}
}
