package tunnel

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"vncgate/certs"
)

// serve enrols whoever speaks to the connection that is returned.
func serve(t testing.TB, cfg EnrolConfig) (agent net.Conn, result func() error) {
	t.Helper()
	agent, gateway := net.Pipe()
	done := make(chan error, 1)
	var served sync.WaitGroup
	served.Go(func() {
		defer gateway.Close()
		done <- ServeEnrol(context.Background(), gateway, cfg)
	})
	t.Cleanup(func() { agent.Close(); served.Wait() })
	return agent, func() error { return <-done }
}

func (o *office) text(secret string) string {
	return FormatToken(certs.KeyFingerprint(o.CA.Certificate()), secret)
}

func TestEnrol(t *testing.T) {
	o := newOffice(t)
	secret, _ := o.token(t, time.Hour)
	key := newKey(t)
	c, result := serve(t, EnrolConfig{Enroller: o, Pause: -1})
	got, err := Enrol(t.Context(), c, o.text(secret), key)
	must(t, err)
	must(t, result())
	if got.Name != "lab" || len(got.Chain) == 0 || len(got.CA) == 0 {
		t.Errorf("%+v", got)
	}
	c, result = serve(t, EnrolConfig{Enroller: o, Pause: -1})
	if _, err := Enrol(t.Context(), c, o.text(secret), newKey(t)); !errors.Is(err, ErrTokenUsed) {
		t.Errorf("another key: %v", err)
	}
	if err := result(); !errors.Is(err, ErrTokenUsed) {
		t.Errorf("the gateway's end: %v", err)
	}
}

// failing is an Enroller that fails.
type failing struct{ err error }

func (f failing) Enrol(context.Context, string, []byte) ([]byte, error) { return nil, f.err }
func (f failing) Renew(context.Context, Peer, []byte) ([]byte, error)   { return nil, f.err }

// The agent is told what it can act upon, and nothing else.
func TestWhatAnAgentIsTold(t *testing.T) {
	o := newOffice(t)
	secret, _ := o.token(t, time.Hour)
	key := newKey(t)
	for _, want := range []error{ErrTokenUnknown, ErrTokenExpired, ErrTokenUsed, ErrRevoked, ErrRequest, ErrLater, ErrVersion} {
		c, result := serve(t, EnrolConfig{Enroller: failing{want}, Pause: -1})
		if _, err := Enrol(t.Context(), c, o.text(secret), key); !errors.Is(err, want) {
			t.Errorf("%v became %v", want, err)
		}
		_ = result()
	}
	c, _ := serve(t, EnrolConfig{Enroller: failing{errors.New("the database at 10.0.0.7 is down")}, Pause: -1})
	if _, err := Enrol(t.Context(), c, o.text(secret), key); !errors.Is(err, ErrLater) || strings.Contains(err.Error(), "10.0.0.7") {
		t.Errorf("an inner error became %v", err)
	}
}

func TestGuardIsAsked(t *testing.T) {
	o := newOffice(t)
	secret, _ := o.token(t, time.Hour)
	var seen []error
	guard := func(from net.Addr, proof func() error) error {
		if from.String() != "192.0.2.7:1" {
			t.Errorf("the guard is told of %v", from)
		}
		err := proof()
		seen = append(seen, err)
		return err
	}
	c, result := serve(t, EnrolConfig{Enroller: o, Guard: guard, From: &net.TCPAddr{IP: net.IPv4(192, 0, 2, 7), Port: 1}, Pause: -1})
	_, err := Enrol(t.Context(), c, o.text(secret[:idLen]+strings.Repeat("A", secretLen)), newKey(t))
	if !errors.Is(err, ErrTokenUnknown) || !errors.Is(result(), ErrTokenUnknown) || len(seen) != 1 || !errors.Is(seen[0], ErrTokenUnknown) {
		t.Errorf("%v; the guard saw %v", err, seen)
	}
	closed := func(net.Addr, func() error) error { return errors.New("wait") }
	c, result = serve(t, EnrolConfig{Enroller: o, Guard: closed, Pause: -1})
	if _, err := Enrol(t.Context(), c, o.text(secret), newKey(t)); !errors.Is(err, ErrLater) {
		t.Error(err)
	}
	if err := result(); !errors.Is(err, ErrLater) {
		t.Error(err)
	}
}

// A refusal takes its time, but not longer than there is.
func TestPauseEndsWithTheContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	EnrolConfig{Pause: time.Hour}.pause(ctx)
	EnrolConfig{}.pause(ctx)
}

func TestEnrolEndsWithTheContext(t *testing.T) {
	o := newOffice(t)
	secret, _ := o.token(t, time.Hour)
	a, b := net.Pipe()
	defer b.Close()
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(10*time.Millisecond, cancel)
	if _, err := Enrol(ctx, a, o.text(secret), newKey(t)); err == nil {
		t.Error("it ended well")
	}
	a.Close()
	if err := ServeEnrol(t.Context(), b, EnrolConfig{Enroller: o}); !errors.Is(err, io.EOF) {
		t.Errorf("an agent that left: %v", err)
	}
}

