package rfb_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"vncgate/rfb"
)

// padded is a request as it comes: NUL-padded, or with leftovers behind the NUL.
func padded(text string) []byte {
	b := make([]byte, rfb.RepeaterLen)
	copy(b, text)
	return b
}

func TestParseRepeater(t *testing.T) {
	tests := []struct {
		in   string
		want rfb.RepeaterRequest
	}{
		{"ID:1234", rfb.RepeaterRequest{ID: "1234"}},
		{"ID:1234\x00leftovers\xff", rfb.RepeaterRequest{ID: "1234"}},
		{"ID:lab-7", rfb.RepeaterRequest{ID: "lab-7"}},
		{"ID:" + strings.Repeat("9", rfb.MaxRepeaterID), rfb.RepeaterRequest{ID: strings.Repeat("9", rfb.MaxRepeaterID)}},
		{"host", rfb.RepeaterRequest{Host: "host", Port: 5900}},
		{"host:0", rfb.RepeaterRequest{Host: "host", Port: 5900}},
		{"host:1", rfb.RepeaterRequest{Host: "host", Port: 5901}},
		{"host:99", rfb.RepeaterRequest{Host: "host", Port: 5999}},
		{"host:100", rfb.RepeaterRequest{Host: "host", Port: 100}},
		{"host:5900", rfb.RepeaterRequest{Host: "host", Port: 5900}},
		{"host::22", rfb.RepeaterRequest{Host: "host", Port: 22}},
		{"10.0.0.7:65535", rfb.RepeaterRequest{Host: "10.0.0.7", Port: 65535}},
		{"[fe80::1]", rfb.RepeaterRequest{Host: "fe80::1", Port: 5900}},
		{"[fe80::1]:2", rfb.RepeaterRequest{Host: "fe80::1", Port: 5902}},
		{"[fe80::1]::80", rfb.RepeaterRequest{Host: "fe80::1", Port: 80}},
	}
	for _, test := range tests {
		for _, in := range [][]byte{[]byte(test.in), padded(test.in)} {
			got, err := rfb.ParseRepeater(in)
			if err != nil || got != test.want {
				t.Errorf("%q = %+v, %v, want %+v", test.in, got, err, test.want)
			}
		}
	}
}

func TestParseRepeaterRefuses(t *testing.T) {
	for _, in := range []string{
		"", "ID", "[ID]:5900", "ID:", "ID: 7", "ID:" + strings.Repeat("9", rfb.MaxRepeaterID+1), "ID:\xc3\xa4", "ID:a\nb",
		":1", "::1", "host:", "host::", "host:x", "host:-1", "host:+1", "host:65536", "host:99999999999999999999", "host:1:2", "fe80::1::5900", "host::0",
		"[fe80::1", "[]:1", "[a]b:1", "[[a]]:1", "ho/st:1", "user@host:1", "RFB 003.008\n", strings.Repeat("h", rfb.RepeaterLen+1),
	} {
		if got, err := rfb.ParseRepeater([]byte(in)); err == nil {
			t.Errorf("%q = %+v", in, got)
		} else if in != "" && len(in) > 8 && strings.Contains(err.Error(), in) {
			t.Errorf("the error quotes what was sent: %v", err)
		}
	}
}

// FuzzParseRepeater: what is taken can be written again and means the same.
func FuzzParseRepeater(f *testing.F) {
	for _, seed := range []string{"ID:1234", "ID:1234\x00x", "host:1", "host::22", "[fe80::1]:2", "[", "]", "[]", ":", "ID:", "a:65536", "\x00"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		r, err := rfb.ParseRepeater(in)
		if err != nil {
			return
		}
		if (r.ID != "") == (r.Host != "") || (r.Host != "") != (r.Port > 0) || r.Port > 65535 {
			t.Fatalf("%q = %+v", in, r)
		}
		b, err := r.Append(nil)
		if err != nil || len(b) != rfb.RepeaterLen {
			t.Fatalf("%+v is %d bytes, %v", r, len(b), err)
		}
		if again, err := rfb.ParseRepeater(b); err != nil || again != r {
			t.Fatalf("%+v comes back as %+v, %v", r, again, err)
		}
	})
}

// The prologue is read to its last byte and no further.
func TestRepeaterServer(t *testing.T) {
	ours, theirs := net.Pipe()
	defer ours.Close()
	defer theirs.Close()
	greeting := make(chan string, 1)
	go func() {
		b := make([]byte, 12)
		_, _ = io.ReadFull(theirs, b)
		greeting <- string(b)
		_, _ = theirs.Write(append(padded("ID:42"), "RFB 003.008\n"...))
	}()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	r, err := rfb.RepeaterServer(ctx, ours)
	if err != nil || r.String() != "ID:42" || <-greeting != "RFB 000.000\n" {
		t.Fatalf("%+v, %v", r, err)
	}
	rest := make([]byte, 12)
	if _, err := io.ReadFull(ours, rest); err != nil || string(rest) != "RFB 003.008\n" {
		t.Errorf("what follows is %q, %v", rest, err)
	}
}

