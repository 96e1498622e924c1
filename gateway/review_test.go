package gateway_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"vncgate/auth"
	"vncgate/gateway"
	"vncgate/layers"
	"vncgate/layers/layertest"
	"vncgate/rfb"
)

// Whatever is taken from a viewer that is in, it is told why, in words and by a
// code that says whether to come again.
func TestReviewEnds(t *testing.T) {
	closed := func(*governed) bool { return true }
	for _, test := range []struct {
		name   string
		change func(*governed)
		code   int
		words  string
		reason string
	}{
		{"denied", func(g *governed) { g.set(func(a *authority) { a.err = fmt.Errorf("%w: no rule", gateway.ErrDenied) }) },
			layers.ClosePolicy, "Your access to this display was withdrawn.", "access withdrawn"},
		{"denied in words", func(g *governed) {
			g.set(func(a *authority) { a.err = &rfb.Refusal{Reason: "The lab is closed.", Err: gateway.ErrDenied} })
		}, layers.ClosePolicy, "The lab is closed.", "access withdrawn"},
		{"nothing to see", func(g *governed) { g.rights(auth.Keyboard) },
			layers.ClosePolicy, "Your access to this display was withdrawn.", "access withdrawn"},
		{"expired", func(g *governed) { g.set(func(a *authority) { a.grant.Expires = time.Now().Add(-time.Second) }) },
			layers.ClosePolicy, "Your time on this display is over.", "grant expired"},
		{"nobody answers", func(g *governed) { g.set(func(a *authority) { a.err = errors.New("on fire") }) },
			1013, "The gateway could not make sure that you may still use this display.", "access not confirmed"},
		{"bell taken", func(g *governed) { g.rights(auth.AllRights &^ auth.Bell) },
			1012, "Your rights on this display have changed. Connect again to go on.", "rights changed"},
		{"clipboard out taken", func(g *governed) { g.rights(auth.AllRights &^ auth.ClipboardOut) },
			1012, "Your rights on this display have changed. Connect again to go on.", "rights changed"},
		{"encodings bounded", func(g *governed) {
			g.set(func(a *authority) { a.grant.Limits.Encodings = []string{"tight"} })
		}, 1012, "Your rights on this display have changed. Connect again to go on.", "rights changed"},
		{"clipboard out bounded", func(g *governed) { g.set(func(a *authority) { a.grant.Limits.ClipboardOut = 100 }) },
			1012, "Your rights on this display have changed. Connect again to go on.", "rights changed"},
	} {
		t.Run(test.name, func(t *testing.T) {
			g := newGoverned(t, auth.Grant{}, overWS(gateway.Front{}))
			viewer := g.mustBrowse(t)
			eventually(t, "the session is open", func() bool { l := g.List(); return len(l) == 1 && l[0].Open && closed(g) })
			test.change(g)
			g.Review()
			if end := closing(t, viewer); end.Code != test.code || end.Reason != test.words {
				t.Errorf("closed with %v", end)
			}
			eventually(t, "the reason is logged", func() bool { return strings.Contains(g.log.String(), fmt.Sprintf("reason=%q", test.reason)) })
		})
	}
}

