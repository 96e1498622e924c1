package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"vncgate/auth"
	"vncgate/certs"
	"vncgate/gateway"
	"vncgate/layers"
	"vncgate/rfb"
	"vncgate/rfb/display/demo"
	"vncgate/web"
)

// linkTTL is how long the printed link waits to be opened.
const linkTTL = time.Hour

type demoFlags struct {
	listen    string
	rfb       string
	dashboard string
	dir       string
	logLevel  string
	still     bool
}

func newDemoCommand() *cobra.Command {
	f := &demoFlags{}
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "See it work: an animated display, a certificate and the page, all built in",
		Long: `demo starts the gateway with everything it needs: a small animated display
written in Go, a development certificate, and the viewer page. It prints a link
that lets one browser in, once, and one to the dashboard, where sessions are seen
and ended; that one is good on this machine alone.

The browser warns of the certificate until it trusts the development CA:
'vncgate cert export --ca' writes it, and says how.`,
		Example: `  vncgate demo
  vncgate demo --listen :6080 --rfb :5900`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return f.run(cmd.Context(), cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&f.listen, "listen", "127.0.0.1:6080", "`ADDRESS` for browsers (port 0: any that is free)")
	flags.StringVar(&f.rfb, "rfb", "", "`ADDRESS` for native viewers, too; prints a password")
	flags.StringVar(&f.dashboard, "dashboard", "127.0.0.1:0", "`ADDRESS` of the dashboard, on this machine (empty: none)")
	flags.StringVar(&f.dir, "dir", defaultCertificateDir(), "`FOLDER` of the development certificate")
	flags.StringVar(&f.logLevel, "log-level", "warn", "debug, info, warn or error")
	flags.BoolVar(&f.still, "still", false, "stop the animation, for comparing pictures")
	return cmd
}

func (f *demoFlags) run(ctx context.Context, out, errOut io.Writer) error {
	handler, err := logConfig{Level: f.logLevel}.handler(errOut)
	if err != nil {
		return &usageError{err}
	}
	pair, err := certs.Development(f.dir, nil)
	if err != nil {
		return err
	}
	displaySecret := rand.Text()[:8]
	display := demo.New(demo.Options{Password: displaySecret, Still: f.still})
	defer display.Close()
	w := &wiring{cfg: &config{}, log: slog.New(handler), ration: &gateway.Ration{}, turns: layers.NewTurns(0)}
	target := demoTarget(display, displaySecret)
	w.gate = &gateway.Gateway{
		Resolve: resolver(map[string]*gateway.Target{target.Name: target}), Log: w.log, Observe: w.events.tell, Ours: w.events.ours,
	}
	links := &auth.Links{}
	browsers, err := f.openBrowserDoor(ctx, w, pair, links)
	if err != nil {
		return err
	}
	viewerPassword, err := f.openNativeDoor(ctx, w, pair)
	if err != nil {
		w.closeDoors()
		return err
	}
	dashboard, err := f.openDashboard(ctx, w, target)
	if err != nil {
		w.closeDoors()
		return err
	}
	f.welcome(out, "https://"+linkHost(browsers)+web.StartPath(links.New(linkTTL)), dashboard, viewerPassword, w)
	return w.serve(ctx)
}

// demoTarget reaches the embedded display through memory. The display has a
// password, which the gateway knows and no viewer does.
func demoTarget(display *demo.Display, password string) *gateway.Target {
	return &gateway.Target{
		Name: "demo",
		Dial: func(context.Context) (net.Conn, error) {
			ours, theirs := net.Pipe()
			go serveDemo(display, theirs)
			return ours, nil
		},
		Security: func() []rfb.Security {
			return []rfb.Security{rfb.ClientVncAuth{Password: func(context.Context) (string, error) { return password, nil }}}
		},
	}
}

// serveDemo ends when its viewer leaves; there is nobody to tell how.
func serveDemo(display *demo.Display, c net.Conn) { _ = display.ServeConn(context.Background(), c) }

func (f *demoFlags) openBrowserDoor(ctx context.Context, w *wiring, pair *certs.KeyPair, links *auth.Links) (net.Addr, error) {
	l := &listenerConfig{Address: f.listen, Web: &webConfig{}, Target: "demo", Security: []string{"none"}}
	p, err := w.prepareWith(l, certificateOf(pair))
	if err != nil {
		return nil, err
	}
	p.web.Front.Identities = []auth.Identity{{Name: "guest", Method: "link"}}
	p.web.Logins = links
	if err := w.bind(ctx, l, p); err != nil {
		return nil, portHint(err, "--listen")
	}
	return w.doors[0].ln.Addr(), nil
}

// openNativeDoor returns the password it made up, "" without such a door.
func (f *demoFlags) openNativeDoor(ctx context.Context, w *wiring, pair *certs.KeyPair) (string, error) {
	if f.rfb == "" {
		return "", nil
	}
	password := rand.Text()[:8]
	l := &listenerConfig{
		Address: f.rfb, Target: "demo", Security: []string{"x509-vnc", "vnc"}, Password: &secret{text: password},
	}
	p, err := w.prepareWith(l, certificateOf(pair))
	if err != nil {
		return "", err
	}
	return password, portHint(w.bind(ctx, l, p), "--rfb")
}

func (f *demoFlags) welcome(out io.Writer, link, dashboard, viewerPassword string, w *wiring) {
	fmt.Fprintf(out, "\n  vncgate demo is running.\n\n")
	fmt.Fprintf(out, "  Open    %s\n          (it works once; the browser warns of the development certificate)\n", link)
	if viewerPassword != "" {
		fmt.Fprintf(out, "  Viewer  %s   password %s\n", w.doors[1].ln.Addr(), viewerPassword)
	}
	if dashboard != "" {
		fmt.Fprintf(out, "  Admin   %s\n          (the dashboard, on this machine; the token in it is as good as a password)\n", dashboard)
	}
	fmt.Fprintf(out, "  Trust   vncgate cert export --ca --dir %s -o ca.pem\n", f.dir)
	fmt.Fprintf(out, "  Stop    Ctrl-C\n\n")
}

// linkHost is the address as a browser on this machine may write it.
func linkHost(a net.Addr) string {
	host, port, err := net.SplitHostPort(a.String())
	if err != nil {
		return a.String()
	}
	if ip := net.ParseIP(host); ip == nil || ip.IsUnspecified() || ip.IsLoopback() {
		host = "localhost"
	}
	return net.JoinHostPort(host, port)
}

// portHint says what to do about an address that is taken.
func portHint(err error, flag string) error {
	if errors.Is(err, syscall.EADDRINUSE) {
		return fmt.Errorf("%w\nanother program listens there; choose another with %s, such as %s localhost:0", err, flag, flag)
	}
	return err
}

// defaultCertificateDir is where the development certificate is kept.
func defaultCertificateDir() string {
	dir, err := os.UserConfigDir()
	if err != nil {
		dir = os.TempDir()
	}
	return filepath.Join(dir, "vncgate")
}
