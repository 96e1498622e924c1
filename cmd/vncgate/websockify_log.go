package main

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"sync"
)

// bridgeLog is where websockify's options want the log: on standard error
// always, in a file and at a syslog server if they say so.
type bridgeLog struct {
	*slog.Logger
	file   *reopenedFile // nil without --log-file
	syslog *syslogWriter // nil without --syslog
}

func (o *websockifyOptions) openLog(errOut io.Writer) (*bridgeLog, error) {
	level := slog.LevelInfo
	if o.verbose {
		level = slog.LevelDebug
	}
	opts := &slog.HandlerOptions{Level: level}
	l := &bridgeLog{}
	handlers := []slog.Handler{slog.NewTextHandler(errOut, opts)}
	var err error
	if o.logFile != "" {
		if l.file, err = openLogFile(o.logFile); err != nil {
			return nil, err
		}
		handlers = append(handlers, slog.NewTextHandler(l.file, opts))
	}
	if o.syslog != "" {
		if l.syslog, err = dialSyslog(o.syslog, o.daemon, o.legacySyslog); err != nil {
			return nil, errors.Join(err, l.close())
		}
		handlers = append(handlers, newSyslogHandler(l.syslog, level))
	}
	l.Logger = slog.New(slog.NewMultiHandler(handlers...))
	return l, nil
}

// reopen lets the file be moved away, as logrotate does.
func (l *bridgeLog) reopen() {
	if l.file == nil {
		return
	}
	if err := l.file.reopen(); err != nil {
		l.Error("the log file stays the one that was open", "error", err)
	}
}

func (l *bridgeLog) close() error {
	var errs []error
	if l.syslog != nil {
		errs = append(errs, l.syslog.Close())
	}
	if l.file != nil {
		errs = append(errs, l.file.Close())
	}
	return errors.Join(errs...)
}

// logMode lets nobody else read the log by default: it has addresses of people.
const logMode = 0o640

// reopenedFile is a file that is appended to, under a name that may come to
// mean another one.
type reopenedFile struct {
	name string
	mu   sync.Mutex
	file *os.File
}

func openLogFile(name string) (*reopenedFile, error) {
	r := &reopenedFile{name: name}
	if err := r.reopen(); err != nil {
		return nil, err
	}
	return r, nil
}

func (r *reopenedFile) reopen() error {
	file, err := os.OpenFile(r.name, os.O_APPEND|os.O_CREATE|os.O_WRONLY, logMode)
	if err != nil {
		return fmt.Errorf("log file: %w", err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.file != nil {
		_ = r.file.Close()
	}
	r.file = file
	return nil
}

func (r *reopenedFile) Write(b []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.file.Write(b)
}

// Close ends it; there is nothing to write to afterwards.
func (r *reopenedFile) Close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.file.Close()
}
