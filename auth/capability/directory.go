package capability

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"vncgate/auth"
)

// The names in a store's directory. Each token has a file, which only its
// issue, its renewals and its uses change; revocations are in one file, which
// is all that a review of many sessions has to look at.
const (
	lockFile     = "lock"
	revokedFile  = "revoked.json"
	sweptFile    = "swept"
	tokensDir    = "tokens"
	runningDir   = "running"
	recordSuffix = ".json"
)

// directory keeps a store. Any number of processes may use it
// at the same time; each change is made under a lock, and lasts through a crash
// once the call has returned.
type directory struct {
	dir     string
	cfg     StoreConfig
	revoked *auth.Watched[*revocations]

	mu   sync.Mutex // one writer of this process waits for the others
	name string     // of this process's lock in running; "": no session has begun
	end  func()     // drops that lock

	stop    context.CancelFunc
	stopped sync.WaitGroup
}

func openDirectory(dir string, cfg StoreConfig) (*directory, error) {
	f := &directory{dir: dir, cfg: cfg}
	if err := f.prepare(); err != nil {
		return nil, fmt.Errorf("store %s: %w", dir, err)
	}
	var err error
	if f.revoked, err = auth.Watch("revocations", f.path(revokedFile), maxRevokedFile, parseRevocations); err != nil {
		return nil, err
	}
	ctx, stop := context.WithCancel(context.Background())
	f.stop = stop
	if cfg.OnChange != nil {
		before := f.current() // nothing is missed once the caller has the store
		f.stopped.Go(func() { f.watch(ctx, before) })
	}
	return f, nil
}

func (f *directory) prepare() error {
	for _, dir := range []string{f.dir, f.path(tokensDir), f.path(runningDir)} {
		if err := makeDir(dir); err != nil {
			return err
		}
	}
	if exists(f.path(revokedFile)) {
		return nil
	}
	return f.locked(func() error {
		if exists(f.path(revokedFile)) {
			return nil // another process was quicker
		}
		return writeFile(f.path(revokedFile), (&revocations{}).format())
	})
}

func (f *directory) close() error {
	f.stop()
	f.stopped.Wait()
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.end != nil {
		os.Remove(f.path(runningDir, f.name))
		f.end()
		f.name, f.end = "", nil
	}
	return nil
}

func (f *directory) path(names ...string) string {
	return filepath.Join(append([]string{f.dir}, names...)...)
}

func (f *directory) recordPath(id string) string { return f.path(tokensDir, id+recordSuffix) }

// locked does what no two processes may do at once.
func (f *directory) locked(do func() error) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	unlock, err := lock(f.path(lockFile))
	if err != nil {
		return err
	}
	defer unlock()
	return do()
}

func (f *directory) records() (list []*record, failed error) {
	ids, err := f.ids()
	if err != nil {
		return nil, err
	}
	for _, id := range ids {
		switch r, err := f.read(id); {
		case err == nil:
			list = append(list, r)
		case exists(f.recordPath(id)): // it was not swept meanwhile
			failed = errors.Join(failed, err)
		}
	}
	return list, failed
}

// ids names the tokens that have files.
func (f *directory) ids() ([]string, error) {
	entries, err := os.ReadDir(f.path(tokensDir))
	if err != nil {
		return nil, fmt.Errorf("capability: store: %w", err)
	}
	var ids []string
	for _, e := range entries {
		if id, ok := strings.CutSuffix(e.Name(), recordSuffix); ok && validID(id) {
			ids = append(ids, id)
		}
	}
	return ids, nil
}

func (f *directory) add(r *record) error {
	return f.locked(func() error {
		if err := f.sweepSometimes(); err != nil {
			return err
		}
		ids, err := f.ids()
		if err != nil {
			return err
		}
		if len(ids) >= maxTokens {
			return errManyTokens(len(ids))
		}
		return f.write(r)
	})
}

func (f *directory) update(id string, change func(*record) error) error {
	return f.locked(func() error {
		r, err := f.read(id)
		if err != nil {
			return err
		}
		if err := change(r); err != nil {
			return err
		}
		return f.write(r)
	})
}

// owe has nothing to do: a folder can always be reached.
func (f *directory) owe(string, func(*record) error) {}

// sweepSometimes sweeps if nobody has for a while.
func (f *directory) sweepSometimes() error {
	info, err := os.Stat(f.path(sweptFile))
	if err == nil && f.cfg.Now().Sub(info.ModTime()).Abs() < sweepEvery {
		return nil
	}
	if err := f.sweepAll(f.cfg.Now()); err != nil {
		return err
	}
	return writeFile(f.path(sweptFile), nil)
}

func (f *directory) sweep(now time.Time) error {
	return f.locked(func() error { return f.sweepAll(now) })
}

