package layers_test

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"reflect"
	"testing"
	"time"

	"vncgate/layers"
)

// roomOf is how many bytes crypto/tls keeps to read into. It fails where there is
// no such field: then layers.Rest has to learn the new name.
func roomOf(t *testing.T, c net.Conn) (room int) {
	t.Helper()
	tlsConn := reflect.ValueOf(c.(*layers.TLSConn).Conn).Elem()
	for _, name := range []string{"rawInput", "hand"} {
		f := tlsConn.FieldByName(name)
		if !f.IsValid() || f.Type() != reflect.TypeFor[bytes.Buffer]() {
			t.Fatalf("crypto/tls has no buffer %s any more", name)
		}
		room += f.FieldByName("buf").Cap()
	}
	if f := tlsConn.FieldByName("input"); !f.IsValid() || f.Type() != reflect.TypeFor[bytes.Reader]() {
		t.Fatal("crypto/tls has no reader input any more")
	}
	return room
}

// TestRest: nothing is kept but what has come of a record, or is still to be read.
func TestRest(t *testing.T) {
	client, server, clientPipe, _ := tlsPair(t)
	if roomOf(t, server) == 0 {
		t.Fatal("the handshake has left nothing: what is this for?")
	}
	layers.Rest(server)
	if n := roomOf(t, server); n != 0 {
		t.Errorf("%d bytes are kept after the handshake", n)
	}

	big := randomBytes(40000)
	go func() { _, _ = client.Write(big) }()
	got := make([]byte, len(big))
	for n := 0; n < len(got); { // rests at every turn, mostly inside a record
		k, err := server.Read(got[n:min(n+1000, len(got))])
		if err != nil {
			t.Fatal(err)
		}
		n += k
		layers.Rest(server)
	}
	if !bytes.Equal(got, big) {
		t.Error("another stream")
	}
	if n := roomOf(t, server); n != 0 {
		t.Errorf("%d bytes are kept after a long record", n)
	}

	clientPipe.Chunk(10) // a record comes in parts, and a rest may be between any two
	go func() { _, _ = io.WriteString(client, "the last of it, and no more") }()
	end := time.Now().Add(time.Minute)
	for n := 0; n < 27 && time.Now().Before(end); {
		_ = server.SetReadDeadline(time.Now().Add(time.Millisecond))
		k, err := server.Read(got[n:27])
		if err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Fatal(err)
		}
		n += k
		layers.Rest(server)
	}
	if string(got[:27]) != "the last of it, and no more" {
		t.Errorf("%q", got[:27])
	}
}
