package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"net/url"
	"strings"

	"vncgate/layers"
)

// maxPage is how much of an answer is read.
const maxPage = 64 << 10

// foreignOrigin is that of a page which no server can have on its list.
const foreignOrigin = "https://doctor.invalid"

// webFront is a front that browsers come to.
type webFront struct {
	page   string // URL, "" where only the WebSocket was named
	origin string // of pages that are served there
	ours   bool   // the page is vncgate's
}

// asViewer takes an address as a viewer's user would write it.
func (f *doctorFlags) asViewer(subject string) (*webFront, targetConfig, error) {
	scheme, rest, isURL := strings.Cut(subject, "://")
	if !isURL || scheme == "rfb" {
		if isURL {
			subject = rest
		}
		t, err := f.display(subject)
		return nil, t, err
	}
	u, err := url.Parse(subject)
	if err != nil || u.Host == "" {
		return nil, targetConfig{}, fmt.Errorf("%s is no URL with a host", subject)
	}
	front := &webFront{page: subject}
	switch scheme {
	case "http", "https":
		if isSocket(u) {
			front.page = ""
		}
		u = socketOf(u)
	case "ws", "wss":
		front.page = ""
		if u.Path == "" || u.Path == "/" {
			u.Path = "/websockify"
		}
	default:
		return nil, targetConfig{}, fmt.Errorf("%s: a front is HOST:PORT, unix:PATH or a URL of http, https, ws or wss", subject)
	}
	u.Fragment, u.User = "", nil
	front.origin = pageScheme(u.Scheme) + "://" + u.Host
	t, err := f.display(u.String())
	return front, t, err
}

// isSocket reports whether u is the WebSocket's own address, not a page's.
func isSocket(u *url.URL) bool { return strings.HasSuffix(u.Path, "/websockify") }

// socketOf is the WebSocket that the page at u connects to: noVNC's parameter
// path, or /websockify; u itself, if it is one.
func socketOf(u *url.URL) *url.URL {
	socket := &url.URL{Scheme: "ws" + strings.TrimPrefix(u.Scheme, "http"), Host: u.Host, Path: "/websockify"}
	if isSocket(u) {
		socket.Path, socket.RawQuery = u.Path, u.RawQuery
	} else if path := u.Query().Get("path"); path != "" {
		if ref, err := url.Parse("/" + strings.TrimLeft(path, "/")); err == nil {
			socket.Path, socket.RawQuery = ref.Path, ref.RawQuery
		}
	} else if target := u.Query().Get("target"); target != "" {
		socket.RawQuery = url.Values{"target": {target}}.Encode()
	}
	return socket
}

// pageScheme is that of pages beside a WebSocket: http for ws, https for wss.
func pageScheme(scheme string) string { return "http" + strings.TrimPrefix(scheme, "ws") }

// answer is what a server says to a GET.
type answer struct {
	status   int
	words    string // the status in words
	kind     string // media type
	server   string
	location string
	body     string
}

// fetch asks for one page, and follows nothing.
func (d *doctor) fetch(ctx context.Context, page string) (answer, error) {
	transport := &http.Transport{
		DialContext:       func(ctx context.Context, _, _ string) (net.Conn, error) { return d.target.Dial(ctx) },
		TLSClientConfig:   d.plainTLS,
		DisableKeepAlives: true,
	}
	defer transport.CloseIdleConnections()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, page, nil)
	if err != nil {
		return answer{}, err
	}
	req.Header.Set("User-Agent", "vncgate-doctor")
	res, err := transport.RoundTrip(req)
	if err != nil {
		return answer{}, because(ctx, err)
	}
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(res.Body, maxPage))
	kind, _, _ := mime.ParseMediaType(res.Header.Get("Content-Type"))
	return answer{
		status: res.StatusCode, words: res.Status, kind: kind, body: string(body),
		server: res.Header.Get("Server"), location: res.Header.Get("Location"),
	}, err
}

