package interop

import (
	"crypto/tls"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
)

// TestWrongPassword turns viewers away who cannot prove themselves, and the
// log names neither what they tried nor what would have been right.
func TestWrongPassword(t *testing.T) {
	b := theXvnc(t).back("vnc")
	g := startGate(t, patient, b)
	for _, tt := range []struct {
		kind  viewerKind
		front string
	}{
		{vncViewer, "vnc"}, {vncViewer, "x509-vnc"}, {vncViewer, "x509-plain"},
		{libVNCClient, "vnc"}, {libVNCClient, "x509-plain"}, {libVNCClient, "x509-sasl"},
		{gtkVNC, "x509-sasl"}, {noVNC, "wss-plain"}, {ownPage, "wss-plain"},
	} {
		t.Run(tt.kind.label+" "+tt.front, func(t *testing.T) {
			tt.kind.needs(t)
			at := g.front(tt.front, b.name)
			if tt.kind.choosesItself {
				at = g.only(tt.front, b.name)
			}
			at.password = secrets.wrongOnes
			said := g.log.len()
			if _, err := tt.kind.open(testScope(t), at); err != nil {
				t.Fatal(err)
			}
			eventually(t, "the gateway refuses", func() error { return refused(g, said) })
		})
	}
}

// refused is an error while the log has no refusal behind offset.
func refused(g *gate, offset int) error {
	log := g.log.String()[offset:]
	if strings.Contains(log, "session opened") {
		return fatal{fmt.Errorf("it let the viewer in: %s", log)}
	}
	if !strings.Contains(log, "session refused") {
		return fmt.Errorf("the log says %q", log)
	}
	return nil
}

// TestSecretsInURLs sends what pages and people put into addresses.
func TestSecretsInURLs(t *testing.T) {
	b := theXvnc(t).back("vnc")
	g := startGate(t, patient, b)
	client := &http.Client{Transport: &http.Transport{
		TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, DisableKeepAlives: true,
	}}
	for _, page := range []string{g.front("ws", b.name).page, g.front("wss", b.name).page} {
		for _, path := range []string{"/", "/vnc.html", "/websockify", "/none-such", "/start/" + secrets.user} {
			address := page + path + "?" + url.Values{"password": {secrets.user}, "token": {secrets.qemuSASL}, "target": {"none-such"}}.Encode()
			answer, err := client.Get(address)
			if err != nil {
				t.Fatal(err)
			}
			answer.Body.Close()
			withUserInfo := strings.Replace(address, "://", "://alice:"+secrets.user+"@", 1)
			if answer, err = client.Get(withUserInfo); err != nil {
				t.Fatal(err)
			}
			answer.Body.Close()
		}
		at := strings.Replace(page, "http", "ws", 1) + "/websockify?token=" + secrets.user + "&target=none-such"
		if err := webReason(at, ""); err == nil {
			t.Error("a target that does not exist let a viewer in")
		}
	}
}
