package main

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net"
	"sync"
	"syscall"
	"testing"
	"time"

	"vncgate/gateway/cluster"
	"vncgate/gateway/control"
)

// swallows is an address at which what comes is lost, as behind a filter: of a
// socket that takes nobody, whose queue is full.
func swallows(t *testing.T) string {
	t.Helper()
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	must(t, err)
	t.Cleanup(func() { _ = syscall.Close(fd) })
	must(t, syscall.Bind(fd, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}))
	must(t, syscall.Listen(fd, 0))
	name, err := syscall.Getsockname(fd)
	must(t, err)
	address := (&net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: name.(*syscall.SockaddrInet4).Port}).String()
	for range 16 { // until the queue is full; nobody answers those in it either
		c, err := net.DialTimeout("tcp", address, 200*time.Millisecond)
		if err != nil {
			break
		}
		t.Cleanup(func() { _ = c.Close() })
	}
	return address
}

// TestNodeBehindAFilterIsSilent: a node whose way swallows what goes there has not
// answered when the dialer gives up.
func TestNodeBehindAFilterIsSilent(t *testing.T) {
	to := cluster.Node{Name: "b", Instance: "b1", Address: swallows(t)}
	own := nodeTLS(t, t.TempDir(), "a")
	var asking sync.WaitGroup
	for range 20 {
		asking.Go(func() {
			h := newHops(own, "a", slog.New(slog.DiscardHandler))
			defer h.close()
			_, err := patiently(t.Context(), h, to, patience, true, func(ctx context.Context) (json.RawMessage, error) {
				ctx, cancel := context.WithTimeout(ctx, 50*time.Millisecond)
				defer cancel()
				return h.command(ctx, to, &control.Call{Role: control.Viewer}, "query-version", json.RawMessage("{}"))
			})
			if _, silent := errors.AsType[*silentError](err); !silent || len(h.silent.of) != 1 {
				t.Errorf("%v, %v", err, h.silent.of)
			}
		})
	}
	asking.Wait()
}
