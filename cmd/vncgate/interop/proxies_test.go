package interop

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// A proxy is a program that docs/proxies.md has a configuration for.
type proxy struct {
	name, path, debianPackage string
	// around is what stands around the configuration in Debian's own: %[1]s is
	// a folder for files, %[2]s what the documentation says.
	around string
	// instead replaces what cannot be on a machine with other things on it.
	instead []string
	args    func(file string) []string
}

const apacheAround = `ServerRoot %[1]s
PidFile %[1]s/pid
ErrorLog /dev/stderr
ServerName localhost
Listen PORTAL
LoadModule mpm_event_module /usr/lib/apache2/modules/mod_mpm_event.so
LoadModule authz_core_module /usr/lib/apache2/modules/mod_authz_core.so
LoadModule ssl_module /usr/lib/apache2/modules/mod_ssl.so
LoadModule proxy_module /usr/lib/apache2/modules/mod_proxy.so
LoadModule proxy_http_module /usr/lib/apache2/modules/mod_proxy_http.so
LoadModule proxy_wstunnel_module /usr/lib/apache2/modules/mod_proxy_wstunnel.so
LoadModule headers_module /usr/lib/apache2/modules/mod_headers.so
Mutex file:%[1]s
%[2]s`

const nginxAround = `daemon off;
master_process off;
pid %[1]s/pid;
error_log stderr warn;
events { worker_connections 256; }
http {
  access_log off;
  client_body_temp_path %[1]s/body;
  proxy_temp_path %[1]s/proxy;
  fastcgi_temp_path %[1]s/fastcgi;
  uwsgi_temp_path %[1]s/uwsgi;
  scgi_temp_path %[1]s/scgi;
  %[2]s
}`

var proxies = []proxy{
	{
		name: "nginx", path: nginx, debianPackage: "nginx-light", around: nginxAround,
		instead: []string{"listen 443", "listen PORTAL"},
		args:    func(file string) []string { return []string{"-e", "stderr", "-p", filepath.Dir(file), "-c", file} },
	},
	{
		name: "haproxy", path: "/usr/sbin/haproxy", debianPackage: "haproxy", around: "%.0[1]s%[2]s",
		instead: []string{"bind :443", "bind PORTAL"},
		args:    func(file string) []string { return []string{"-db", "-f", file} },
	},
	{
		name: "apache", path: "/usr/sbin/apache2", debianPackage: "apache2-bin", around: apacheAround,
		instead: []string{"*:443", "PORTAL"},
		args:    func(file string) []string { return []string{"-X", "-f", file} },
	},
	{
		name: "caddy", path: "/usr/bin/caddy", debianPackage: "caddy", around: "%.0[1]s{\nadmin off\nauto_https off\n}\n%[2]s",
		instead: []string{"portal.example {", "https://PORTAL {\ntls /etc/ssl/portal.crt /etc/ssl/portal.key"},
		args:    func(file string) []string { return []string{"run", "--adapter", "caddyfile", "--config", file} },
	},
}

// documented are the code blocks of a kind in a page of docs.
func documented(t *testing.T, page, kind string) []string {
	t.Helper()
	text, err := os.ReadFile("../../../docs/" + page)
	if err != nil {
		t.Fatal(err)
	}
	var blocks []string
	for _, m := range regexp.MustCompile("(?ms)^```"+kind+"\n(.*?)^```").FindAllStringSubmatch(string(text), -1) {
		blocks = append(blocks, m[1])
	}
	if len(blocks) == 0 {
		t.Fatalf("%s has no block of %s", page, kind)
	}
	return blocks
}

// start runs the proxy as documented, before a port of the gateway, and returns
// its own port.
func (p *proxy) start(t *testing.T, s *scope, gateway int) int {
	t.Helper()
	dir, err := s.tempDir()
	if err != nil {
		t.Fatal(err)
	}
	port, err := freePort()
	if err != nil {
		t.Fatal(err)
	}
	certs := thePKI(t)
	both := filepath.Join(dir, "portal.pem")
	if err := joinFiles(both, certs.cert, certs.key); err != nil {
		t.Fatal(err)
	}
	text := fmt.Sprintf(p.around, dir, documented(t, "proxies.md", p.name)[0])
	at := fmt.Sprintf("127.0.0.1:%d", port)
	text = strings.NewReplacer(p.instead...).Replace(text)
	text = strings.NewReplacer("PORTAL", at, "/etc/ssl/portal.crt", certs.cert, "/etc/ssl/portal.key", certs.key, "/etc/ssl/portal.pem", both,
		"127.0.0.1:6080", fmt.Sprintf("127.0.0.1:%d", gateway)).Replace(text)
	path := filepath.Join(dir, p.name+".conf")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(p.path, p.args(path)...)
	cmd.Env = append(os.Environ(), "HOME="+dir, "XDG_DATA_HOME="+dir, "XDG_CONFIG_HOME="+dir)
	running, err := start(s, p.name, cmd)
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, p.name+" listens", func() error {
		if err := running.alive(); err != nil {
			return err
		}
		c, err := endpoint{host: "127.0.0.1", port: port}.dial()
		if err == nil {
			c.Close()
		}
		return err
	})
	return port
}

// joinFiles writes the files from, one behind the other.
func joinFiles(to string, from ...string) error {
	var all []byte
	for _, path := range from {
		b, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		all = append(all, b...)
	}
	return os.WriteFile(to, all, 0o600)
}

// TestDocumentedProxies looks at a display through each proxy that docs/proxies.md
// has a configuration for, which ends TLS and has the gateway below a prefix.
func TestDocumentedProxies(t *testing.T) {
	ownPage.needs(t)
	desk := theDesks(t)[1]
	text := strings.NewReplacer("127.0.0.1:6080", `127.0.0.1:{{port "web"}}`, "unix:/run/desk.sock", "unix:"+desk.socket).
		Replace(documented(t, "proxies.md", "yaml")[0])
	g := serveFile(t, text, nil)
	for _, p := range proxies {
		t.Run(p.name, func(t *testing.T) {
			needFile(t, p.path, p.debianPackage)
			port := p.start(t, testScope(t), g.ports["web"])
			address := fmt.Sprintf("https://127.0.0.1:%d/desks/?autoconnect=true&resize=off", port)
			seesByRoute(t, &ownPage, address, browserRoute{name: "prefix through " + p.name}, desk)
		})
	}
}
