package rfbtest_test

import (
	"context"
	"path/filepath"
	"strings"
	"testing"
	"testing/cryptotest"

	"vncgate/rfb"
	"vncgate/rfb/rfbtest"
)

// TestReplayedViewers: what a viewer once said proves nothing another time,
// when challenges and keys of ours are other ones. Types that send passwords
// in clear have no such defence, and None no need of one.
func TestReplayedViewers(t *testing.T) {
	tried := 0
	for _, s := range viewers {
		kind := s.name[strings.IndexByte(s.name, '-')+1:]
		if !strings.HasPrefix(kind, "ra2") && kind != "ard" {
			continue
		}
		tried++
		said := load(t, filepath.Join("testdata", "viewers", s.name+".txtar")).Said(rfbtest.ByViewer)
		for _, other := range []uint64{seed, seed + 1} {
			cryptotest.SetGlobalRandom(t, other)
			c := rfbtest.NewScript(said)
			conn, err := rfb.Server(context.Background(), c, &rfb.ServerConfig{Security: []rfb.Security{s.security(sameTLS, nil)}})
			if let := err == nil; let != (other == seed) {
				t.Errorf("%s with seed %d: %v, %v", s.name, other, conn, err)
			}
		}
	}
	if tried == 0 {
		t.Error("no such transcripts")
	}
}

func sameTLS(u rfb.Upgrade) rfb.Upgrade { return u }

// TestTruncatedSessions: a peer that stops short is an end with an error at
// every byte of the handshake, and never one that waits.
func TestTruncatedSessions(t *testing.T) {
	for _, s := range viewers {
		path := filepath.Join("testdata", "viewers", s.name+".txtar")
		if !newer(s.name) {
			continue
		}
		testTruncated(t, load(t, path).Said(rfbtest.ByViewer), func(c *rfbtest.Script) error {
			_, err := rfb.Server(context.Background(), c, &rfb.ServerConfig{Security: []rfb.Security{s.security(sameTLS, nil)}})
			return err
		})
	}
	for _, s := range displays {
		path := filepath.Join("testdata", "displays", s.name+".txtar")
		if !newer(s.name) || strings.HasSuffix(s.name, "-wrong") {
			continue
		}
		testTruncated(t, load(t, path).Said(rfbtest.ByDisplay), func(c *rfbtest.Script) error {
			_, err := rfb.Client(context.Background(), c, &rfb.ClientConfig{Security: []rfb.Security{s.security(sameTLS, nil)}})
			return err
		})
	}
}

// newer tells the sessions without TLS of the types that came last.
func newer(name string) bool {
	return strings.HasPrefix(name, "vncviewer16-") || strings.HasPrefix(name, "novnc17-") || strings.HasPrefix(name, "x0vncserver-") ||
		strings.HasPrefix(name, "libvncserver-")
}

func testTruncated(t *testing.T, said []byte, handshake func(*rfbtest.Script) error) {
	t.Helper()
	run := func(n int) (left int, err error) {
		cryptotest.SetGlobalRandom(t, seed)
		c := rfbtest.NewScript(said[:n])
		err = handshake(c)
		return c.Left(), err
	}
	left, err := run(len(said))
	if err != nil {
		t.Fatal(err)
	}
	whole := len(said) - left
	for n := 0; n < whole; n += 1 + n/40 {
		if _, err := run(n); err == nil {
			t.Errorf("let in after %d of %d bytes", n, whole)
		}
	}
	if _, err := run(whole); err != nil {
		t.Errorf("not let in after all %d bytes: %v", whole, err)
	}
}
