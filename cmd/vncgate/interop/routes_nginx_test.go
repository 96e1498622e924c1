package interop

import (
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// nginxConfig ends TLS and puts the gateway below a prefix. It connects from an
// address of its own, so that it can be told from the viewer.
const nginxConfig = `daemon off;
master_process off;
pid %[1]s/pid;
error_log stderr warn;
events { worker_connections 256; }
http {
  access_log %[1]s/access.log;
  client_body_temp_path %[1]s/body;
  proxy_temp_path %[1]s/proxy;
  fastcgi_temp_path %[1]s/fastcgi;
  uwsgi_temp_path %[1]s/uwsgi;
  scgi_temp_path %[1]s/scgi;
  map $http_upgrade $upgraded { default upgrade; "" close; }
  server {
    listen 127.0.0.1:%[2]d ssl;
    ssl_certificate %[3]s;
    ssl_certificate_key %[4]s;
    location /desks/ {
      proxy_pass http://127.0.0.1:%[5]d/;
      proxy_bind 127.0.0.9;
      proxy_http_version 1.1;
      proxy_set_header Upgrade $http_upgrade;
      proxy_set_header Connection $upgraded;
      proxy_set_header Host $http_host;
      proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
      proxy_set_header X-Forwarded-Proto $scheme;
      proxy_read_timeout 20s;
    }
  }
}
`

// startNginx runs nginx before a port of the gateway and returns its own port.
func startNginx(s *scope, certs pki, gateway int) (int, error) {
	dir, err := s.tempDir()
	if err != nil {
		return 0, err
	}
	port, err := freePort()
	if err != nil {
		return 0, err
	}
	path := filepath.Join(dir, "nginx.conf")
	text := fmt.Sprintf(nginxConfig, dir, port, certs.cert, certs.key, gateway)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		return 0, err
	}
	p, err := start(s, "nginx", exec.Command(nginx, "-e", "stderr", "-p", dir, "-c", path))
	if err != nil {
		return 0, err
	}
	return port, poll("nginx listens", func() error {
		if err := p.alive(); err != nil {
			return err
		}
		c, err := endpoint{host: "127.0.0.1", port: port}.dial()
		if err == nil {
			c.Close()
		}
		return err
	})
}

// nginx is where Debian has it, which is not in everybody's PATH.
const nginx = "/usr/sbin/nginx"

const behindNginxConfig = `listeners:
  - address: 127.0.0.1:{{port "web"}}
    web: {targets_path: /vnc, trusted_proxies: [127.0.0.9], ping: 2s, origins: ["{{.Origin}}"]}
    security: [none]
    sources: [links]
    token: optional
targets: {south: {address: "unix:{{.South}}"}}
sources: [{name: links, file: {{.Tokens}}}]
policy: [{who: "*", targets: "*", allow: [all]}]
`

// TestBehindNginx looks at the gateway through nginx, which ends TLS and has it
// below a prefix: noVNC's page, ours by a path, and ours by a token in the
// fragment, for which it gets a cookie.
func TestBehindNginx(t *testing.T) {
	noVNC.needs(t)
	ownPage.needs(t)
	needFile(t, nginx, "nginx-light")
	foreignTLSPages.get(t, servePagesOverTLS)
	all, token := theDesks(t), newToken()
	s := testScope(t)
	file, err := plainFile(s, "tokens", fmt.Sprintf("%s: %s\n", token, all[0].at.address()))
	if err != nil {
		t.Fatal(err)
	}
	g := serveFile(t, behindNginxConfig, map[string]any{"Tokens": file, "South": all[1].socket, "Origin": foreignTLSPages.value.URL})
	port, err := startNginx(s, thePKI(t), g.ports["web"])
	if err != nil {
		t.Fatal(err)
	}
	base := fmt.Sprintf("https://127.0.0.1:%d/desks/", port)
	q := url.Values{"autoconnect": {"true"}, "host": {"127.0.0.1"}, "port": {fmt.Sprint(port)}, "encrypt": {"true"}, "path": {"desks/websockify?token=" + token}}
	for _, tt := range []struct {
		name    string
		kind    *viewerKind
		address string
		desk    int
	}{
		{"token through nginx", &noVNC, foreignTLSPages.value.URL + "/vnc.html?" + q.Encode(), 0},
		{"path through nginx", &ownPage, base + "vnc/south?autoconnect=true&resize=off", 1},
		{"fragment through nginx", &ownPage, base + "#autoconnect=true&resize=off&token=" + token, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			said := g.log.len()
			seesByRoute(t, tt.kind, tt.address, browserRoute{name: tt.name}, all[tt.desk])
			if err := g.saysOfSession(said, "viewer=127.0.0.1:0", "viewer=127.0.0.1 "); err != nil {
				t.Error(err)
			}
		})
	}
}

// saysOfSession is an error unless a session was opened since offset of which one
// of words is said. What the gateway logs may come later than what it shows.
func (g *gate) saysOfSession(offset int, words ...string) error {
	return poll("the log tells of the session", func() error {
		log := g.log.String()[offset:]
		for line := range strings.Lines(log) {
			for _, word := range words {
				if strings.Contains(line, "session opened") && strings.Contains(line, word) {
					return nil
				}
			}
		}
		return errors.Join(fmt.Errorf("no session has %q: %s", words, log), g.alive())
	})
}