// visitPage is the step of what a browser loads first. Whatever comes of it,
// the WebSocket is looked at, unless nothing but TLS is spoken there.
func (d *doctor) visitPage(ctx context.Context) error {
	s := d.begin("page")
	limited, cancel := d.limited(ctx)
	defer cancel()
	a, err := d.fetch(limited, d.page.page)
	if err != nil {
		d.fail(d.noPage(err))
		return nil
	}
	s.Summary = a.words
	if a.kind != "" {
		s.Summary += ", " + a.kind
	}
	s.detail("status", a.status)
	s.detail("type", a.kind)
	if a.server != "" {
		s.note("server: %s", a.server)
		s.detail("server", a.server)
	}
	d.page.ours = strings.Contains(a.body, "<title>vncgate</title>")
	if strings.Contains(a.body, "noVNC") {
		s.note("the page is noVNC's, or has it inside")
	}
	switch {
	case a.wantsTLS():
		d.fail(d.speaksOnlyTLS())
		return errFailed
	case a.status == http.StatusUpgradeRequired:
		s.advise("On this side: it is the address of a WebSocket, not of a page; look at it by ws" + strings.TrimPrefix(d.page.page, "http"))
	case a.status >= 400:
		d.fail(newTrouble(s.Summary+a.reason(), statusAdvice(a.status)...))
		return nil
	case a.location != "":
		s.advise("On this side: it leads on to " + a.location + "; look at that.")
	}
	d.done()
	return nil
}

// wantsTLS reports whether a is how servers answer HTTP at a port for TLS: Go's,
// nginx, Apache.
func (a answer) wantsTLS() bool {
	return a.status == http.StatusBadRequest && (strings.Contains(a.body, "HTTP request to an HTTPS server") ||
		strings.Contains(a.body, "plain HTTP request was sent to HTTPS port") || strings.Contains(a.body, "speaking plain HTTP to an SSL-enabled"))
}

func (d *doctor) speaksOnlyTLS() error {
	return newTrouble("it speaks TLS, and was asked without", "On this side: "+d.otherScheme()+".")
}

// otherScheme says how to write the address that was given with TLS for
// without, and the other way round.
func (d *doctor) otherScheme() string {
	scheme, _, _ := strings.Cut(d.report.Address, "://")
	other := map[string]string{"http": "https", "https": "http", "ws": "wss", "wss": "ws"}[scheme]
	if other == "" {
		return "leave --target-tls out (in the configuration: tls.implicit), or write ws://… if it is a web server"
	}
	return "write " + other + ":// for " + scheme + "://"
}

func (d *doctor) noPage(err error) error {
	text := err.Error()
	switch {
	case strings.Contains(text, "malformed HTTP") && (strings.Contains(text, "RFB ") || strings.Contains(text, `"00`)):
		return newTrouble("it speaks RFB, not HTTP", "On this side: it is there for native viewers; give HOST:PORT without http:// or ws://.")
	case strings.Contains(text, "HTTP response to HTTPS client"):
		return newTrouble("it speaks HTTP without TLS", "On this side: "+d.otherScheme()+".")
	case strings.Contains(text, "malformed HTTP"):
		return newTrouble("it does not speak HTTP", "On this side: is it the right port?")
	case errors.Is(err, errSilent):
		return newTrouble("no answer to an HTTP request in time", "On the other side: a server that expects TLS waits in silence; write https:// then.")
	case closed(err):
		return newTrouble("it closed the connection instead of answering an HTTP request", "On this side: is it the right port? A server that expects TLS may do this; write https:// then.")
	}
	return newTrouble(text)
}

// reason is what a server says in words: vncgate by JSON, others by text.
func (a answer) reason() string {
	var said struct{ Error string }
	text := ""
	switch {
	case json.Unmarshal([]byte(a.body), &said) == nil:
		text = said.Error
	case a.kind == "text/plain":
		text, _, _ = strings.Cut(a.body, "\n")
	}
	if text == "" {
		return ""
	}
	return ": " + text[:min(len(text), 200)]
}

