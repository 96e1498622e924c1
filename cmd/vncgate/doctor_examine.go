package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"time"

	"vncgate/gateway"
	"vncgate/layers"
	"vncgate/rfb"
)

// doctor examines one display or front. It is for one examination.
type doctor struct {
	t          targetConfig
	front      bool
	page       *webFront // a front that is reached over HTTP
	timeout    time.Duration
	patience   time.Duration // with a peer that says nothing, before it is asked why
	screenshot string
	said       commandLog  // by a display's command, on standard error
	finished   func(*step) // told of each step; nil is nobody

	report  *report
	current *step

	target   *gateway.Target
	tls      *tls.Config // of the target, with our hooks: for one handshake at a time
	plainTLS *tls.Config // the same without
	trust    trust
	seen     *inspection // of the latest certificate
	offered  []rfb.SecurityType
	nested   []rfb.SecurityType // VeNCrypt's subtypes
	tight    []rfb.SecurityType // what is in Tight's envelope
	version  string
	listed   bool // the viewers
}

// errFailed says that the step which failed has been told.
var errFailed = errors.New("failed")

// examine goes as far as it can.
func (d *doctor) examine(ctx context.Context) {
	begun := time.Now()
	defer func() { d.report.MS = milliseconds(time.Since(begun)) }()
	defer d.done()
	if !d.settings(ctx) || !d.resolve(ctx) {
		return
	}
	c, err := d.reach(ctx, true)
	if err != nil {
		return
	}
	defer func() { _ = c.Close() }()
	if d.page != nil {
		d.origins(ctx)
	}
	conn, err := d.handshake(ctx, c)
	if err != nil {
		return
	}
	defer func() { _ = conn.Close() }()
	d.look(ctx, conn)
}

// limited bounds one step.
func (d *doctor) limited(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeoutCause(ctx, d.timeout, errSilent)
}

// errSilent is the cause of a step that ran out of time.
var errSilent = errors.New("no answer in time")

// settings wires the target as the gateway would, and reads what it needs.
func (d *doctor) settings(ctx context.Context) bool {
	s := d.begin("settings")
	err := d.wire()
	if err == nil {
		limited, cancel := d.limited(ctx)
		defer cancel()
		err = d.t.Password.readable(limited)
	}
	if err != nil {
		d.fail(newTrouble(err.Error(), "On this side: the file, variable or command that is named there must be readable for the user that runs this, and for the gateway's user as well."))
		return false
	}
	s.Summary = d.means()
	d.done()
	return true
}

// means says what there is to log in with.
func (d *doctor) means() string {
	switch {
	case d.t.User != "" && d.t.Password != nil:
		return fmt.Sprintf("user %s with a password", d.t.User)
	case d.t.User != "":
		return fmt.Sprintf("user %s without a password", d.t.User)
	case d.t.Password != nil:
		return "a password without a user"
	}
	return "neither user nor password"
}

// wire makes the target, with TLS that can be looked into. A front is always
// looked at further, whatever its certificate.
func (d *doctor) wire() error {
	checked, err := d.t.clientTLS()
	if err != nil {
		return fmt.Errorf("tls: %w", err)
	}
	d.trust = trust{
		roots: checked.RootCAs, name: checked.ServerName, checked: d.t.TLS == nil || !d.t.TLS.Insecure,
		front:  d.front,
		pinned: checked.InsecureSkipVerify && checked.VerifyConnection != nil,
	}
	if d.front {
		checked.InsecureSkipVerify = true
	}
	d.tls, d.plainTLS = d.watched(checked), checked
	w := &wiring{cfg: &config{}, log: slog.New(&d.said)}
	if d.target, err = w.target("display", d.t); err != nil {
		return err
	}
	if d.overTLS() {
		d.target.Layers = slices.Clone(d.target.Layers)
		d.target.Layers[0] = layers.TLSClient(d.tls)
	}
	return nil
}

// overTLS reports whether TLS begins with the first byte.
func (d *doctor) overTLS() bool {
	if d.t.URL != "" {
		return len(d.target.Layers) > 1
	}
	return len(d.target.Layers) > 0
}

// reach dials and stacks what stands below RFB. A later time it is done in
// silence, unless it fails.
func (d *doctor) reach(ctx context.Context, aloud bool) (net.Conn, error) {
	c, err := d.dial(ctx, aloud)
	if err != nil {
		return nil, err
	}
	for i, layer := range d.target.Layers {
		if aloud && d.layerName(i) == "websocket" && d.page != nil && d.page.page != "" {
			if err := d.visitPage(ctx); err != nil {
				_ = c.Close()
				return nil, err
			}
		}
		s := d.begin(d.layerName(i))
		limited, cancel := d.limited(ctx)
		above, err := layer(limited, c)
		cancel()
		err = d.stacked(ctx, s, above, err, aloud)
		if err != nil {
			_ = c.Close()
			return nil, err
		}
		c = above
	}
	return c, nil
}

func (d *doctor) layerName(i int) string {
	if i == 0 && d.overTLS() {
		return "tls"
	}
	return "websocket"
}

// stacked ends the step of a layer.
func (d *doctor) stacked(ctx context.Context, s *step, above net.Conn, err error, aloud bool) error {
	switch {
	case s.Name == "tls":
		err = d.tlsDone(s, above, err, aloud)
	case err != nil:
		d.fail(d.noWebSocket(ctx, err))
		err = errFailed
	case aloud:
		s.Summary = "the server speaks WebSocket"
		d.done()
	default:
		d.current = nil
	}
	return err
}

func (d *doctor) dial(ctx context.Context, aloud bool) (net.Conn, error) {
	s := d.begin("connect")
	limited, cancel := d.limited(ctx)
	defer cancel()
	c, err := d.target.Dial(limited)
	if err != nil {
		d.fail(d.noConnection(because(limited, err)))
		return nil, errFailed
	}
	if !aloud {
		d.current = nil
		return c, nil
	}
	s.Summary = "connected"
	if len(d.t.Command) > 0 {
		s.Summary = "started " + d.t.Command[0]
	} else if a := c.RemoteAddr(); a != nil && a.String() != "" {
		s.Summary += " to " + a.String()
		s.detail("peer", a.String())
	}
	d.done()
	return c, nil
}

// because is the error that counts: the time that ran out, whatever I/O error
// it showed as.
func because(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}
