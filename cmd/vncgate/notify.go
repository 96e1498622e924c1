package main

import (
	"context"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
)

// Protocol flow (sd_notify(3), systemd.service(5) Type=notify-reload): whoever
// started us waits for READY=1; a reload is RELOADING=1 with the time, then READY=1
// again; the end begins with STOPPING=1. MAINPID= names the process that an upgrade
// has put in our place. WATCHDOG=1 comes at least every WATCHDOG_USEC, else we are
// killed and started anew. Outside of systemd all of it does nothing.

// statusEvery is how often the figures that systemctl status shows are renewed.
const statusEvery = 10 * time.Second

// notifier tells systemd how we are. A nil one tells nobody.
type notifier struct {
	log     *slog.Logger
	figures func() string
	healthy func(context.Context) error
	mute    atomic.Bool // another process speaks for the service
}

// tell is best effort: where nobody listens, nobody is missed.
func (n *notifier) tell(state string) {
	if n == nil || n.mute.Load() {
		return
	}
	if _, err := daemon.SdNotify(false, state); err != nil {
		n.log.Debug("systemd was not told", "error", err)
	}
}

// serving ends a start or a reload.
func (n *notifier) serving() {
	if n != nil {
		n.tell(daemon.SdNotifyReady + "\nSTATUS=" + n.figures())
	}
}

// reloading begins a reload: with the time, by which systemd knows that it is the
// one it has asked for.
func (n *notifier) reloading() {
	n.tell(daemon.SdNotifyReloading + "\n" + daemon.SdNotifyMonotonicUsec() + "STATUS=reloading the configuration")
}

// stopping begins the end.
func (n *notifier) stopping() {
	if n != nil {
		n.tell(daemon.SdNotifyStopping + "\nSTATUS=" + n.figures())
	}
}

// status shows text until the figures come again.
func (n *notifier) status(text string) { n.tell("STATUS=" + text) }

// mainIs says that another process is the service's main one. It is the last that
// is said here.
func (n *notifier) mainIs(pid int) {
	if n != nil {
		n.tell(fmt.Sprintf("MAINPID=%d", pid))
		n.mute.Store(true)
	}
}

// run keeps the status fresh and feeds the watchdog until ctx ends. Who watches
// does so in vain if it is fed by a clock: it gets something only after a session
// has come about.
func (n *notifier) run(ctx context.Context) {
	if n == nil {
		return
	}
	every := statusEvery
	watched, err := daemon.SdWatchdogEnabled(false)
	if err != nil {
		n.log.Warn("systemd's watchdog is not fed", "error", err)
	}
	if watched > 0 {
		every = min(every, watched/3)
	}
	tick := time.NewTicker(every)
	defer tick.Stop()
	for !n.mute.Load() {
		if watched > 0 {
			n.feed(ctx, watched)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			n.status(n.figures())
		}
	}
}

// feed opens a session to ourselves before it says that all is well.
func (n *notifier) feed(ctx context.Context, watched time.Duration) {
	ctx, cancel := context.WithTimeout(ctx, watched/2)
	defer cancel()
	if err := n.healthy(ctx); err != nil {
		if ctx.Err() != context.Canceled {
			n.log.Error("the gateway cannot open a session to itself; the watchdog is not fed", "error", err)
		}
		return
	}
	n.tell(daemon.SdNotifyWatchdog)
}
