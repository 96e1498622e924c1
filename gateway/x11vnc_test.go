package gateway_test

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"
	"time"

	"vncgate/gateway"
	"vncgate/layers/layertest"
	"vncgate/rfb"
)

// startXvfb starts an X server without a screen and returns its display.
func startXvfb(t *testing.T) string {
	t.Helper()
	for _, program := range []string{"Xvfb", "x11vnc"} {
		if _, err := exec.LookPath(program); err != nil {
			if os.Getenv("VNCGATE_REQUIRE_PEERS") != "" && runtime.GOOS == "linux" {
				t.Fatalf("%s is missing: apt install %s", program, strings.ToLower(program))
			}
			t.Skipf("%s is missing: apt install %s", program, strings.ToLower(program))
		}
	}
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	cmd := exec.Command("Xvfb", "-displayfd", "3", "-screen", "0", "320x200x24", "-nolisten", "tcp")
	cmd.ExtraFiles = []*os.File{w}
	run(t, cmd)
	_ = w.Close()
	_ = r.SetReadDeadline(time.Now().Add(patience))
	line, err := bufio.NewReader(r).ReadString('\n')
	if err != nil {
		t.Fatalf("Xvfb does not start: %v", err)
	}
	return ":" + strings.TrimSpace(line)
}

// run starts cmd and ends it with the test.
func run(t *testing.T, cmd *exec.Cmd) {
	t.Helper()
	log := &lockedBuffer{}
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if t.Failed() {
			t.Logf("%s:\n%s", cmd.Path, log.String())
		}
	})
}

// A real x11vnc dials in, both ways that it knows, and a viewer gets its picture.
func TestX11vncDialsIn(t *testing.T) {
	display := startXvfb(t)
	for _, test := range []struct{ name, connect, target string }{
		{"listening mode", "%s", "display"},
		{"repeater", "repeater=ID:7+%s", "seven"},
	} {
		t.Run(test.name, func(t *testing.T) {
			layertest.CheckLeaks(t)
			a := newArrivals(t)
			run(t, exec.Command("x11vnc", "-display", display, "-rfbport", "0", "-nopw", "-noipv6", "-noshm", "-nodpms", "-quiet",
				"-connect", fmt.Sprintf(test.connect, a.addr)))
			eventually(t, "it has dialled in", func() bool { return a.Waiting() == 1 })
			g := newGateway(t, a.target(test.target), gateway.Front{})
			viewer := g.view(t)
			ask := rfb.AppendFramebufferUpdateRequest(rfb.AppendSetEncodings(nil, rfb.EncodingRaw), false, 0, 0, 320, 200)
			if _, err := viewer.Write(ask); err != nil {
				t.Fatal(err)
			}
			b := make([]byte, 4+12)
			if _, err := io.ReadFull(viewer, b); err != nil || b[0] != rfb.MsgFramebufferUpdate {
				t.Errorf("instead of a picture: % x, %v", b, err)
			}
		})
	}
}
