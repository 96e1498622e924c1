package rfbtest

import (
	"bufio"
	"bytes"
	"context"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/rogpeppe/go-internal/txtar"

	"vncgate/rfb"
)

// A Transcript is what was said over one connection, as one of its ends heard
// and said it. On disk it is a txtar archive with the files
//
//	session  the pieces: "V 5246…" said by the viewer, "D 5246…" by the
//	         display, "= tls" where TLS began; inside it is plain text again
//	result   what our side made of it
//
// and a comment that names the programs.
type Transcript struct {
	About  string
	Result string

	mu     sync.Mutex
	pieces []piece
}

// A piece is something that one end said, or a mark.
type piece struct {
	by   By
	data []byte
	mark string
}

// By is an end of a transcript's connection.
type By byte

// The two ends.
const (
	ByViewer  By = 'V'
	ByDisplay By = 'D'
)

func (b By) other() By { return ByViewer + ByDisplay - b }

// LoadTranscript reads a transcript from a file.
func LoadTranscript(path string) (*Transcript, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	tr, err := ParseTranscript(b)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return tr, nil
}

// ParseTranscript reads a transcript from its form on disk.
func ParseTranscript(b []byte) (*Transcript, error) {
	archive := txtar.Parse(b)
	tr := &Transcript{About: string(archive.Comment)}
	for _, f := range archive.Files {
		switch f.Name {
		case "result":
			tr.Result = string(f.Data)
		case "session":
			if err := tr.parse(f.Data); err != nil {
				return nil, err
			}
		default:
			return nil, fmt.Errorf("rfbtest: transcript: unknown file %q", f.Name)
		}
	}
	return tr, nil
}

func (tr *Transcript) parse(session []byte) error {
	lines := bufio.NewScanner(bytes.NewReader(session))
	for lines.Scan() {
		line, _, _ := strings.Cut(lines.Text(), "  ") // what follows is for people
		kind, rest, _ := strings.Cut(line, " ")
		switch kind {
		case "V", "D":
			data, err := hex.DecodeString(rest)
			if err != nil {
				return fmt.Errorf("rfbtest: transcript: %w", err)
			}
			tr.say(By(kind[0]), data)
		case "=":
			tr.pieces = append(tr.pieces, piece{mark: rest})
		default:
			return fmt.Errorf("rfbtest: transcript: line %q", line)
		}
	}
	return lines.Err()
}

// lineLen is how many bytes a line of a session has.
const lineLen = 32

// Format returns the transcript's form on disk.
func (tr *Transcript) Format() []byte {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	var session bytes.Buffer
	for _, p := range tr.pieces {
		if p.mark != "" {
			fmt.Fprintf(&session, "= %s\n", p.mark)
		}
		for data := p.data; len(data) > 0; {
			n := min(lineLen, len(data))
			fmt.Fprintf(&session, "%c %x  |%s|\n", p.by, data[:n], printable(data[:n]))
			data = data[n:]
		}
	}
	return txtar.Format(&txtar.Archive{Comment: []byte(tr.About), Files: []txtar.File{
		{Name: "session", Data: session.Bytes()}, {Name: "result", Data: []byte(tr.Result)},
	}})
}

func printable(b []byte) string {
	text := make([]byte, len(b))
	for i, c := range b {
		text[i] = '.'
		if c >= ' ' && c <= '~' {
			text[i] = c
		}
	}
	return string(text)
}

// say adds to the piece that is under way, or begins one.
func (tr *Transcript) say(by By, data []byte) {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	if len(data) == 0 {
		return
	}
	if n := len(tr.pieces); n > 0 && tr.pieces[n-1].by == by {
		tr.pieces[n-1].data = append(tr.pieces[n-1].data, data...)
		return
	}
	tr.pieces = append(tr.pieces, piece{by: by, data: bytes.Clone(data)})
}

// Said returns all that one end said.
func (tr *Transcript) Said(by By) []byte {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	var all []byte
	for _, p := range tr.pieces {
		if p.by == by {
			all = append(all, p.data...)
		}
	}
	return all
}

// A Tape runs a connection by a transcript: it records what is said, or stands
// for the other end of a recorded one. It is for one goroutine.
type Tape interface {
	net.Conn
	// TLS returns the Upgrade to use where TLS is wanted: the one it is
	// given, or none where it is only replayed.
	TLS(rfb.Upgrade) rfb.Upgrade
}

