package main

import (
	"errors"
	"fmt"
	"io/fs"
	"time"

	"vncgate/auth"
	"vncgate/gateway/audit"
)

// auditConfig is where it is written down what the gateway does.
type auditConfig struct {
	File      string   `yaml:"file,omitempty"`
	Mode      fileMode `yaml:"mode,omitempty"`     // of the files; default: 0600
	MaxSize   fileSize `yaml:"max_size,omitempty"` // default: 64MiB
	MaxAge    days     `yaml:"max_age,omitempty"`  // default: any
	Keep      int      `yaml:"keep,omitempty"`     // finished files; default: all
	NoSync    bool     `yaml:"no_sync,omitempty"`  // leave it to the system when lines reach the disk
	Syslog    string   `yaml:"syslog,omitempty"`   // /dev/log, or host:port by UDP
	Journal   bool     `yaml:"journal,omitempty"`
	OnFailure string   `yaml:"on_failure,omitempty"` // stop (default): let nobody in; alarm: go on
	Running   string   `yaml:"running,omitempty"`    // sessions that are up then, where it is stop: keep (default) or end
}

// What the gateway does when it cannot write.
const (
	auditStop  = "stop"
	auditAlarm = "alarm"
	auditKeep  = "keep"
	auditEnd   = "end"
)

func (a *auditConfig) validate() error {
	switch {
	case a == nil:
		return nil
	case a.File == "" && a.Syslog == "" && !a.Journal:
		return errors.New("says nowhere to write to; set file, syslog or journal")
	case a.File == "" && (a.Mode != 0 || a.MaxSize != 0 || a.MaxAge != 0 || a.Keep != 0 || a.NoSync):
		return errors.New("mode, max_size, max_age, keep and no_sync are those of a file, and there is none")
	case a.Keep < 0:
		return errors.New("keep: must not be negative")
	case a.OnFailure != "" && a.OnFailure != auditStop && a.OnFailure != auditAlarm:
		return fmt.Errorf("on_failure: %w", notOneOf("setting", a.OnFailure, []string{auditStop, auditAlarm}))
	case a.Running != "" && a.Running != auditKeep && a.Running != auditEnd:
		return fmt.Errorf("running: %w", notOneOf("setting", a.Running, []string{auditKeep, auditEnd}))
	case a.Running != "" && a.OnFailure == auditAlarm:
		return errors.New("running: sessions go on by on_failure: alarm; leave it out")
	}
	return nil
}

// stops reports whether nobody is let in while nothing can be written.
func (a *auditConfig) stops() bool { return a.OnFailure != auditAlarm }

// file is nil for none.
func (a *auditConfig) file() *audit.FileConfig {
	if a.File == "" {
		return nil
	}
	return &audit.FileConfig{
		Path: a.File, Mode: fs.FileMode(a.Mode), MaxSize: int64(a.MaxSize), MaxAge: time.Duration(a.MaxAge), Keep: a.Keep, NoSync: a.NoSync,
	}
}

// fileSize is a number of bytes, with a unit or without.
type fileSize int64

// UnmarshalYAML reads 64MiB.
func (s *fileSize) UnmarshalYAML(b []byte) error {
	n, err := auth.ParseSize(unquoted(b))
	if err != nil {
		return err
	}
	*s = fileSize(n)
	return nil
}

// MarshalYAML writes it as it is read.
func (s fileSize) MarshalYAML() ([]byte, error) { return []byte(auth.FormatSize(int64(s))), nil }