// sweepAll is called under the lock.
func (f *directory) sweepAll(now time.Time) error {
	ids, err := f.ids()
	if err != nil {
		return err
	}
	for _, id := range ids {
		if r, err := f.read(id); err == nil && !now.Before(moment(r.Claims.Expires)) {
			os.Remove(f.recordPath(id))
		}
	}
	for _, dir := range []string{f.dir, f.path(tokensDir), f.path(runningDir)} {
		removeLeftovers(dir, now)
	}
	f.sweepRunning()
	return f.sweepRevoked(now)
}

// removeLeftovers removes files that a crash kept from being finished.
func removeLeftovers(dir string, now time.Time) {
	entries, _ := os.ReadDir(dir)
	for _, e := range entries {
		info, err := e.Info()
		if err == nil && strings.HasPrefix(e.Name(), tempPrefix) && now.Sub(info.ModTime()) > sweepEvery {
			os.Remove(filepath.Join(dir, e.Name()))
		}
	}
}

// read returns the record of a token, as it is on the disk now.
func (f *directory) read(id string) (*record, error) {
	if !validID(id) {
		return nil, refused("its ID is not one")
	}
	text, err := readFile(f.recordPath(id), maxRecordFile)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, refused("the store does not know it")
	case err != nil:
		return nil, fmt.Errorf("capability: store: %w", err)
	}
	r, err := parseRecordOf(id, text)
	if err != nil {
		return nil, fmt.Errorf("capability: store: %s: %w", f.recordPath(id), err)
	}
	return r, nil
}

func (f *directory) recall(id string) (*record, error) { return f.read(id) }

func (f *directory) write(r *record) error {
	return writeFile(f.recordPath(r.Claims.ID), r.format())
}

// begin makes this process's own lock, by which others see whether its sessions
// still run. The store's lock is held: nobody takes the file for a dead one's
// before it is locked.
func (f *directory) begin() (err error) {
	if f.name != "" {
		return nil
	}
	name := rand.Text()
	if f.end, err = lock(f.path(runningDir, name)); err != nil {
		return err
	}
	f.name = name
	return nil
}

func (f *directory) instance() string { return f.name }

// lapsed is never: a lock ends with the process.
func (f *directory) lapsed() bool { return false }

func (f *directory) alive(name string) bool {
	if !validID(name) {
		return false
	}
	file, err := os.OpenFile(f.path(runningDir, name), os.O_RDWR, 0)
	if err != nil {
		return !errors.Is(err, fs.ErrNotExist)
	}
	defer file.Close()
	release, err := tryLock(file)
	if err != nil {
		return true
	}
	release()
	return false
}

// sweepRunning removes the locks of processes that crashed.
func (f *directory) sweepRunning() {
	entries, _ := os.ReadDir(f.path(runningDir))
	for _, e := range entries {
		if validID(e.Name()) && e.Name() != f.name && !f.alive(e.Name()) {
			os.Remove(f.path(runningDir, e.Name()))
		}
	}
}

// revoke notes one in the place of those that it includes.
func (f *directory) revoke(one revoked) error {
	return f.editRevoked(func(all *revocations) error {
		all.list = slices.DeleteFunc(all.list, func(old revoked) bool { return one.includes(old.Revocation) })
		if len(all.list) >= maxRevocations {
			return errManyRevocations
		}
		all.list = append(all.list, one)
		return nil
	})
}

func (f *directory) current() *revocations {
	all, err := f.revoked.Current()
	if err != nil && f.cfg.Report != nil {
		f.cfg.Report(fmt.Errorf("capability: %w", err))
	}
	return all
}

// watch calls OnChange when the file says something else than before, until ctx
// ends.
func (f *directory) watch(ctx context.Context, before *revocations) {
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		now := f.current()
		if now != before && !slices.Equal(now.list, before.list) {
			f.cfg.OnChange()
		}
		before = now
	}
}

// editRevoked changes the file under the lock.
func (f *directory) editRevoked(change func(*revocations) error) error {
	return f.locked(func() error { return f.rewriteRevoked(change) })
}

func (f *directory) rewriteRevoked(change func(*revocations) error) error {
	text, err := readFile(f.path(revokedFile), maxRevokedFile)
	if err != nil {
		return err
	}
	all, err := parseRevocations(text)
	if err != nil {
		return fmt.Errorf("%s: %w", f.path(revokedFile), err)
	}
	if err := change(all); err != nil {
		return err
	}
	return writeFile(f.path(revokedFile), all.format())
}

// sweepRevoked forgets the revocations of tokens that have ended.
func (f *directory) sweepRevoked(now time.Time) error {
	gone := func(one revoked) bool { return !now.Before(one.until) }
	if !slices.ContainsFunc(f.current().list, gone) {
		return nil
	}
	return f.rewriteRevoked(func(all *revocations) error {
		all.list = slices.DeleteFunc(all.list, gone)
		return nil
	})
}
