package interop

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// A redisServer is a real one, filled by redis-cli.
type redisServer struct {
	*process
	port int
}

func startRedis(t *testing.T) *redisServer {
	t.Helper()
	need(t, "redis-server", "redis-server")
	need(t, "redis-cli", "redis-tools")
	s := testScope(t)
	dir, err := s.tempDir()
	if err != nil {
		t.Fatal(err)
	}
	port, err := freePort()
	if err != nil {
		t.Fatal(err)
	}
	r := &redisServer{port: port}
	r.process, err = start(s, "redis", exec.Command("redis-server", "--bind", "127.0.0.1", "--port", strconv.Itoa(port),
		"--save", "", "--requirepass", secrets.front, "--dir", dir))
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, "redis answers", func() error { return r.do("PING") })
	return r
}

func (r *redisServer) do(args ...string) error {
	cmd := exec.Command("redis-cli", append([]string{"-e", "-p", strconv.Itoa(r.port)}, args...)...)
	cmd.Env = append(os.Environ(), "REDISCLI_AUTH="+secrets.front)
	_, err := run(cmd)
	return err
}

// A tokenService is a web service that knows which token is for which display.
type tokenService struct {
	*httptest.Server
	mu       sync.Mutex
	displays map[string]string
}

// answers of the service are JSON, for the header that the gateway has to send.
func startTokenService(t *testing.T) *tokenService {
	t.Helper()
	s := &tokenService{displays: map[string]string{}}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		display, ok := s.displays[strings.TrimPrefix(r.URL.Path, "/vnc/")]
		s.mu.Unlock()
		if !ok || r.Header.Get("Authorization") != "Bearer "+secrets.front {
			http.NotFound(w, r)
			return
		}
		_ = json.NewEncoder(w).Encode(map[string]string{"address": display, "identity": "bob"})
	}))
	t.Cleanup(s.Close)
	return s
}

func (s *tokenService) set(token, display string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.displays[token] = display
}

// signedToken is a JWT for a display, HS256 by hand.
func signedToken(host string, port int, key string) string {
	encode := base64.RawURLEncoding.EncodeToString
	claims := fmt.Sprintf(`{"host":%q,"port":%d,"sub":"carol","exp":%d,"aud":"vncgate"}`, host, port, time.Now().Add(time.Hour).Unix())
	text := encode([]byte(`{"alg":"HS256","typ":"JWT"}`)) + "." + encode([]byte(claims))
	mac := hmac.New(sha256.New, []byte(key))
	mac.Write([]byte(text))
	return text + "." + encode(mac.Sum(nil))
}

const sourcesConfig = `listeners:
  - address: 127.0.0.1:{{port "web"}}
    web: {}
    sources: [portal, files, folder, database, signed, locals]
    token: optional
    security: [none]
targets: {}
sources:
  - name: portal
    http: {url: "{{.Service}}/vnc/{token}", headers: {Authorization: {file: {{.Dir}}/header}}}
    allow: ["127.0.0.1:5900-65535"]
  - {name: files, file: {{.Dir}}/tokens}
  - {name: folder, file: {{.Dir}}/tokens.d}
  - {name: locals, sockets: {{.Dir}}/sockets}
  - name: database
    redis: {addresses: ["127.0.0.1:{{.Redis}}"], password: {file: {{.Dir}}/secret}, namespace: vnc}
    allow: ["127.0.0.1:5900-65535"]
  - name: signed
    jwt: {algorithms: [HS256], secret: {file: {{.Dir}}/key}, audience: vncgate}
    allow: ["127.0.0.1:5900-65535"]
  - {name: desks, as: targets, named_files: {{.Dir}}/desks}
  - {name: vms, as: targets, sockets: {{.Dir}}/sockets}
policy: [{who: "*", targets: "*", allow: [all]}]
`