// A viewer that knows nothing of repeaters answers with twelve bytes and waits:
// the limit is ctx's.
func TestRepeaterServerEndsWithItsContext(t *testing.T) {
	ours, theirs := net.Pipe()
	defer ours.Close()
	defer theirs.Close()
	go func() {
		_, _ = io.ReadFull(theirs, make([]byte, 12))
		_, _ = theirs.Write([]byte("RFB 003.008\n"))
	}()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
	defer cancel()
	if _, err := rfb.RepeaterServer(ctx, ours); !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
}

func TestReadRepeaterCutShort(t *testing.T) {
	ours, theirs := net.Pipe()
	defer ours.Close()
	go func() {
		_, _ = theirs.Write(padded("ID:42")[:100])
		_ = theirs.Close()
	}()
	if _, err := rfb.ReadRepeater(context.Background(), ours); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Error(err)
	}
}

func TestRepeaterRequestTooLong(t *testing.T) {
	r := rfb.RepeaterRequest{Host: strings.Repeat("h", rfb.RepeaterLen), Port: 5900}
	if b, err := r.Append(nil); err == nil {
		t.Errorf("%d bytes", len(b))
	}
	if r := (rfb.RepeaterRequest{Host: "fe80::1", Port: 22}); r.String() != "[fe80::1]::22" {
		t.Errorf("%s", r)
	}
}

// What answers instead of a display is told apart from one that is slow.
func TestGreeting(t *testing.T) {
	const soon = 30 * time.Millisecond
	tests := []struct {
		name, says string
		closes     bool
		limit      time.Duration
		want       func(error) bool
	}{
		{"silent", "", false, soon, func(err error) bool { return errors.Is(err, rfb.ErrNoGreeting) }},
		{"half a version", "RFB 003", false, soon, func(err error) bool { return errors.Is(err, rfb.ErrNoGreeting) }},
		{"half a version, closed", "RFB 003", true, time.Minute, func(err error) bool { return errors.Is(err, io.ErrUnexpectedEOF) }},
		{"closed", "", true, time.Minute, func(err error) bool { return errors.Is(err, io.EOF) }},
		{"ssh", "SSH-2.0-OpenSSH_10\r\n", false, time.Minute, isNotRFB("SSH-2.0-Open")},
		{"http", "HTTP/1.1 400 Bad Request\r\n", true, time.Minute, isNotRFB("HTTP/1.1 400")},
		{"short banner", "220 x\r\n", false, time.Second, isNotRFB("220 x\r\n")},
		{"short banner, closed", "+OK\r\n", true, time.Minute, isNotRFB("+OK\r\n")},
		{"short banner without a limit, closed", "+OK\r\n", true, 0, isNotRFB("+OK\r\n")},
		{"almost", "RFC 003.008\n", false, time.Minute, isNotRFB("RFC 003.008\n")},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			ours, theirs := net.Pipe()
			defer ours.Close()
			go func() {
				_, _ = theirs.Write([]byte(test.says))
				if test.closes {
					_ = theirs.Close()
				}
			}()
			ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
			defer cancel()
			_, err := rfb.Client(ctx, ours, &rfb.ClientConfig{Security: []rfb.Security{rfb.None{}}, GreetTimeout: test.limit})
			if err == nil || !test.want(err) {
				t.Error(err)
			}
			_ = theirs.Close()
		})
	}
}

func isNotRFB(greeting string) func(error) bool {
	return func(err error) bool {
		var other *rfb.NotRFBError
		return errors.As(err, &other) && string(other.Greeting) == greeting && !bytes.ContainsAny([]byte(err.Error()), "\r\n")
	}
}

// The limit on the greeting is no limit on what follows it.
func TestGreetingInTime(t *testing.T) {
	t.Parallel()
	ours, theirs := net.Pipe()
	defer ours.Close()
	defer theirs.Close()
	const limit = 2 * time.Second
	go func() {
		_, _ = theirs.Write([]byte("RFB 003.008\n"))
		_, _ = io.ReadFull(theirs, make([]byte, 12))
		time.Sleep(limit + 50*time.Millisecond)
		_, _ = theirs.Write([]byte{1, 1})
		_, _ = io.ReadFull(theirs, make([]byte, 1))
		_, _ = theirs.Write([]byte{0, 0, 0, 0})
	}()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if _, err := rfb.Client(ctx, ours, &rfb.ClientConfig{Security: []rfb.Security{rfb.None{}}, GreetTimeout: limit}); err != nil {
		t.Error(err)
	}
}
