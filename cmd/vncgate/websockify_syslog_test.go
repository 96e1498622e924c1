package main

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// receive reads one datagram.
func receive(t *testing.T, c net.PacketConn) string {
	t.Helper()
	_ = c.SetReadDeadline(time.Now().Add(patience))
	b := make([]byte, 1<<16)
	n, _, err := c.ReadFrom(b)
	if err != nil {
		t.Fatal(err)
	}
	return string(b[:n])
}

func TestSyslogLines(t *testing.T) {
	server, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = server.Close() }()
	for _, tt := range []struct {
		daemon, legacy bool
		level          slog.Level
		want           string
	}{
		{false, false, slog.LevelInfo, `^<14>1 \d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ \S+ websockify \d+ - - msg="two words" session=1 g\.k=v$`},
		{true, false, slog.LevelError, `^<27>1 .* websockify `},
		{true, true, slog.LevelWarn, `^<28>websockify\[\d+\]: msg="two words"`},
		{false, true, slog.LevelDebug, `^<15>websockify\[\d+\]: `},
	} {
		w, err := dialSyslog(server.LocalAddr().String(), tt.daemon, tt.legacy)
		if err != nil {
			t.Fatal(err)
		}
		log := slog.New(newSyslogHandler(w, slog.LevelDebug)).With("session", 1).WithGroup("g")
		log.Log(context.Background(), tt.level, "two words", "k", "v")
		if got := receive(t, server); !regexp.MustCompile(tt.want).MatchString(got) {
			t.Errorf("%q does not match %s", got, tt.want)
		}
		if err := w.Close(); err != nil {
			t.Error(err)
		}
	}
}

func TestSyslogLeavesOutAndCuts(t *testing.T) {
	server, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = server.Close() }()
	w, err := dialSyslog(server.LocalAddr().String(), false, false)
	if err != nil {
		t.Fatal(err)
	}
	log := slog.New(newSyslogHandler(w, slog.LevelInfo))
	log.Debug("not this")
	log.Info("a\nb" + strings.Repeat("x", 1<<13))
	got := receive(t, server)
	if len(got) != maxSyslogLine || strings.Contains(got, "\n") || strings.Contains(got, "not this") {
		t.Errorf("%d bytes: %.80q", len(got), got)
	}
}

// TestSyslogLocal has a server on a local socket be restarted.
func TestSyslogLocal(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	server, err := net.ListenPacket("unixgram", path)
	if err != nil {
		t.Fatal(err)
	}
	w, err := dialSyslog(path, true, true)
	if err != nil {
		t.Fatal(err)
	}
	log := slog.New(newSyslogHandler(w, slog.LevelInfo))
	log.Info("one")
	if got := receive(t, server); !strings.HasSuffix(got, "msg=one") {
		t.Errorf("%q", got)
	}
	_ = server.Close()
	_ = os.Remove(path)
	log.Info("lost")
	if server, err = net.ListenPacket("unixgram", path); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = server.Close() }()
	log.Info("two")
	if got := receive(t, server); !strings.HasSuffix(got, "msg=two") {
		t.Errorf("%q", got)
	}
}

func TestSyslogLocalStream(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	ln, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = ln.Close() }()
	w, err := dialSyslog(path, false, true)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(w.send(severityInfo, time.Now(), []byte("one")), w.send(severityInfo, time.Now(), []byte("two")), w.Close()); err != nil {
		t.Fatal(err)
	}
	c, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(c)
	if err != nil || strings.Count(string(b), "\x00") != 2 {
		t.Errorf("%q, %v", b, err)
	}
}

// A server that reads nothing costs lines, and never holds the bridge up.
func TestSyslogBlocked(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	ln, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = ln.Close() }()
	w, err := dialSyslog(path, false, true)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = w.Close() }()
	text := []byte(strings.Repeat("x", maxSyslogLine))
	for range 10000 {
		if err = w.send(severityInfo, time.Now(), text); err != nil {
			break
		}
	}
	if !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("the server has room for everything: %v", err)
	}
}

func TestBridgeSyslog(t *testing.T) {
	server, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = server.Close() }()
	b := runOnLine(t, "--legacy-syslog", "--syslog", server.LocalAddr().String(), "127.0.0.1:0", "localhost:1")
	if got := receive(t, server); !strings.HasPrefix(got, "<14>websockify[") || !strings.Contains(got, "msg=listening") {
		t.Errorf("%q", got)
	}
	b.cancel()
	b.end(t)
}
