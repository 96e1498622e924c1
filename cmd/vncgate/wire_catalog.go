package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"vncgate/rfb/display/recording"
)

// recordedSession is what there is to know of a recording.
type recordedSession struct {
	Name      string    `json:"name" doc:"of the recording" of:"recording"`
	Session   string    `json:"session,omitempty" doc:"ID that the session had"`
	Target    string    `json:"target,omitempty" doc:"the display"`
	User      string    `json:"user,omitempty" doc:"the viewer"`
	From      string    `json:"from,omitempty" doc:"the viewer's address"`
	Since     time.Time `json:"since,omitzero" doc:"when it begins"`
	Seconds   float64   `json:"seconds" doc:"how long it is"`
	Bytes     int64     `json:"bytes" doc:"of its files"`
	Width     int       `json:"width,omitempty" doc:"of the picture at the beginning"`
	Height    int       `json:"height,omitempty" doc:"of the same"`
	State     string    `json:"state" doc:"whole: it was ended properly; open: it is being written, or breaks off; locked: the gateway has no key to it; broken: it cannot be played" enum:"whole,open,locked,broken"`
	Signed    bool      `json:"signed,omitempty" doc:"it names the key that it is signed with; vncgate recording verify checks that"`
	Encrypted bool      `json:"encrypted,omitempty" doc:"with age"`
	Reason    string    `json:"reason,omitempty" doc:"why the session ended"`
}

// catalog knows what recordings there are. It looks into each once, and again
// when its files have changed. The zero value is ready.
type catalog struct {
	mu   sync.Mutex
	seen map[string]catalogued // by path
}

type catalogued struct {
	stamp string
	entry recordedSession
	err   error
}

// maxCatalogued bounds what is remembered of folders.
const maxCatalogued = 20000

// recordingFile is a file of a recording, as names go.
type recordingFile struct {
	bytes     int64
	stamp     string
	encrypted bool
}

// recordingSuffixes end the names of the display's files, the longest first.
var recordingSuffixes = []string{".fbs.zst.age", ".fbs.age", ".fbs.zst", ".fbs"}

// indexSuffixes end those of the files beside them.
var indexSuffixes = []string{".index.age", ".index"}

// filesIn are the recordings of a folder by their names.
func filesIn(folder string) (map[string]recordingFile, error) {
	entries, err := os.ReadDir(folder)
	if err != nil {
		return nil, fmt.Errorf("recordings: %w", err)
	}
	all := map[string]recordingFile{}
	for _, e := range entries {
		name, display := baseOf(e.Name())
		if name == "" || !e.Type().IsRegular() || !recordingName.MatchString(name) {
			continue
		}
		info, err := e.Info()
		if err != nil {
			continue // it is gone
		}
		f := all[name]
		f.bytes += info.Size()
		f.stamp += fmt.Sprintf("%s %d %d\n", e.Name(), info.Size(), info.ModTime().UnixNano())
		if display {
			f.encrypted = strings.HasSuffix(e.Name(), ".age")
		}
		all[name] = f
	}
	for name, f := range all {
		if !hasDisplay(f.stamp, name) {
			delete(all, name)
		}
	}
	return all, nil
}

func hasDisplay(stamp, name string) bool {
	return slices.ContainsFunc(recordingSuffixes, func(s string) bool { return strings.Contains(stamp, name+s+" ") })
}

// baseOf is the name of the recording that a file is of, "" for others.
func baseOf(file string) (name string, display bool) {
	for _, s := range recordingSuffixes {
		if base, ok := strings.CutSuffix(file, s); ok {
			return base, true
		}
	}
	for _, s := range indexSuffixes {
		if base, ok := strings.CutSuffix(file, s); ok {
			return base, false
		}
	}
	return "", false
}

// all are the recordings of a folder.
func (c *catalog) all(open func(string) (*recording.Recording, error), folder string) ([]recordedSession, error) {
	files, err := filesIn(folder)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil // nothing has been recorded yet
	}
	if err != nil {
		return nil, err
	}
	list := make([]recordedSession, 0, len(files))
	for name, f := range files {
		entry, _ := c.look(open, folder, name, f)
		list = append(list, entry)
	}
	return list, nil
}

// one is a recording of a folder. The error is fs.ErrNotExist, or why it cannot be
// played.
func (c *catalog) one(open func(string) (*recording.Recording, error), folder, name string) (recordedSession, error) {
	files, err := filesIn(folder)
	if err != nil {
		return recordedSession{}, err
	}
	f, ok := files[name]
	if !ok {
		return recordedSession{}, fmt.Errorf("recording %s: %w", name, fs.ErrNotExist)
	}
	return c.look(open, folder, name, f)
}

// look looks into a recording, unless it is known.
func (c *catalog) look(open func(string) (*recording.Recording, error), folder, name string, f recordingFile) (recordedSession, error) {
	path := filepath.Join(folder, name)
	c.mu.Lock()
	known, ok := c.seen[path]
	c.mu.Unlock()
	if ok && known.stamp == f.stamp {
		return known.entry, known.err
	}
	entry, err := lookInto(open, path)
	entry.Name, entry.Bytes, entry.Encrypted = name, f.bytes, f.encrypted
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.seen == nil || len(c.seen) >= maxCatalogued {
		c.seen = map[string]catalogued{}
	}
	if !errors.Is(err, recording.ErrEncrypted) { // a key may come
		c.seen[path] = catalogued{f.stamp, entry, err}
	}
	return entry, err
}

// lookInto opens a recording to say what it is.
func lookInto(open func(string) (*recording.Recording, error), path string) (recordedSession, error) {
	r, err := open(path)
	switch {
	case errors.Is(err, recording.ErrEncrypted):
		return recordedSession{State: "locked"}, err
	case err != nil:
		return recordedSession{State: "broken"}, err
	}
	defer r.Close()
	m := r.Meta()
	entry := recordedSession{
		Session: m.Session, Target: m.Target, User: m.User, From: m.From, Since: m.Since, Seconds: r.Duration().Seconds(),
		Width: m.Width, Height: m.Height, State: "open", Signed: m.Key != "",
	}
	if closed, reason := r.Closed(); closed {
		entry.State, entry.Reason = "whole", reason
	}
	return entry, nil
}

// recordingPolicyName is what a policy calls a recording: by the display that it
// is of.
func (w *wiring) recordingPolicyName(name string) string {
	r, err := w.recorded(strings.TrimPrefix(name, recordingPrefix))
	if err != nil || r.Target == "" {
		return recordingPrefix // what no rule can mean
	}
	return recordingPrefix + inPolicy(r.Target)
}
