package main

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
)

// The general proxies are given what they are best at: a plain pipe, TLS before
// a pipe, and for WebSockets a display that speaks them itself. All of them use
// the cipher that Go's clients ask for first, which OpenSSL would put second.

const cipher = "TLS_AES_128_GCM_SHA256"

// nginxStream says how nginx gets the part of it that pipes: by a directive of
// its configuration, or by none; ok is false if it has none.
func nginxStream(program string) (directive string, ok bool) {
	for _, dir := range []string{"/usr/lib/nginx/modules", "/usr/lib64/nginx/modules", "/usr/share/nginx/modules"} {
		path := dir + "/ngx_stream_module.so"
		if _, err := os.Stat(path); err == nil {
			return "load_module " + path + ";\n", true
		}
	}
	b, _ := exec.Command(program, "-V").CombinedOutput()
	return "", strings.Contains(string(b), "--with-stream ")
}

func startNginx(p *place) (*child, error) {
	config, piping := nginxStream(p.program)
	tls := fmt.Sprintf("  ssl_certificate %s; ssl_certificate_key %s; ssl_conf_command Ciphersuites %s; ssl_session_cache shared:%%s:10m;\n", p.pair.cert, p.pair.key, cipher)
	config += fmt.Sprintf("daemon off; master_process on; worker_processes auto; user root; pid %s/nginx.pid; error_log %s/error.log;\n"+
		"worker_rlimit_nofile 20000;\nevents { worker_connections 19000; }\n", p.dir, p.dir)
	if piping {
		config += "stream {\n" + fmt.Sprintf(tls, "pipes") + "  proxy_timeout 1h;\n" + p.nginxPipes() + "}\n"
	}
	config += "http {\n" + fmt.Sprintf(tls, "pages") + "  access_log off;\n"
	for _, kind := range []string{"client_body", "proxy", "fastcgi", "uwsgi", "scgi"} {
		config += fmt.Sprintf("  %s_temp_path %s/%s;\n", kind, p.dir, kind)
	}
	path, err := p.write("nginx.conf", config+p.nginxPages()+"}\n")
	if err != nil {
		return nil, err
	}
	return start(p.log("nginx"), false, p.program, "-p", p.dir, "-c", path, "-e", p.log("nginx-early"))
}

func (p *place) nginxPipes() string {
	stream := ""
	for _, via := range []string{viaTCP, viaTLS} {
		stream += fmt.Sprintf("  server { listen %s%s; proxy_pass %s; }\n", p.listen[via], map[bool]string{true: " ssl"}[via == viaTLS], p.display.TCP)
	}
	return stream
}

func (p *place) nginxPages() string {
	web := ""
	for _, via := range []string{viaWS, viaWSS} {
		web += fmt.Sprintf(`  server { listen %s%s; location / { proxy_pass http://%s; proxy_http_version 1.1;
    proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection "Upgrade"; proxy_read_timeout 1h; } }
`, p.listen[via], map[bool]string{true: " ssl"}[via == viaWSS], p.display.WS)
	}
	return web
}

func startHAProxy(p *place) (*child, error) {
	var b strings.Builder
	fmt.Fprintf(&b, "global\n  maxconn 9900\n  ssl-default-bind-ciphersuites %s\n", cipher)
	b.WriteString("defaults\n  timeout connect 5s\n  timeout client 1h\n  timeout server 1h\n  timeout tunnel 1h\n")
	secure := fmt.Sprintf(" ssl crt %s", p.pair.both)
	for _, l := range []struct{ via, mode, tls, server string }{
		{viaTCP, "tcp", "", p.display.TCP}, {viaTLS, "tcp", secure, p.display.TCP},
		{viaWS, "http", "", p.display.WS}, {viaWSS, "http", secure, p.display.WS},
	} {
		fmt.Fprintf(&b, "listen %s\n  mode %s\n  bind %s%s\n  server display %s\n", l.via, l.mode, p.listen[l.via], l.tls, l.server)
	}
	path, err := p.write("haproxy.cfg", b.String())
	if err != nil {
		return nil, err
	}
	return start(p.log("haproxy"), false, p.program, "-db", "-f", path)
}

func startStunnel(p *place) (*child, error) {
	config := fmt.Sprintf("foreground = yes\npid =\nsyslog = no\ndebug = 3\ncert = %s\nkey = %s\nciphersuites = %s\n", p.pair.cert, p.pair.key, cipher)
	for via, display := range map[string]string{viaTLS: p.display.TCP, viaWSS: p.display.WS} {
		config += fmt.Sprintf("[%s]\naccept = %s\nconnect = %s\n", via, p.listen[via], display)
	}
	path, err := p.write("stunnel.conf", config)
	if err != nil {
		return nil, err
	}
	return start(p.log("stunnel"), false, p.program, path)
}