// What a gateway issues that is not what was asked for is not taken.
func TestGatewayThatLies(t *testing.T) {
	o, other := newOffice(t), newOffice(t)
	secret, _ := o.token(t, time.Hour)
	key := newKey(t)
	chain := func(o *office, key []byte) string {
		text, err := o.issueTo(key)
		must(t, err)
		return string(text)
	}
	for name, reply := range map[string]any{
		"nothing":             enrolReply{Version: 1},
		"another version":     enrolReply{Version: 2, Chain: chain(o, requestOf(t, key))},
		"another key's":       enrolReply{Version: 1, Chain: chain(o, requestOf(t, newKey(t)))},
		"another authority's": enrolReply{Version: 1, Chain: chain(other, requestOf(t, key))},
		"an unknown code":     enrolReply{Version: 1, Refused: "whatever"},
		"a number":            1,
		"too much":            enrolReply{Version: 1, Refused: strings.Repeat("x", 2*maxEnrol)},
	} {
		a, b := net.Pipe()
		var lied sync.WaitGroup
		lied.Go(func() {
			var request enrolRequest
			_ = readMessage(b, maxEnrol, &request)
			_ = writeMessage(b, reply, 10*maxEnrol)
			b.Close()
		})
		if got, err := Enrol(t.Context(), a, o.text(secret), key); err == nil {
			t.Errorf("%s: taken, %+v", name, got.Agent)
		}
		a.Close()
		lied.Wait()
	}
}

func (o *office) issueTo(request []byte) ([]byte, error) {
	key, err := certs.ParseKeyRequest(request)
	if err != nil {
		return nil, err
	}
	return o.issue(context.Background(), key, certs.Request{Agent: "lab", Services: []string{"*"}}, "")
}

func TestParseToken(t *testing.T) {
	fingerprint, secret := strings.Repeat("f", fingerprintLen), strings.Repeat("A", idLen+secretLen)
	good := FormatToken(fingerprint, secret)
	if f, s, err := ParseToken(" " + good + "\n"); f != fingerprint || s != secret || err != nil || TokenID(s) != "AAAAAAAA" {
		t.Errorf("%q %q %v", f, s, err)
	}
	for _, text := range []string{"", "vga1", "vga1.x", "vga2." + fingerprint + "." + secret, "eyJ." + fingerprint + "." + secret, good[:len(good)-1], good + "A", strings.ToLower(good), "vga1.." + secret} {
		if _, _, err := ParseToken(text); err == nil || len(text) > 20 && strings.Contains(err.Error(), text[15:]) {
			t.Errorf("%q: %v", text, err)
		}
	}
}

// FuzzServeEnrol: whatever an agent sends, it gets no certificate without the
// secret, and one answer that an agent can read.
func FuzzServeEnrol(f *testing.F) {
	o := newOffice(f)
	o.token(f, time.Hour)
	frame := func(v any) []byte {
		text, err := json.Marshal(v)
		must(f, err)
		return append(binary.BigEndian.AppendUint32(nil, uint32(len(text))), text...)
	}
	f.Add(frame(enrolRequest{1, "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", requestOf(f, newKey(f))}))
	f.Add(frame(enrolRequest{2, "", nil}))
	f.Add(frame(map[string]any{"version": "x"}))
	f.Add([]byte{0xFF, 0xFF, 0xFF, 0xFF, '{'})
	f.Fuzz(func(t *testing.T, sent []byte) {
		c, result := serve(t, EnrolConfig{Enroller: o, Pause: -1})
		var wrote sync.WaitGroup
		wrote.Go(func() { _, _ = c.Write(sent) })
		wrote.Go(func() {
			var reply enrolReply
			if err := readMessage(c, maxEnrol, &reply); err == nil && (reply.Chain != "" || refusalError(reply.Refused) == nil) {
				t.Errorf("answered %+v", reply)
			}
			c.Close()
		})
		if len(sent) < 4 || int64(len(sent)) < 4+int64(binary.BigEndian.Uint32(sent)) {
			c.Close() // it would wait for more
		}
		if err := result(); err == nil {
			t.Error("it ended well")
		}
		wrote.Wait()
	})
}

// FuzzEnrolReply: whatever a gateway answers, no certificate but one of the
// authority for the key is taken.
func FuzzEnrolReply(f *testing.F) {
	o := newOffice(f)
	key := newKey(f)
	chain, err := o.issueTo(requestOf(f, key))
	must(f, err)
	text, err := json.Marshal(enrolReply{Version: 1, Chain: string(chain)})
	must(f, err)
	f.Add(text)
	f.Add([]byte(`{"version":1,"refused":"used"}`))
	token := o.text(strings.Repeat("A", idLen+secretLen))
	pin := certs.KeyFingerprint(o.CA.Certificate())
	f.Fuzz(func(t *testing.T, text []byte) {
		a, b := net.Pipe()
		var said sync.WaitGroup
		said.Go(func() {
			var request enrolRequest
			_ = readMessage(b, maxEnrol, &request)
			_, _ = b.Write(append(binary.BigEndian.AppendUint32(nil, uint32(len(text))), text...))
			b.Close()
		})
		got, err := Enrol(t.Context(), a, token, key)
		a.Close()
		said.Wait()
		if err != nil {
			return
		}
		if again, err := CheckChain(append(got.Chain, got.CA...), pin, key); err != nil || again.Name != "lab" {
			t.Errorf("took %+v, %v", again.Agent, err)
		}
	})
}
