package main

import (
	"bufio"
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"strings"
	"testing"
	"time"

	"vncgate/rfb"
)

// TestDemo opens what the demo prints: the link leads one browser to the page,
// and the password a native viewer to the display.
func TestDemo(t *testing.T) {
	ctx, stop := context.WithCancel(context.Background())
	out, said := io.Pipe()
	f := &demoFlags{listen: "127.0.0.1:0", rfb: "127.0.0.1:0", dashboard: "127.0.0.1:0", dir: t.TempDir(), logLevel: "error", still: true}
	ended := make(chan error, 1)
	go func() { ended <- f.run(ctx, said, io.Discard); said.Close() }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	words := map[string][]string{}
	for lines := bufio.NewScanner(out); len(words["Stop"]) == 0; {
		if !lines.Scan() {
			t.Fatal("the demo ended")
		}
		if fields := strings.Fields(lines.Text()); len(fields) > 1 {
			words[fields[0]] = fields[1:]
		}
	}
	go io.Copy(io.Discard, out)

	link := words["Open"][0]
	if code := statusBehind(t, link); code != http.StatusOK {
		t.Errorf("the link answers %d", code)
	}
	if code := statusBehind(t, link); code == http.StatusOK {
		t.Error("the link lets a second browser in")
	}
	viewer := words["Viewer"]
	c, err := net.Dial("tcp", viewer[0])
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(time.Minute))
	password := func(context.Context) (string, error) { return viewer[2], nil }
	conn, err := rfb.Client(ctx, c, &rfb.ClientConfig{Security: []rfb.Security{rfb.ClientVncAuth{Password: password}}})
	if err != nil {
		t.Fatal(err)
	}
	if err := conn.WriteClientInit(ctx, true); err != nil {
		t.Fatal(err)
	}
	if init, err := conn.ReadServerInit(ctx); err != nil || init.Width == 0 {
		t.Errorf("%+v, %v", init, err)
	}
	eventually(t, "the dashboard shows the viewer", func() bool {
		sessions, targets := asDashboard(t, words["Admin"][0], "sessions"), asDashboard(t, words["Admin"][0], "targets")
		return strings.Contains(sessions, `"target":"demo"`) && strings.Contains(targets, `"name":"demo"`) && strings.Contains(targets, `"state":"up"`)
	})
	if picture := asDashboard(t, words["Admin"][0], "targets/demo/screenshot"); !strings.HasPrefix(picture, "\x89PNG") {
		t.Errorf("beside the viewer the dashboard has no picture of the display: %.200q", picture)
	}
}

// asDashboard asks the API for what the page behind the link asks for.
func asDashboard(t *testing.T, link, what string) string {
	t.Helper()
	at, token, ok := strings.Cut(link, "/#token=")
	if !ok || !strings.HasPrefix(at, "http://localhost:") {
		t.Fatalf("the link to the dashboard is %s", link)
	}
	r, err := http.NewRequestWithContext(visit(t), http.MethodGet, at+"/api/v1/"+what, nil)
	must(t, err)
	if got, err := http.DefaultClient.Do(r); err != nil || got.StatusCode != http.StatusUnauthorized {
		t.Fatalf("without the token: %v, %v", got, err)
	}
	r.Header.Set("Authorization", "Bearer "+token)
	got, err := http.DefaultClient.Do(r)
	must(t, err)
	defer got.Body.Close()
	text, err := io.ReadAll(got.Body)
	must(t, err)
	return string(text)
}

// statusBehind follows a link as a new browser does, which has been told to
// trust the certificate.
func statusBehind(t *testing.T, link string) int {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	transport := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}
	defer transport.CloseIdleConnections()
	got, err := (&http.Client{Jar: jar, Transport: transport}).Get(link)
	if err != nil {
		t.Fatal(err)
	}
	got.Body.Close()
	return got.StatusCode
}
