package tunnel

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"
	"time"
)

func TestMessage(t *testing.T) {
	var wire bytes.Buffer
	sent := message{Hello: &hello{Protocol: 1, Oldest: 1, Agent: "lab", Instance: "x", Services: []service{{"desk"}}}}
	if err := writeMessage(&wire, sent, maxControl); err != nil {
		t.Fatal(err)
	}
	const want = `{"hello":{"protocol":1,"oldest":1,"agent":"lab","instance":"x","index":0,"services":[{"name":"desk"}]}}`
	if got := wire.String(); got != "\x00\x00\x00\x67"+want {
		t.Errorf("on the wire: %q", got)
	}
	wire.WriteString("beyond")
	for _, reader := range []func(io.Reader) io.Reader{iotest.OneByteReader, iotest.HalfReader, iotest.DataErrReader} {
		var got message
		if err := readMessage(reader(bytes.NewReader(wire.Bytes())), maxControl, &got); err != nil || got.Hello == nil || got.Hello.Agent != "lab" {
			t.Errorf("%+v, %v", got, err)
		}
	}
	var got message
	if err := readMessage(&wire, maxControl, &got); err != nil || wire.String() != "beyond" {
		t.Errorf("left: %q, %v", wire.String(), err)
	}
	if err := writeMessage(&wire, open{strings.Repeat("x", maxOpen)}, maxOpen); err == nil {
		t.Error("a message too long was written")
	}
	for _, cut := range []string{"\x00", "\x00\x00\x00\x02", "\x00\x00\x00\x02{"} {
		if err := readMessage(strings.NewReader(cut), maxControl, &got); !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("%q: %v", cut, err)
		}
	}
	if err := readMessage(strings.NewReader(""), maxControl, &got); err != io.EOF {
		t.Errorf("at the end: %v", err)
	}
}

func TestVersion(t *testing.T) {
	for _, c := range []struct {
		newest, oldest, want int
		says                 string
	}{
		{1, 1, 1, ""}, {7, 1, 1, ""}, {7, 2, 0, "update the gateway"}, {0, 0, 0, "is this an agent"}, {1, 2, 0, "is this an agent"}, {-1, -1, 0, "is this an agent"},
	} {
		got, err := (&hello{Protocol: c.newest, Oldest: c.oldest}).version()
		if got != c.want || (err == nil) != (c.says == "") || err != nil && !strings.Contains(err.Error(), c.says) {
			t.Errorf("%d to %d: %d, %v", c.oldest, c.newest, got, err)
		}
	}
}

// Whatever comes, what is read stays in bounds, and what was taken can be said
// again and means the same.
func FuzzMessage(f *testing.F) {
	for _, text := range []string{
		`{"hello":{"protocol":1,"oldest":1,"agent":"lab","instance":"x","services":[{"name":"desk"}]}}`,
		`{"welcome":{"protocol":1,"agent":"lab","tunnels":4}}`, `{"refused":{"reason":"no","never":true,"seconds":-5}}`,
		`{"bye":{"reason":"\u0000\u001b","seconds":99999999999}}`, `{"ping":1}`, `{"pong":18446744073709551615}`, `{"drain":{}}`,
		`{"renew":{"csr":"AAAA"}}`, `{"renewed":{"chain":"AAAA"}}`, `{"unknown":[[[]]]}`, `[]`, `null`, ``, `{"hello":null}`, "{",
	} {
		f.Add(binary.BigEndian.AppendUint32(nil, uint32(len(text))), []byte(text))
	}
	f.Add([]byte{0xff, 0xff, 0xff, 0xff}, []byte("{}"))
	f.Fuzz(func(t *testing.T, head, body []byte) {
		r := bytes.NewReader(append(append([]byte{}, head...), body...))
		all := r.Len()
		var m message
		if readMessage(r, maxControl, &m) != nil {
			return
		}
		if n := all - r.Len(); n > 4+maxControl {
			t.Fatalf("%d bytes were read", n)
		}
		if m.Hello != nil && m.Hello.check() == nil {
			if names := m.Hello.names(); len(names) == 0 || len(names) > maxServices {
				t.Fatalf("%d services", len(names))
			}
		}
		if m.Bye != nil {
			if refusal, ok := errors.AsType[*Refusal](m.Bye.err()); ok && (refusal.After < 0 || refusal.After > maxAfter) {
				t.Fatalf("to wait: %v", refusal.After)
			}
		}
		var wire bytes.Buffer
		if writeMessage(&wire, m, 8*maxControl) != nil {
			t.Fatal("it cannot be said again")
		}
		var again message
		if err := readMessage(&wire, 8*maxControl, &again); err != nil {
			t.Fatal(err)
		}
		one, _ := json.Marshal(m)
		two, _ := json.Marshal(again)
		if !bytes.Equal(one, two) {
			t.Fatalf("%s became %s", one, two)
		}
	})
}

