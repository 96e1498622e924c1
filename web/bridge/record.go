package bridge

import (
	"bufio"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strconv"
	"sync"
	"time"
)

// File format: a JavaScript array of strings, one for each WebSocket message,
// as noVNC's player loads it:
//
//	var VNC_frame_data = [
//	'{12{RFB 003.008\n',      to the client, 12 ms after the start
//	'}15}RFB 003.008\n',      from the client
//	'EOF'];
//
// A byte is the character of its value: as it is if printable ASCII, else \t,
// \n, \r or \xNN; the backslash and the single quote have a backslash in front.
const (
	recordHead = "var VNC_frame_data = [\n"
	recordTail = "'EOF'];\n"

	toClient   = '{'
	fromClient = '}'
)

const (
	recordBuffer = 64 << 10
	// maxRecorded bounds what is kept of a client's message until its end has
	// come; a longer one is recorded as several.
	maxRecorded = 1 << 20
)

// A recording writes down what is said in one session. It is written inline: a
// slow disk slows the session down. An error ends the recording, not the
// session.
type recording struct {
	log   *slog.Logger
	start time.Time

	mu   sync.Mutex
	file io.WriteCloser
	w    *bufio.Writer
	line []byte
	open []byte // the client's message that has not ended yet
	err  error  // how the recording ended before its time
}

// record begins the file path; a file of an earlier run is replaced. Others may
// not read it: it tells what was typed.
func record(path string, log *slog.Logger) (*recording, error) {
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return nil, fmt.Errorf("bridge: recording: %w", err)
	}
	return newRecording(file, log), nil
}

func newRecording(file io.WriteCloser, log *slog.Logger) *recording {
	r := &recording{log: log, start: time.Now(), file: file, w: bufio.NewWriterSize(file, recordBuffer)}
	_, _ = r.w.WriteString(recordHead) // into the buffer
	return r
}

// sent records a message to the client.
func (r *recording) sent(message []byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.write(toClient, message)
}

// received records a piece of a message from the client; last ends it.
func (r *recording) received(piece []byte, last bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for len(r.open)+len(piece) > maxRecorded {
		room := maxRecorded - len(r.open)
		r.open = append(r.open, piece[:room]...)
		r.flushOpen()
		piece = piece[room:]
	}
	r.open = append(r.open, piece...)
	if last {
		r.flushOpen()
	}
}

func (r *recording) flushOpen() {
	r.write(fromClient, r.open)
	r.open = r.open[:0]
}

func (r *recording) write(mark byte, message []byte) {
	if r.err != nil {
		return
	}
	r.line = append(r.line[:0], '\'', mark)
	r.line = strconv.AppendInt(r.line, time.Since(r.start).Milliseconds(), 10)
	r.line = append(r.line, mark)
	r.line = appendEscaped(r.line, message)
	r.line = append(r.line, '\'', ',', '\n')
	if _, err := r.w.Write(r.line); err != nil {
		r.fail(err)
	}
}

func (r *recording) fail(err error) {
	r.err = err
	r.log.Warn("recording ended", "error", err)
}

// close ends the file so that a player takes it.
func (r *recording) close() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.open) > 0 {
		r.flushOpen()
	}
	if r.err == nil {
		_, _ = r.w.WriteString(recordTail) // an error shows in Flush
		if err := r.w.Flush(); err != nil {
			r.fail(err)
		}
	}
	if err := r.file.Close(); err != nil && r.err == nil {
		r.fail(err)
	}
}

// appendEscaped appends b as the inside of a string in single quotes.
func appendEscaped(dst, b []byte) []byte {
	const hex = "0123456789abcdef"
	for _, c := range b {
		switch {
		case c == '\\' || c == '\'':
			dst = append(dst, '\\', c)
		case c == '\t':
			dst = append(dst, '\\', 't')
		case c == '\n':
			dst = append(dst, '\\', 'n')
		case c == '\r':
			dst = append(dst, '\\', 'r')
		case c < ' ' || c > '~':
			dst = append(dst, '\\', 'x', hex[c>>4], hex[c&0xF])
		default:
			dst = append(dst, c)
		}
	}
	return dst
}
