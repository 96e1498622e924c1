package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/signal"
	"slices"
	"strings"
	"sync"
	"time"

	"vncgate/gateway"
	"vncgate/layers"
)

// eventUpgraded: another process accepts viewers now, and this one serves those it
// has. Details name it.
const eventUpgraded gateway.EventKind = "UPGRADED"

// settleTime bounds what was accepted before an upgrade and has not come in yet.
const settleTime = 20 * time.Second

// socket is a listening socket of ours that a successor can go on with.
type socket struct {
	key, address string
	ln           *layers.Handover
}

// lives is what an upgrade needs to know. The zero value is ready.
type lives struct {
	heir    *heir // nil: nobody was there before
	sockets []socket
	apart   string // where the control socket is since then; "": where it was

	upgrading sync.Mutex
	mu        sync.Mutex
	next      *successor // nil: we accept
	added     []socket   // while we serve, of which no configuration tells a successor
	handed    chan struct{}
}

// open listens on an address, or goes on with the socket of the process before.
func (w *wiring) open(ctx context.Context, address string, config layers.ListenConfig) (net.Listener, error) {
	key := socketKey(address, config.Network)
	ln, err := w.lives.heir.take(key)
	if ln == nil && err == nil {
		ln, err = layers.Listen(ctx, address, config)
	}
	if err != nil {
		return nil, err
	}
	h := layers.NewHandover(ln)
	w.lives.sockets = append(w.lives.sockets, socket{key, address, h})
	return h, nil
}

// add takes in a listener that somebody has given us, unless we accept nobody any
// more; then it is closed.
func (l *lives) add(address string, ln net.Listener) (net.Listener, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.next != nil {
		_ = ln.Close()
		return nil, fmt.Errorf("process %d has taken over; ask that one", l.next.pid)
	}
	h := layers.NewHandover(ln)
	l.added = append(l.added, socket{address: address, ln: h})
	return h, nil
}

var errUpgradeSingle = errors.New("upgrade: inetd has given us one connection, which cannot be handed on")

// upgrade starts the program anew and hands it the listening sockets. Sessions go
// on here until they end, or limits.upgrade_timeout is over. It returns the number
// of the new process once that serves; an error says why all is as it was.
func (w *wiring) upgrade() (pid int, err error) {
	l := &w.lives
	l.upgrading.Lock()
	defer l.upgrading.Unlock()
	switch next := w.successor(); {
	case next != nil:
		return 0, fmt.Errorf("upgrade: process %d has taken over already; ask that one", next.pid)
	case w.single != nil:
		return 0, errUpgradeSingle
	case os.Getpid() == 1:
		return 0, errors.New("upgrade: this is the first process of its container, which ends with it; replace the container instead")
	case w.isShuttingDown():
		return 0, errors.New("upgrade: the gateway is shutting down")
	}
	w.notify.status("starting the new program")
	next, err := w.startNext()
	if err != nil {
		w.log.Error("upgrade failed; this process goes on", "error", err)
		w.notify.serving()
		return 0, fmt.Errorf("upgrade: %w", err)
	}
	w.handOver(next)
	return next.pid, nil
}

// startNext returns a process that serves, beside us.
func (w *wiring) startNext() (next *successor, err error) {
	path, err := ownProgram()
	if err != nil {
		return nil, err
	}
	sockets, err := w.duplicates()
	defer closeHanded(sockets)
	if err != nil {
		return nil, err
	}
	back, err := w.stepAside()
	defer func() {
		if err != nil {
			back()
		}
	}()
	if err != nil {
		return nil, err
	}
	if next, err = startSuccessor(path, sockets); err != nil {
		return nil, err
	}
	w.log.Info("upgrade: a new process starts", "process", next.pid, "program", path)
	if err = next.ready(); err != nil {
		next.kill()
	}
	return next, err
}

// stepAside has the control socket answer at PATH.PID, so that a new process can
// have PATH and both can be asked.
func (w *wiring) stepAside() (back func(), err error) {
	if w.controls == nil || w.controls.ln == nil {
		return func() {}, nil
	}
	path := w.cfg.Control.Socket
	apart := fmt.Sprintf("%s.%d", path, os.Getpid())
	if err := os.Rename(path, apart); err != nil {
		return func() {}, err
	}
	layers.OwnFiles(w.controls.ln, false)
	w.lives.apart = apart
	return func() { // what a new process that has failed leaves there goes
		_ = os.Rename(apart, path)
		w.lives.apart = ""
		layers.OwnFiles(w.controls.ln, true)
	}, nil
}

