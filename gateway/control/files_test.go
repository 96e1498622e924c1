package control_test

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"

	"vncgate/gateway/control"
)

// TestDescriptorsArePassed: one by each message, named in the order they came.
func TestDescriptorsArePassed(t *testing.T) {
	s := &control.Server{Table: control.Commands(&control.Backend{
		AddDisplay: func(target string, file *os.File) error {
			c, err := control.ConnOf(file)
			if err != nil {
				return err
			}
			defer c.Close()
			_, err = io.WriteString(c, target)
			return err
		},
	})}
	c, err := control.Dial(t.Context(), serve(t, s))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	ours, theirs := socketPair(t)
	defer ours.Close()
	null, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	if err := errors.Join(c.Pass(t.Context(), "display", theirs), c.Pass(t.Context(), "null", null)); err != nil {
		t.Fatal(err)
	}
	_ = theirs.Close()
	if _, err := c.Run(t.Context(), "display-add", map[string]string{"fdname": "display", "target": "desk"}); err != nil {
		t.Error(err)
	}
	if got, err := io.ReadAll(ours); string(got) != "desk" {
		t.Errorf("%q, %v", got, err)
	}
	if _, err := c.Run(t.Context(), "display-add", map[string]string{"fdname": "null", "target": "desk"}); err == nil || !strings.Contains(err.Error(), "not a connected socket") {
		t.Errorf("%v", err)
	}
	for _, command := range []string{"display-add", "closefd"} {
		args := map[string]string{"fdname": "display"}
		if command == "display-add" {
			args["target"] = "desk"
		}
		if _, err := c.Run(t.Context(), command, args); control.ErrorOf(err).Class != control.ClassNotFound {
			t.Errorf("%s: %v", command, err)
		}
	}
	if _, err := c.Run(t.Context(), "getfd", map[string]string{"fdname": "none"}); err == nil || !strings.Contains(err.Error(), "No file descriptor supplied") {
		t.Errorf("%v", err)
	}
}

// TestTooManyDescriptors: those beyond the bound are closed.
func TestTooManyDescriptors(t *testing.T) {
	s := &control.Server{Table: control.Commands(&control.Backend{})}
	c, err := control.Dial(t.Context(), serve(t, s))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	null, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	passed := 0
	for i := range 40 {
		if c.Pass(t.Context(), fmt.Sprint(i), null) == nil {
			passed++
		}
	}
	if passed != 16 {
		t.Errorf("%d were kept", passed)
	}
}

// socketPair is a connection, and the other end of it as a file.
func socketPair(t *testing.T) (net.Conn, *os.File) {
	t.Helper()
	fds, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	file := os.NewFile(uintptr(fds[0]), "ours")
	defer file.Close()
	c, err := net.FileConn(file)
	if err != nil {
		t.Fatal(err)
	}
	return c, os.NewFile(uintptr(fds[1]), "theirs")
}

// TestProfile: what comes through the descriptor is what Go's tools read.
func TestProfile(t *testing.T) {
	c, err := control.Dial(t.Context(), serve(t, &control.Server{Table: control.Commands(&control.Backend{})}))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for args, begins := range map[control.ProfileArgs]string{
		{Kind: "goroutine", Text: true}: "goroutine profile:",
		{Kind: "heap"}:                  "\x1f\x8b", // gzip
		{Kind: "cpu", Time: 1}:          "\x1f\x8b",
		{Kind: "trace", Time: 1}:        "go 1.",
	} {
		file, err := os.CreateTemp(t.TempDir(), "profile")
		if err != nil {
			t.Fatal(err)
		}
		args.Name = "out"
		if err := c.Pass(t.Context(), "out", file); err != nil {
			t.Fatal(err)
		}
		if _, err := c.Run(t.Context(), "profile", args); err != nil {
			t.Errorf("%s: %v", args.Kind, err)
		}
		b, err := os.ReadFile(file.Name())
		if err != nil || !strings.HasPrefix(string(b), begins) {
			t.Errorf("%s: %.20q, %v", args.Kind, b, err)
		}
		_ = file.Close()
	}
	for _, args := range []control.ProfileArgs{{Kind: "dance"}, {Kind: "cpu", Name: "none"}, {Kind: "cpu", Time: -1}} {
		if _, err := c.Run(t.Context(), "profile", args); err == nil {
			t.Errorf("%+v: no error", args)
		}
	}
}
