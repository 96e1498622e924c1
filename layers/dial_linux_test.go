package layers_test

import (
	"context"
	"errors"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"vncgate/layers"
)

// shortQueue listens on a unix socket whose queue holds a single connection.
func shortQueue(t *testing.T) (fd int, path string) {
	t.Helper()
	fd, err := syscall.Socket(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { syscall.Close(fd) })
	path = filepath.Join(t.TempDir(), "display")
	if err := errors.Join(syscall.Bind(fd, &syscall.SockaddrUnix{Name: path}), syscall.Listen(fd, 0)); err != nil {
		t.Fatal(err)
	}
	return fd, path
}

// Viewers that come at once to a display on a unix socket, as QEMU has it, all
// get there.
func TestDialWaitsForQueue(t *testing.T) {
	fd, path := shortQueue(t)
	const viewers = 5
	dialled := make(chan error, viewers)
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	for range viewers {
		go func() {
			c, err := layers.Dial(ctx, "unix:"+path)
			if err == nil {
				err = c.Close()
			}
			dialled <- err
		}()
	}
	for range viewers {
		c, _, err := syscall.Accept(fd)
		if err != nil {
			t.Fatal(err)
		}
		syscall.Close(c)
	}
	for range viewers {
		if err := <-dialled; err != nil {
			t.Error(err)
		}
	}
}

// Where nobody ever takes them, the last error says why.
func TestDialGivesUpOnQueue(t *testing.T) {
	_, path := shortQueue(t)
	first, err := layers.Dial(context.Background(), "unix:"+path)
	if err != nil {
		t.Fatal(err)
	}
	defer first.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	_, err = layers.Dial(ctx, "unix:"+path)
	if !errors.Is(err, syscall.EAGAIN) && !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("it is %v", err)
	}
}
