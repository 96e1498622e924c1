package archive

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

const (
	// mostAtOnce is how many recordings a Sweep removes before others get a turn at
	// the disk, for rest.
	mostAtOnce = 50
	rest       = 100 * time.Millisecond
	// lookEvery is the least time between two looks at the folder for room.
	lookEvery = time.Second
	// settleTime is how long the clock must have run on evenly before anything is
	// removed for its age, and mostDrift by how much it may differ from that: a
	// clock that was set wrong must not cost the recordings of years.
	settleTime = 15 * time.Minute
	mostDrift  = time.Minute
)

// kept is a recording that has ended.
type kept struct {
	name  string
	files []string
	bytes int64
	ended time.Time
	keep  string // the file that says how long it lives, or ""
}

// look finds out what there is; f.mu is held. It reads names and sizes alone.
func (f *Folder) look() error {
	dir, err := os.Open(f.path)
	if err != nil {
		return fmt.Errorf("archive: %w", err)
	}
	defer dir.Close()
	all, used := map[string]*kept{}, int64(0)
	for {
		entries, err := dir.ReadDir(1000)
		for _, e := range entries {
			used += add(all, e)
		}
		if err == io.EOF {
			break
		}
		if err != nil {
			return fmt.Errorf("archive: %w", err)
		}
	}
	f.used, f.aged = used, f.aged[:0]
	_, f.looked = f.clock()
	for name, k := range all {
		if _, open := f.open[name]; !open {
			f.aged = append(f.aged, *k)
		}
	}
	slices.SortFunc(f.aged, func(a, b kept) int { return cmp.Or(a.ended.Compare(b.ended), strings.Compare(a.name, b.name)) })
	return nil
}

// add adds a file to the recordings; what is none of theirs is let alone.
func add(all map[string]*kept, e fs.DirEntry) int64 {
	name, suffix, ok := strings.Cut(e.Name(), ".")
	if !ok || !ours("."+suffix) || !goodName(name) {
		return 0
	}
	info, err := e.Info()
	if err != nil || !info.Mode().IsRegular() {
		return 0
	}
	k := all[name]
	if k == nil {
		k = &kept{name: name}
		all[name] = k
	}
	k.files = append(k.files, e.Name())
	k.bytes += info.Size()
	if info.ModTime().After(k.ended) {
		k.ended = info.ModTime()
	}
	if "."+suffix == suffixKeep {
		k.keep = e.Name()
	}
	return info.Size()
}

// ours reports whether a file of a recording ends like that.
func ours(suffix string) bool {
	return suffix == suffixKeep || strings.HasPrefix(suffix, ".fbs") || strings.HasPrefix(suffix, ".index")
}

// makeRoom removes the oldest until so many bytes are free, if that can be; f.mu is
// held. It looks at the folder again where what it knows is not enough.
func (f *Folder) makeRoom(bytes int64) bool {
	cfg := f.cfg.Load()
	if !cfg.Remove || cfg.Room <= 0 {
		return false
	}
	for again := true; ; again = false {
		for i := 0; bytes > 0 && i < len(f.aged); {
			k := f.aged[i]
			if !f.written(&k) && f.remove(&k, "room") {
				f.aged = slices.Delete(f.aged, i, i+1)
				f.used -= k.bytes
				bytes -= k.bytes
				continue
			}
			i++
		}
		if _, up := f.clock(); bytes <= 0 || !again || up-f.looked < lookEvery {
			return bytes <= 0
		}
		before := f.used
		if f.look() != nil {
			return false
		}
		bytes -= before - f.used
	}
}

// Sweep removes what has lived for long enough and what there is no room for. It
// works in portions, and returns what kept it from that.
func (f *Folder) Sweep(ctx context.Context) error {
	f.mu.Lock()
	wall, up := f.clock()
	settled := f.settles.even(wall, up)
	err := f.look()
	room := f.cfg.Load().Room
	over := f.used - room
	aged := slices.Clone(f.aged)
	f.mu.Unlock()
	if err != nil {
		return err
	}
	if settled {
		f.removeOld(ctx, aged, wall)
	}
	for room > 0 && over > 0 && ctx.Err() == nil {
		f.mu.Lock()
		over = f.used - room
		made := over <= 0 || f.makeRoom(min(over, 1<<30))
		f.mu.Unlock()
		if !made {
			break
		}
	}
	return ctx.Err()
}

// removeOld removes those that have lived for long enough.
func (f *Folder) removeOld(ctx context.Context, aged []kept, now time.Time) {
	removed := 0
	for i := range aged {
		k := &aged[i]
		keep, err := f.lives(k)
		if err != nil {
			f.fail(err)
			continue
		}
		if keep <= 0 || now.Sub(k.ended) < keep {
			continue
		}
		f.mu.Lock()
		if _, open := f.open[k.name]; !open && !f.written(k) && f.remove(k, "age") {
			f.used -= k.bytes
			f.aged = slices.DeleteFunc(f.aged, func(o kept) bool { return o.name == k.name })
			removed++
		}
		f.mu.Unlock()
		if removed%mostAtOnce == mostAtOnce-1 {
			select {
			case <-ctx.Done():
				return
			case <-time.After(rest):
			}
		}
	}
}

// lives is how long a recording does.
func (f *Folder) lives(k *kept) (time.Duration, error) {
	if k.keep == "" {
		return f.cfg.Load().Keep, nil
	}
	b, err := os.ReadFile(filepath.Join(f.path, k.keep))
	if err != nil {
		return 0, fmt.Errorf("archive: %w", err)
	}
	keep, err := time.ParseDuration(strings.TrimSpace(string(b)))
	if err != nil || keep <= 0 {
		return 0, fmt.Errorf("archive: %s does not say how long its recording lives; remove both, or write a duration such as 720h into it", k.keep)
	}
	return keep, nil
}

// written reports whether somebody writes to a recording.
func (f *Folder) written(k *kept) bool {
	if _, open := f.open[k.name]; open {
		return true
	}
	return slices.ContainsFunc(k.files, func(name string) bool { return written(filepath.Join(f.path, name)) })
}

// remove removes all files of a recording, and tells.
func (f *Folder) remove(k *kept, reason string) bool {
	for _, name := range k.files {
		if err := os.Remove(filepath.Join(f.path, name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			f.fail(fmt.Errorf("archive: %w", err))
			return false
		}
	}
	if told := f.cfg.Load().Removed; told != nil {
		told(Removed{Name: k.name, Reason: reason, Bytes: k.bytes, Ended: k.ended})
	}
	return true
}

func (f *Folder) fail(err error) {
	if told := f.cfg.Load().Failed; told != nil {
		told(err)
	}
}

// clockWatch tells a clock that runs from one that was set.
type clockWatch struct {
	wall  time.Time
	up    time.Duration
	since time.Duration // when it was found to run evenly
}

// even reports whether the clock has run as time does for long enough.
func (c *clockWatch) even(wall time.Time, up time.Duration) bool {
	drift := wall.Sub(c.wall) - (up - c.up)
	if c.wall.IsZero() || drift.Abs() > mostDrift {
		c.since = up
	}
	c.wall, c.up = wall, up
	return up-c.since >= settleTime
}