// Record returns a Tape over c, the connection of the end us, that adds to tr.
func (tr *Transcript) Record(c net.Conn, us By) Tape {
	return &recorder{Conn: c, tr: tr, us: us}
}

type recorder struct {
	net.Conn
	tr *Transcript
	us By
}

func (r *recorder) Read(b []byte) (int, error) {
	n, err := r.Conn.Read(b)
	r.tr.say(r.us.other(), b[:n])
	return n, err
}

func (r *recorder) Write(b []byte) (int, error) {
	n, err := r.Conn.Write(b)
	r.tr.say(r.us, b[:n])
	return n, err
}

// TLS records what is said inside TLS, not its records.
func (r *recorder) TLS(tls rfb.Upgrade) rfb.Upgrade {
	return func(ctx context.Context, _ net.Conn) (net.Conn, error) {
		r.tr.mu.Lock()
		r.tr.pieces = append(r.tr.pieces, piece{mark: "tls"})
		r.tr.mu.Unlock()
		above, err := tls(ctx, r.Conn)
		if err != nil {
			return nil, err
		}
		return &recorder{Conn: above, tr: r.tr, us: r.us}, nil
	}
}

// Replay returns a Tape that says what the other end of us said, each piece
// once all that came before it has been said by us: a Write of anything else
// than was recorded is an error, and so is a Read before its time. Behind the
// last piece is io.EOF.
func (tr *Transcript) Replay(us By) Tape {
	return &replay{us: us, pieces: tr.pieces}
}

type replay struct {
	us     By
	pieces []piece // what is left; the first has been said up to at
	at     int
}

// current returns the piece whose turn it is.
func (r *replay) current() (piece, bool) {
	for len(r.pieces) > 0 {
		p := r.pieces[0]
		if p.mark != "" || r.at < len(p.data) {
			return p, true
		}
		r.pieces, r.at = r.pieces[1:], 0
	}
	return piece{}, false
}

func (r *replay) Read(b []byte) (int, error) {
	p, ok := r.current()
	switch {
	case !ok:
		return 0, io.EOF
	case p.mark != "":
		return 0, fmt.Errorf("rfbtest: replay: read where %s was to begin", p.mark)
	case p.by == r.us:
		return 0, fmt.Errorf("rfbtest: replay: read, but %x was to be written", p.data[r.at:])
	}
	n := copy(b, p.data[r.at:])
	r.at += n
	return n, nil
}

func (r *replay) Write(b []byte) (int, error) {
	for n := 0; n < len(b); {
		p, ok := r.current()
		switch {
		case !ok:
			return n, fmt.Errorf("rfbtest: replay: wrote %x behind the end", b[n:])
		case p.mark != "":
			return n, fmt.Errorf("rfbtest: replay: wrote %x where %s was to begin", b[n:], p.mark)
		case p.by != r.us:
			return n, fmt.Errorf("rfbtest: replay: wrote %x, but %x was to be read", b[n:], p.data[r.at:])
		}
		want := p.data[r.at:]
		k := min(len(want), len(b)-n)
		if !bytes.Equal(b[n:n+k], want[:k]) {
			return n, fmt.Errorf("rfbtest: replay: wrote %x, want %x", b[n:n+k], want[:k])
		}
		n, r.at = n+k, r.at+k
	}
	return len(b), nil
}

// TLS passes the mark and leaves the connection as it is.
func (r *replay) TLS(rfb.Upgrade) rfb.Upgrade {
	return func(context.Context, net.Conn) (net.Conn, error) {
		if p, ok := r.current(); !ok || p.mark != "tls" {
			return nil, fmt.Errorf("rfbtest: replay: TLS, but %x was to come", p.data)
		}
		r.pieces = r.pieces[1:]
		return r, nil
	}
}

func (r *replay) Close() error                     { return nil }
func (r *replay) LocalAddr() net.Addr              { return scriptAddr{} }
func (r *replay) RemoteAddr() net.Addr             { return scriptAddr{} }
func (r *replay) SetDeadline(time.Time) error      { return nil }
func (r *replay) SetReadDeadline(time.Time) error  { return nil }
func (r *replay) SetWriteDeadline(time.Time) error { return nil }
