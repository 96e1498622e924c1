package main

import (
	"context"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"vncgate/rfb/display/demo"
)

// TestPageInChromium runs the page's own browser tests against this gateway,
// with the demo display behind it.
func TestPageInChromium(t *testing.T) {
	if testing.Short() {
		t.Skip("short")
	}
	ui := filepath.Join(root, "web", "ui")
	needFile(t, filepath.Join(ui, "node_modules", "playwright-core"), "run 'make build' with Node installed")
	needFile(t, filepath.Join(ui, "dist", "index.html"), "run 'make build' with Node installed")
	needFile(t, "/usr/bin/chromium", "install the package chromium")
	url := serveDemoDisplay(t)
	ctx, cancel := context.WithTimeout(context.Background(), 8*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "npm", "run", "--silent", "e2e")
	cmd.WaitDelay = browserDelay
	cmd.Dir = ui
	cmd.Env = append(os.Environ(), "VNCGATE_URL="+url, "VNCGATE_E2E_REQUIRE=1", "NO_COLOR=1")
	out, err := cmd.CombinedOutput()
	t.Logf("%s", out)
	if err != nil {
		t.Fatalf("npm run e2e: %v", err)
	}
}

// browserDelay is how long the tests in a browser may hold their output open when
// their time is over: npm ends at once, and what it has started does not.
const browserDelay = 10 * time.Second

// needFile skips for want of a file, or fails where everything is required.
func needFile(t *testing.T, path, remedy string) {
	t.Helper()
	if _, err := os.Stat(path); err == nil {
		return
	}
	if os.Getenv("VNCGATE_REQUIRE_PEERS") != "" {
		t.Fatalf("%s is missing: %s", path, remedy)
	}
	t.Skipf("%s is missing: %s", path, remedy)
}

// serveDemoDisplay starts the demo display on loopback and a gateway in front
// of it, and returns the address of its page.
func serveDemoDisplay(t *testing.T) string {
	t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	display := demo.New(demo.Options{})
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var running sync.WaitGroup
	running.Go(func() { acceptDemo(ctx, ln, display) })
	cfg, err := (&serveFlags{listen: []string{"127.0.0.1:0"}, target: ln.Addr().String()}).configuration()
	if err != nil {
		t.Fatal(err)
	}
	w, err := newWiring(ctx, cfg, slog.New(slog.NewTextHandler(t.Output(), nil)))
	if err != nil {
		t.Fatal(err)
	}
	running.Go(func() {
		if err := w.serve(ctx); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(func() {
		stop()
		_ = ln.Close()
		display.Close()
		running.Wait()
	})
	return "http://" + w.doors[0].ln.Addr().String() + "/"
}

func acceptDemo(ctx context.Context, ln net.Listener, display *demo.Display) {
	for {
		c, err := ln.Accept()
		if err != nil {
			return
		}
		go func() { _ = display.ServeConn(ctx, c) }()
	}
}
