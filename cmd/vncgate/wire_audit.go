package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/coreos/go-systemd/v22/journal"

	"vncgate/gateway"
	"vncgate/gateway/audit"
	"vncgate/rfb"
)

// wordsAudit are for viewers who cannot be let in since nobody could tell later
// that they were.
const wordsAudit = "The gateway cannot write down who comes in, so it lets nobody in. Tell its administrator."

// facilityAudit is syslog's for security (RFC 5424, 6.2.1: authpriv).
const facilityAudit = 10

// maxAuditLine is what fits a datagram of UDP. A line that is cut would be none.
const maxAuditLine = 60 << 10

// openAudit begins to write down what happens, where that is wanted.
func (w *wiring) openAudit() error {
	cfg := w.cfg.Audit
	if cfg == nil {
		return nil
	}
	signal.Ignore(syscall.SIGXFSZ) // a limit of the files' size is an error like a full disk, not the end
	out := audit.Config{File: cfg.file(), Failing: w.auditFailing}
	if cfg.Syslog != "" {
		syslog, err := dialSyslog(cfg.Syslog, false, false)
		if err != nil {
			return fmt.Errorf("audit: %w", err)
		}
		syslog.facility, syslog.ident, syslog.max = facilityAudit, "vncgate", maxAuditLine
		w.auditSyslog = syslog
		out.Send = append(out.Send, func(_ string, line []byte) error {
			return syslog.send(severityInfo, time.Now(), line)
		})
	}
	if cfg.Journal {
		out.Send = append(out.Send, func(kind string, line []byte) error {
			return journal.Send(string(line), journal.PriInfo, map[string]string{"SYSLOG_IDENTIFIER": "vncgate", "VNCGATE_AUDIT": kind})
		})
	}
	log, err := audit.Open(out)
	if err != nil {
		return err
	}
	w.audit = log
	w.events.to(log.Observe)
	if cfg.stops() {
		w.gate.Refuse = w.auditRefuses
	}
	return nil
}

// auditRefuses is the gateway's Refuse.
func (w *wiring) auditRefuses() error {
	if err := w.audit.Err(); err != nil {
		return &rfb.Refusal{Reason: wordsAudit, Err: err}
	}
	return nil
}

// auditFailing is told when events can no longer be written, and with nil when
// they can again.
func (w *wiring) auditFailing(err error) {
	cfg := w.cfg.Audit
	if err == nil {
		w.log.Warn("audit: what happens is written down again")
		w.gate.Emit(gateway.Event{Kind: gateway.AuditRecovered})
		return
	}
	then := "the gateway goes on (on_failure: alarm)"
	if cfg.stops() {
		then = "nobody is let in until it can be (on_failure: stop)"
	}
	w.log.Error("audit: what happens cannot be written down: "+then+"; make room on the disk or mend what it is written to", "error", err)
	w.gate.Emit(gateway.Event{Kind: gateway.AuditFailing, Err: err})
	if cfg.stops() && cfg.Running == auditEnd {
		w.gate.End(func(gateway.SessionInfo) bool { return true }, gateway.Ending{Reason: "audit failing", Words: wordsAudit})
	}
}

// closeAudit writes what is left.
func (w *wiring) closeAudit() {
	if w.audit == nil {
		return
	}
	if err := w.audit.Close(); err != nil {
		w.log.Error("audit: the last events could not be written", "lost", w.audit.Lost(), "error", err)
	}
	if w.auditSyslog != nil {
		_ = w.auditSyslog.Close()
	}
}

// writable says, for --check, whether the file could be written to.
func (a *auditConfig) writable() error {
	if a == nil || a.File == "" {
		return nil
	}
	f, err := os.OpenFile(a.File, os.O_WRONLY|os.O_APPEND, 0)
	if err == nil {
		return f.Close()
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("audit: %w", err)
	}
	return folderThere("audit", a.File)
}