func (w *wiring) duplicates() (list []handedSocket, err error) {
	for _, s := range w.lives.sockets {
		fds, err := layers.Sockets(s.ln)
		if err != nil {
			return list, err
		}
		list = append(list, handedSocket{s.key, fds})
	}
	return list, nil
}

func closeHanded(list []handedSocket) {
	for _, s := range list {
		layers.CloseSockets(s.FDs)
	}
}

// handOver stops accepting, and has serve know.
func (w *wiring) handOver(next *successor) {
	for _, s := range w.lives.sockets {
		_ = s.ln.Retire()
	}
	w.cluster.retire()
	w.notify.mainIs(next.pid)
	next.commit()
	w.agents.drain()
	w.lives.mu.Lock()
	w.lives.next = next
	added := w.lives.added
	w.lives.mu.Unlock()
	for _, s := range added {
		_ = s.ln.Retire()
		w.log.Warn("upgrade: a listener that was added while the gateway ran is closed; add it to the new process again", "address", s.address)
	}
	w.log.Info("upgrade: the new process serves; this one goes on with the sessions it has", "process", next.pid, "sessions", w.gate.Sessions(),
		"timeout", w.now().cfg.Limits.upgradeTimeout().String())
	w.gate.Emit(gateway.Event{Kind: eventUpgraded, Details: map[string]string{"process": fmt.Sprint(next.pid)}})
	close(w.lives.handed)
}

// successor is the process that has taken over, nil without one.
func (w *wiring) successor() *successor {
	w.lives.mu.Lock()
	defer w.lives.mu.Unlock()
	return w.lives.next
}

// succeeds tells the process before that we serve. From its last word on the files
// of unix sockets are ours.
func (w *wiring) succeeds() {
	if w.lives.heir == nil {
		return
	}
	w.lives.heir.serves()
	for _, s := range w.lives.sockets {
		if strings.HasPrefix(s.address, "unix:") { // those of systemd: and fd: belong to others
			layers.OwnFiles(s.ln, true)
		}
	}
	w.log.Info("upgrade: this process has taken over")
}

// outlive serves those who are in until they have left, or the time for that is
// over, or ctx. Who was accepted before the upgrade still comes in.
func (w *wiring) outlive(ctx context.Context) {
	timeout := w.now().cfg.Limits.upgradeTimeout()
	end := time.Now().Add(timeout)
	if w.arrivals != nil {
		w.arrivals.Close() // displays that wait here come again, to the new process
	}
	w.settle(ctx)
	ctx, cancel := context.WithDeadline(ctx, end)
	defer cancel()
	if lead := time.Until(end) - time.Minute; lead > 0 {
		warning := time.AfterFunc(lead, func() { w.gate.Drain(end, wordsUpgraded) })
		defer warning.Stop()
	}
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	for w.gate.Sessions() > 0 {
		select {
		case <-ctx.Done():
			w.log.Info("the time of the sessions that were left is over", "sessions", w.gate.Sessions())
			return
		case <-tick.C:
		}
	}
}

// examined is how many connections were accepted and are not let in yet.
func (w *wiring) examined() (n int) {
	for _, d := range w.doors {
		if d.split != nil {
			n += d.split.Examined()
		}
		if d.begun != nil {
			n += d.begun.count()
		}
	}
	return n
}

// wordsUpgraded are for viewers that an upgrade has left where they were.
const wordsUpgraded = "The gateway was upgraded. Connect again to go on."

// settled reports whether everybody who was accepted is known to who accepted them.
func (l *lives) settled() bool {
	return !slices.ContainsFunc(l.sockets, func(s socket) bool { return !s.ln.Settled() })
}

// settle has the servers finish what they have begun.
func (w *wiring) settle(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, settleTime)
	defer cancel()
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	for !w.lives.settled() || w.examined() > 0 {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
	w.stopServers(ctx)
}

// upgradeOnSignal upgrades whenever the signal for it comes, until stop.
func (w *wiring) upgradeOnSignal() (stop func()) {
	if upgradeSignal == nil {
		return func() {}
	}
	asked := make(chan os.Signal, 1)
	signal.Notify(asked, upgradeSignal)
	ended := make(chan struct{})
	done := make(chan struct{})
	go func() {
		defer close(ended)
		for {
			select {
			case <-asked:
				_, _ = w.upgrade() // the log has what came of it
			case <-done:
				return
			}
		}
	}()
	return func() {
		signal.Stop(asked)
		close(done)
		<-ended
	}
}

// tidyApart removes the file of a control socket that has stepped aside.
func (w *wiring) tidyApart() {
	w.lives.upgrading.Lock()
	defer w.lives.upgrading.Unlock()
	if w.lives.apart != "" {
		_ = os.Remove(w.lives.apart)
	}
}