// A sourced gateway finds displays in all sources that a test can change.
type sourced struct {
	*served
	redis   *redisServer
	service *tokenService
	dir     string // of the files
	key     string // of signed tokens
}

func serveSources(t *testing.T) *sourced {
	t.Helper()
	dir, err := testScope(t).tempDir()
	if err != nil {
		t.Fatal(err)
	}
	g := &sourced{redis: startRedis(t), service: startTokenService(t), dir: dir, key: newToken() + newToken()}
	for _, folder := range []string{"tokens.d", "sockets", "desks"} {
		if err := os.Mkdir(filepath.Join(dir, folder), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	for name, text := range map[string]string{"header": "Bearer " + secrets.front, "secret": secrets.front, "key": g.key, "tokens": ""} {
		g.write(t, name, text)
	}
	g.served = serveFile(t, sourcesConfig, map[string]any{"Service": g.service.URL, "Dir": dir, "Redis": g.redis.port})
	return g
}

func (g *sourced) write(t *testing.T, name, text string) {
	t.Helper()
	if err := writeFile(filepath.Join(g.dir, name), text); err != nil {
		t.Fatal(err)
	}
}

// link makes the display's socket appear in the folder of sockets. A symbolic
// link would not be followed.
func (g *sourced) link(name string, d *display) error {
	next := filepath.Join(g.dir, "sockets", ".next")
	_ = os.Remove(next) // rename leaves it there when name is the same socket already
	if err := os.Link(d.socket, next); err != nil {
		return err
	}
	return os.Rename(next, filepath.Join(g.dir, "sockets", name))
}

func (g *sourced) url(query string) string {
	return fmt.Sprintf("ws://127.0.0.1:%d/websockify?%s", g.ports["web"], query)
}

// TestSources reaches a real display by each kind of source, and nothing by a
// token that is not good.
func TestSources(t *testing.T) {
	t.Parallel()
	all := theDesks(t)
	g := serveSources(t)
	tokens := map[string]string{}
	for _, name := range []string{"file", "folder", "redis", "service", "jwt", "socket"} {
		tokens[name] = newToken()
	}
	tokens["jwt"] = signedToken("127.0.0.1", all[0].at.port, g.key)
	line := "%s: %s\n"
	g.write(t, "tokens", fmt.Sprintf(line, tokens["file"], all[0].at.address()))
	g.write(t, "tokens.d/more", fmt.Sprintf(line, tokens["folder"], "unix_socket:"+all[1].socket))
	g.write(t, "desks/corner", all[2].at.address())
	g.service.set(tokens["service"], all[2].at.address())
	if err := g.redis.do("SET", "vnc:"+tokens["redis"], fmt.Sprintf(`{"host": %q}`, all[1].at.address())); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{tokens["socket"], "vm"} {
		if err := g.link(name, all[0]); err != nil {
			t.Fatal(err)
		}
	}
	for _, tt := range []struct{ name, query, display string }{
		{"file", "token=" + tokens["file"], "north"},
		{"folder", "token=" + tokens["folder"], "south"},
		{"redis", "token=" + tokens["redis"], "south"},
		{"service", "token=" + tokens["service"], "west"},
		{"jwt", "token=" + tokens["jwt"], "north"},
		{"sockets", "token=" + tokens["socket"], "north"},
		{"named files", "target=corner", "west"},
		{"named sockets", "target=vm", "north"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if err := reaches(g.url(tt.query), tt.display); err != nil {
				t.Error(err)
			}
		})
	}
	for _, token := range []string{newToken(), tokens["jwt"] + "A", "..", "%2e%2e%2fsockets", ""} {
		if _, err := openRawWeb(g.url("token="+token), nil); err == nil || !strings.Contains(err.Error(), "40") {
			t.Errorf("with token %q: %v", token, err)
		}
	}
	if err := g.saysOfSession(0, "user=bob"); err != nil {
		t.Error(err)
	}
	noSecrets(t, "the log", g.log.String())
}