func TestReviewAsksForTicketAndCertificate(t *testing.T) {
	var bad atomic.Bool
	check := func() error {
		if bad.Load() {
			return gateway.ErrDenied
		}
		return nil
	}
	t.Run("ticket", func(t *testing.T) {
		bad.Store(false)
		g := newGoverned(t, auth.Grant{}, gateway.Front{Valid: func(context.Context) error { return check() }})
		viewer := g.view(t)
		g.Review()
		send(t, viewer, mark(1))
		g.sees(t, mark(1))
		bad.Store(true)
		g.Review()
		_, _ = io.Copy(io.Discard, viewer)
		eventually(t, "it ends", func() bool { return strings.Contains(g.log.String(), `reason="access withdrawn"`) })
		if _, err := viewOver(g.dial(t)); told(err) != "Authentication failed" {
			t.Errorf("by a ticket that was revoked: %v", err)
		}
	})
	t.Run("certificate", func(t *testing.T) {
		bad.Store(false)
		certs := layertest.Certificates(t)
		server, client := certs.Server.Clone(), certs.Client.Clone()
		server.ClientAuth, server.ClientCAs = tls.RequireAndVerifyClientCert, x509.NewCertPool()
		mine := clientCertificate(t)
		server.ClientCAs.AddCert(mine.Leaf)
		client.Certificates = []tls.Certificate{mine}
		front := gateway.Front{Layers: []layers.Layer{layers.TLSServer(server)}}
		g := newGoverned(t, auth.Grant{}, front, func(g *gateway.Gateway) {
			g.Certified = func(state tls.ConnectionState) error {
				if len(state.VerifiedChains) == 0 {
					t.Error("asked about no certificate")
				}
				return check()
			}
		})
		c, err := layers.Stack(context.Background(), g.dial(t), layers.TLSClient(client))
		if err != nil {
			t.Fatal(err)
		}
		viewer, err := viewOver(c)
		if err != nil {
			t.Fatal(err)
		}
		bad.Store(true)
		g.Review()
		_, _ = io.Copy(io.Discard, viewer)
		eventually(t, "it ends", func() bool { return strings.Contains(g.log.String(), `reason="access withdrawn"`) })
	})
}

// A schedule closes: the grant itself says when to ask.
func TestGrantSaysWhenToAskAgain(t *testing.T) {
	t.Parallel()
	g := newGoverned(t, auth.Grant{Review: time.Now().Add(3 * time.Second)}, overWS(gateway.Front{}))
	viewer := g.mustBrowse(t)
	g.set(func(a *authority) { a.err = gateway.ErrDenied })
	if end := closing(t, viewer); end.Code != layers.ClosePolicy || end.Reason != "This display is not open to you at this time." {
		t.Errorf("closed with %v", end)
	}
	eventually(t, "the reason is logged", func() bool { return strings.Contains(g.log.String(), `reason="outside of hours"`) })
}

// What is pressed when a right goes is let go at the display, and nothing of it
// passes until it comes back.
func TestRightsAreTakenInMidDrag(t *testing.T) {
	g := newGoverned(t, auth.Grant{}, gateway.Front{})
	viewer := g.view(t)
	send(t, viewer, key(true, 0xffe1), pointer(1, 10, 10), pointer(1, 20, 20))
	g.sees(t, pointer(1, 20, 20))

	g.rights(auth.AllRights &^ (auth.Keyboard | auth.Pointer))
	g.Review()
	g.sees(t, key(false, 0xffe1))
	g.sees(t, pointer(0, 20, 20))
	send(t, viewer, pointer(1, 30, 30), key(true, 'x'), mark(1))
	g.sees(t, mark(1))
	if seen := g.input(); len(seen) != 5 {
		t.Errorf("the display saw % x", seen)
	}

	g.rights(auth.AllRights)
	g.Review()
	eventually(t, "the rights come back", func() bool { return strings.Count(g.log.String(), "grant changed") == 2 })
	send(t, viewer, pointer(0, 40, 40))
	g.sees(t, pointer(0, 40, 40))
}

func TestEndsLetGoOfWhatIsPressed(t *testing.T) {
	for name, end := range map[string]func(*governed, *rfb.Conn){
		"viewer leaves":  func(_ *governed, viewer *rfb.Conn) { _ = viewer.Close() },
		"access is lost": func(g *governed, _ *rfb.Conn) { g.set(func(a *authority) { a.err = gateway.ErrDenied }); g.Review() },
		"kicked": func(g *governed, _ *rfb.Conn) {
			g.End(func(gateway.SessionInfo) bool { return true }, gateway.Ending{Kick: true})
		},
	} {
		t.Run(name, func(t *testing.T) {
			g := newGoverned(t, auth.Grant{}, gateway.Front{})
			viewer := g.view(t)
			send(t, viewer, key(true, 'a'), pointer(5, 7, 8))
			g.sees(t, pointer(5, 7, 8))
			end(g, viewer)
			g.sees(t, key(false, 'a'))
			g.sees(t, pointer(0, 7, 8))
		})
	}
}