// Both sides of an open read what the other may send.
func FuzzOpen(f *testing.F) {
	for _, text := range []string{`{"service":"desk"}`, `{"code":"unreachable","reason":"connection refused"}`, `{}`, `{"service":7}`} {
		f.Add(append(binary.BigEndian.AppendUint32(nil, uint32(len(text))), text...))
	}
	f.Fuzz(func(t *testing.T, wire []byte) {
		var asked open
		if readMessage(bytes.NewReader(wire), maxOpen, &asked) == nil {
			a := &Agent{Services: []Service{{Name: "desk"}}}
			if asked.Service != "desk" {
				if _, err := a.dialService(context.Background(), asked.Service); !errors.Is(err, errNotOurs) {
					t.Fatalf("%q: %v", asked.Service, err)
				}
			}
		}
		var answer opened
		if readMessage(bytes.NewReader(wire), maxOpen, &answer) == nil {
			if said := wordsOr(answer.Reason, "-"); len([]rune(said)) > maxWords || strings.ContainsAny(said, "\n\x1b\x00") {
				t.Fatalf("%q", said)
			}
		}
	})
}

func TestWords(t *testing.T) {
	for said, want := range map[string]string{
		"": "", " a\nb\t": "a b", "\x1b[31mred": "[31mred", "ä\xff€": "ä€", "\u202eevil": "evil",
		strings.Repeat("ü", 1000): strings.Repeat("ü", maxWords),
	} {
		if got := words(said); got != want {
			t.Errorf("%.20q: %.40q", said, got)
		}
	}
}

func TestBackoff(t *testing.T) {
	b := Backoff{}.orDefault()
	want := []time.Duration{1, 2, 4, 8, 16, 32, 60, 60}
	for n, bound := range want {
		if got := b.bound(n); got != bound*time.Second {
			t.Errorf("try %d: %v", n, got)
		}
	}
	low, high := time.Hour, time.Duration(0)
	for range 2000 {
		wait := b.wait(3)
		low, high = min(low, wait), max(high, wait)
	}
	if low < 800*time.Millisecond || high > 8*time.Second || high-low < 5*time.Second {
		t.Errorf("waits from %v to %v", low, high)
	}
	if b.bound(1<<30) != time.Minute || (Backoff{First: time.Hour}).orDefault().bound(0) != time.Minute {
		t.Error("the bound has none")
	}
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	if pause(ended, time.Hour) || !pause(context.Background(), 0) {
		t.Error("a pause")
	}
}

func TestBudget(t *testing.T) {
	var b budget
	now := time.Unix(1000, 0)
	n := 0
	for b.spend(now) {
		n++
	}
	if n != budgetBurst {
		t.Errorf("%d at once", n)
	}
	if now = now.Add(time.Second); !b.spend(now) {
		t.Error("nothing comes back")
	}
	for range 10000 {
		now = now.Add(time.Second / budgetRate)
		if !b.spend(now) {
			t.Fatal("what is allowed in the long run is not")
		}
	}
}

func TestControlFull(t *testing.T) {
	c := newControl(nil)
	for i := range controlQueue {
		if !c.tell(message{}) {
			t.Fatalf("full after %d", i)
		}
	}
	if c.tell(message{}) {
		t.Error("there is always room")
	}
}

type brokenWriter struct{}

func (brokenWriter) Write([]byte) (int, error) { return 0, errors.New("broken") }

func TestMove(t *testing.T) {
	text := strings.Repeat("0123456789", 20000)
	for name, reader := range map[string]io.Reader{
		"all":      strings.NewReader(text),
		"one byte": iotest.OneByteReader(strings.NewReader(text)),
		"last":     iotest.DataErrReader(strings.NewReader(text)),
	} {
		var got bytes.Buffer
		if err := move(&got, reader); err != nil || got.String() != text {
			t.Errorf("%s: %d bytes, %v", name, got.Len(), err)
		}
	}
	if err := move(io.Discard, iotest.ErrReader(io.ErrNoProgress)); err != io.ErrNoProgress {
		t.Errorf("read: %v", err)
	}
	if err := move(brokenWriter{}, strings.NewReader(text)); fmt.Sprint(err) != "broken" {
		t.Errorf("write: %v", err)
	}
}
