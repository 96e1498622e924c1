package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Facilities and severities (RFC 5424, 6.2.1).
const (
	facilityUser   = 1
	facilityDaemon = 3

	severityError   = 3
	severityWarning = 4
	severityInfo    = 6
	severityDebug   = 7
)

// syslogIdent is the name that lines are found by, in scripts that were
// written for websockify.
const syslogIdent = "websockify"

// maxSyslogLine is what any receiver of RFC 5424 should take (6.1).
const maxSyslogLine = 2048

// syslogWriter sends lines to a syslog server, one a datagram.
type syslogWriter struct {
	facility int
	legacy   bool
	ident    string
	max      int // of a line
	host     string
	stream   bool // of a local socket: lines then end with NUL

	mu      sync.Mutex
	conn    net.Conn
	network string
	address string
}

// dialSyslog connects to a local socket, or by UDP to host:port.
func dialSyslog(server string, daemon, legacy bool) (*syslogWriter, error) {
	w := &syslogWriter{facility: facilityUser, legacy: legacy, ident: syslogIdent, max: maxSyslogLine, network: "udp", address: server}
	if daemon {
		w.facility = facilityDaemon
	}
	if host, err := os.Hostname(); err == nil {
		w.host = host
	}
	if !strings.Contains(server, ":") || strings.HasPrefix(server, "/") {
		w.network = "unixgram"
	}
	if err := w.dial(); err != nil {
		return nil, err
	}
	return w, nil
}

func (w *syslogWriter) dial() error {
	conn, err := net.DialTimeout(w.network, w.address, syslogDialTime)
	if errors.Is(err, syscall.EPROTOTYPE) {
		w.network, w.stream = "unix", true
		conn, err = net.DialTimeout(w.network, w.address, syslogDialTime)
	}
	if err != nil {
		return fmt.Errorf("syslog: %w; --syslog takes a local socket such as /dev/log, or host:port", err)
	}
	w.conn = conn
	return nil
}

// Bounds of what a server that stands still costs whoever has something to log.
const (
	syslogPatience = 100 * time.Millisecond
	syslogDialTime = time.Second
)

// send writes one line. A server that was restarted is connected to again; one
// that is gone, or takes nothing, costs us the line and no more.
func (w *syslogWriter) send(severity int, now time.Time, text []byte) error {
	line := w.line(severity, now, text)
	w.mu.Lock()
	defer w.mu.Unlock()
	n, err := w.write(line)
	if err == nil || w.network == "udp" || n == 0 && errors.Is(err, os.ErrDeadlineExceeded) {
		return err
	}
	_ = w.conn.Close()
	if err := w.dial(); err != nil {
		return err
	}
	_, err = w.write(line)
	return err
}

func (w *syslogWriter) write(line []byte) (int, error) {
	_ = w.conn.SetWriteDeadline(time.Now().Add(syslogPatience))
	return w.conn.Write(line)
}

func (w *syslogWriter) line(severity int, now time.Time, text []byte) []byte {
	var b bytes.Buffer
	priority := w.facility*8 + severity
	if w.legacy {
		fmt.Fprintf(&b, "<%d>%s[%d]: ", priority, w.ident, os.Getpid())
	} else {
		host := w.host
		if host == "" {
			host = "-" // RFC 5424, NILVALUE
		}
		fmt.Fprintf(&b, "<%d>1 %s %s %s %d - - ", priority, now.UTC().Format(time.RFC3339), host, w.ident, os.Getpid())
	}
	b.Write(text[:min(len(text), w.max-b.Len())])
	if w.stream {
		b.WriteByte(0)
	}
	return b.Bytes()
}

// Close lets go of the server.
func (w *syslogWriter) Close() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.conn.Close()
}

// syslogHandler is a slog.Handler that sends records to a server, which writes
// time and severity itself.
type syslogHandler struct {
	out  *syslogWriter
	text slog.Handler // writes into line
	line *syslogLine
}

// syslogLine is what handlers made by With share.
type syslogLine struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *syslogLine) Write(p []byte) (int, error) { return l.b.Write(p) }

func newSyslogHandler(out *syslogWriter, level slog.Level) *syslogHandler {
	line := &syslogLine{}
	text := slog.NewTextHandler(line, &slog.HandlerOptions{Level: level, ReplaceAttr: func(groups []string, a slog.Attr) slog.Attr {
		if len(groups) == 0 && (a.Key == slog.TimeKey || a.Key == slog.LevelKey) {
			return slog.Attr{}
		}
		return a
	}})
	return &syslogHandler{out, text, line}
}

// Enabled is slog.Handler's.
func (h *syslogHandler) Enabled(ctx context.Context, l slog.Level) bool {
	return h.text.Enabled(ctx, l)
}

// Handle is slog.Handler's.
func (h *syslogHandler) Handle(ctx context.Context, r slog.Record) error {
	h.line.mu.Lock()
	defer h.line.mu.Unlock()
	h.line.b.Reset()
	if err := h.text.Handle(ctx, r); err != nil {
		return err
	}
	return h.out.send(severity(r.Level), r.Time, bytes.TrimRight(h.line.b.Bytes(), "\n"))
}

// WithAttrs is slog.Handler's.
func (h *syslogHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &syslogHandler{h.out, h.text.WithAttrs(attrs), h.line}
}

// WithGroup is slog.Handler's.
func (h *syslogHandler) WithGroup(name string) slog.Handler {
	return &syslogHandler{h.out, h.text.WithGroup(name), h.line}
}

func severity(l slog.Level) int {
	switch {
	case l >= slog.LevelError:
		return severityError
	case l >= slog.LevelWarn:
		return severityWarning
	case l >= slog.LevelInfo:
		return severityInfo
	}
	return severityDebug
}