// noWebSocket says why there was no upgrade; the same URL, asked for as a page,
// often knows the words.
func (d *doctor) noWebSocket(ctx context.Context, err error) error {
	status := 0
	if _, text, ok := strings.Cut(err.Error(), "the server answered "); ok {
		_, _ = fmt.Sscan(text, &status)
	}
	if status == 0 {
		return d.noPage(err)
	}
	words := fmt.Sprintf("no WebSocket at %s: %d %s", d.t.URL, status, http.StatusText(status))
	limited, cancel := d.limited(ctx)
	defer cancel()
	if a, err := d.fetch(limited, "http"+strings.TrimPrefix(d.t.URL, "ws")); err == nil && a.status == status {
		if a.wantsTLS() {
			return d.speaksOnlyTLS()
		}
		words += a.reason()
	}
	return newTrouble(words, statusAdvice(status)...)
}

func statusAdvice(status int) []string {
	switch status {
	case http.StatusBadRequest:
		return []string{"Between: a reverse proxy must pass the upgrade on (nginx: proxy_http_version 1.1, Upgrade and Connection headers)."}
	case http.StatusUnauthorized, http.StatusProxyAuthRequired:
		return []string{"On this side: it wants a log-in of the browser first, by a link or a page; the doctor has none."}
	case http.StatusForbidden:
		return []string{"On the other side: who may come is decided there: an address list, or the origins that may connect (vncgate: web: {origins: […]})."}
	case http.StatusNotFound:
		return []string{
			"On this side: the WebSocket may have another path: give its URL, ws://HOST:PORT/PATH. QEMU and websockify take any path, vncgate / and /websockify.",
			"With several displays vncgate wants to know which: …/websockify?target=NAME.",
		}
	case http.StatusMethodNotAllowed, http.StatusOK:
		return []string{"On the other side: a plain web server answers there, that knows no WebSocket; start websockify or vncgate, or let the proxy lead to it."}
	case http.StatusBadGateway, http.StatusGatewayTimeout:
		return []string{"On the other side: a proxy is there, but not what should be behind it."}
	case http.StatusServiceUnavailable:
		return []string{"On the other side: it is full, or shutting down."}
	}
	return nil
}

// origins is the step of who may connect from a browser: pages of the server
// itself must, pages of others should not.
func (d *doctor) origins(ctx context.Context) {
	s := d.begin("origin")
	own := d.tryOrigin(ctx, d.page.origin)
	foreign := d.tryOrigin(ctx, foreignOrigin)
	s.detail("own", own == nil)
	s.detail("foreign", foreign == nil)
	switch {
	case own != nil:
		d.fail(newTrouble("pages of "+d.page.origin+" itself are refused",
			"Between: a reverse proxy must leave the Host header as it is (nginx: proxy_set_header Host $http_host).",
			"On the other side: or name the origin (vncgate: web: {origins: ["+d.page.origin+"]})."))
		return
	case foreign == nil:
		s.Summary = "every page may connect, whatever its origin"
		s.advise("On the other side: any page that somebody opens, who can reach this server, may use it from the browser; websockify and QEMU do not look at origins, vncgate does unless origins has \"*\".")
	default:
		s.Summary = "pages of " + d.page.origin + " may connect, those of others may not"
	}
	d.done()
}

// tryOrigin asks for an upgrade as a page of origin would.
func (d *doctor) tryOrigin(ctx context.Context, origin string) error {
	ctx, cancel := d.limited(ctx)
	defer cancel()
	c, err := d.target.Dial(ctx)
	if err != nil {
		return err
	}
	stack := append([]layers.Layer{}, d.target.Layers[:len(d.target.Layers)-1]...)
	stack = append(stack, layers.WebSocketClient(d.t.URL, http.Header{"Origin": {origin}}))
	above, err := layers.Stack(ctx, c, stack...)
	if err != nil {
		_ = c.Close()
		return err
	}
	return above.Close()
}