// Nobody gets more than at first, and what was given back is no more than that.
func TestReviewNeverWidens(t *testing.T) {
	few := auth.Viewing | auth.ClipboardOut | auth.Pointer
	g := newGoverned(t, auth.Grant{Rights: few, Limits: auth.Limits{KeyRate: 5}}, gateway.Front{})
	viewer := g.view(t)
	g.set(func(a *authority) { a.grant = auth.Grant{Rights: auth.EveryRight} })
	g.Review()
	eventually(t, "it was asked", func() bool { return g.questions() == 2 })
	g.rights(auth.Viewing | auth.ClipboardOut)
	g.Review()
	eventually(t, "it is narrowed", func() bool { l := g.List(); return len(l) == 1 && l[0].Rights == auth.Viewing|auth.ClipboardOut })
	g.rights(auth.AllRights)
	g.Review()
	eventually(t, "it has what it had", func() bool { l := g.List(); return len(l) == 1 && l[0].Rights == few && l[0].Limits.KeyRate == 5 })
	send(t, viewer, key(true, 'a'), mark(1))
	g.sees(t, mark(1))
	if seen := g.input(); len(seen) != 0 {
		t.Errorf("the display saw % x", seen)
	}
}

// A review that begins between the answer and the session's first moment does
// not miss it.
func TestReviewSeesWhoIsComingIn(t *testing.T) {
	g := newGoverned(t, auth.Grant{}, gateway.Front{})
	asked, goOn := make(chan struct{}), make(chan struct{})
	var once sync.Once
	authorize := g.Authorize
	g.Authorize = func(ctx context.Context, req auth.Request) (auth.Grant, error) {
		grant, err := authorize(ctx, req)
		once.Do(func() { close(asked); <-goOn })
		return grant, err
	}
	refused := make(chan error, 1)
	c := g.dial(t)
	go func() {
		_, err := viewOver(c)
		refused <- err
	}()
	within(t, asked, "the question")
	g.set(func(a *authority) { a.err = gateway.ErrDenied })
	g.Review()
	close(goOn)
	if err := <-refused; told(err) != "Authentication failed" && told(err) != "Your access to this display was withdrawn." {
		t.Errorf("let in by an answer of yesterday: %v", err)
	}
}

func TestReviewsAreBundled(t *testing.T) {
	g := newGoverned(t, auth.Grant{}, gateway.Front{})
	g.view(t)
	asked, goOn := make(chan struct{}, 10), make(chan struct{})
	g.set(func(*authority) {})
	authorize := g.authorize
	g.Authorize = func(ctx context.Context, req auth.Request) (auth.Grant, error) {
		asked <- struct{}{}
		<-goOn
		return authorize(ctx, req)
	}
	g.Review()
	<-asked
	for range 100 {
		g.Review()
	}
	close(goOn)
	<-asked
	eventually(t, "both have ended", func() bool { return strings.Count(g.log.String(), "sessions reviewed") == 2 })
	if len(asked) != 0 {
		t.Errorf("%d more questions", len(asked))
	}
}

// Many sessions end at once, whatever the trigger, and those that have nothing
// to do with it go on.
func TestTwoHundredEnd(t *testing.T) {
	for _, test := range []struct {
		name    string
		trigger func(g *governed, withdrawn *atomic.Bool)
	}{
		{"policy", func(g *governed, withdrawn *atomic.Bool) { withdrawn.Store(true); g.Review() }},
		{"ticket", func(g *governed, withdrawn *atomic.Bool) { withdrawn.Store(true); g.Review() }},
		{"end", func(g *governed, _ *atomic.Bool) {
			g.End(func(s gateway.SessionInfo) bool { return s.Target == "theirs" }, gateway.Ending{Kick: true})
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			var withdrawn atomic.Bool
			no := func(context.Context) error {
				if withdrawn.Load() {
					return gateway.ErrDenied
				}
				return nil
			}
			g := newGoverned(t, auth.Grant{}, gateway.Front{})
			g.Authorize = func(ctx context.Context, req auth.Request) (auth.Grant, error) {
				if err := no(ctx); err != nil && test.name == "policy" && req.Target == "theirs" {
					return auth.Grant{}, err
				}
				return auth.Grant{Identity: req.Identities[0], Target: req.Target, Rights: auth.Control}, nil
			}
			front := gateway.Front{Security: offer(rfb.None{}), Find: func(ctx context.Context, _ string) (*gateway.Target, error) { return g.Resolve(ctx, "display") }}
			rest := g.crowd(t, front, "other", 20)
			front.Valid = no
			theirs := g.crowd(t, front, "theirs", 200)
			start := time.Now()
			test.trigger(g, &withdrawn)
			times := endings(start, theirs)
			t.Logf("%d sessions ended: half after %s, all after %s", len(times), times[len(times)/2].Round(time.Millisecond), times[len(times)-1].Round(time.Millisecond))
			if times[len(times)-1] >= patience {
				t.Error("some never ended")
			}
			for i, c := range rest {
				send(t, c, mark(uint8(i+1)))
				g.sees(t, mark(uint8(i+1)))
			}
		})
	}
}

// crowd lets n viewers in to target.
func (g *governed) crowd(t *testing.T, front gateway.Front, target string, n int) (viewers []net.Conn) {
	t.Helper()
	front.Target = target
	for range n {
		ours, theirs := layertest.TCP(t)
		go func() { _ = g.ServeConn(context.Background(), theirs, front) }()
		viewer, err := viewOver(ours)
		if err != nil {
			t.Fatal(err)
		}
		viewers = append(viewers, viewer)
	}
	return viewers
}

// endings are how long after start each viewer saw its end, sorted.
func endings(start time.Time, viewers []net.Conn) []time.Duration {
	var ended sync.WaitGroup
	times := make([]time.Duration, len(viewers))
	for i, c := range viewers {
		ended.Go(func() {
			_ = c.SetDeadline(start.Add(patience))
			_, _ = io.Copy(io.Discard, c)
			times[i] = time.Since(start)
		})
	}
	ended.Wait()
	slices.Sort(times)
	return times
}

// Sessions come and go while reviews run.
func TestReviewsBesideComingAndGoing(t *testing.T) {
	g := newGoverned(t, auth.Grant{}, gateway.Front{})
	stop := make(chan struct{})
	var reviewing sync.WaitGroup
	reviewing.Go(func() {
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			default:
			}
			g.rights(auth.AllRights &^ (auth.Keyboard * auth.Rights(i%2)))
			g.Review()
			time.Sleep(time.Duration(rand.IntN(2000)) * time.Microsecond)
		}
	})
	var coming sync.WaitGroup
	for range 8 {
		coming.Go(func() {
			for range 8 {
				c, err := net.Dial("tcp", g.addr)
				if err != nil {
					t.Error(err)
					return
				}
				_ = c.SetDeadline(time.Now().Add(patience))
				if viewer, err := viewOver(c); err != nil {
					t.Error(err)
				} else {
					_, _ = viewer.Write(slices.Concat(key(true, 'a'), pointer(1, 2, 3), mark(1)))
				}
				_ = c.Close()
			}
		})
	}
	coming.Wait()
	close(stop)
	reviewing.Wait()
	eventually(t, "all have left", func() bool { return g.Sessions() == 0 })
}
