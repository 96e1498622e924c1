// Package audit writes down what a gateway does, so that it can be shown later
// that nothing was changed or left out.
//
// A log is lines of JSON, one for each event, in the form of Record. The last
// member of a line is its hash: SHA-256 over the hash of the line before and the
// line without that member. Whoever changes, removes, puts in or exchanges a
// line has to change all behind it; a Verifier says which line is the first that
// does not fit. A file begins with the record AUDIT_BEGIN, which holds the hash
// that the file before ended with, and ends with AUDIT_END when it is finished,
// by its size, its age, or the end of the program. A crash may leave half a line:
// it is removed at the next start, and AUDIT_TORN says so. What a hash cannot
// show is that the end of the newest file was cut off at a line: note its last
// hash elsewhere for that, or have the lines sent to syslog or the journal, too.
//
//	log, err := audit.Open(audit.Config{File: &audit.FileConfig{Path: "/var/log/vncgate/audit.log"}})
//	g.Observe = log.Observe
//	...
//	log.Close()
//
// Events are queued, and a goroutine writes them in batches: a disk that is slow
// or full keeps nobody waiting. What does not fit in the queue is counted, and
// AUDIT_LOST says how many were lost as soon as something can be written again.
package audit

import (
	"errors"
	"fmt"
	"io/fs"
	"sync"
	"sync/atomic"
	"time"

	"vncgate/gateway"
)

const (
	// queueLen is how many events may wait to be written.
	queueLen = 8192
	// batchLen is how many are written and brought to the disk at once.
	batchLen = 512
	// again is how often writing is tried while it fails, and the files' age is
	// looked at.
	again = time.Second
)

// Config says where a log is written to. Without a File, each process has a
// chain of its own.
type Config struct {
	// File is nil for none.
	File *FileConfig
	// Send are given each line beside that, without its end, such as to send it
	// to syslog or the journal. They may take a moment. What cannot be sent is
	// not tried again.
	Send []func(kind string, line []byte) error
	// Failing is told, in order, when lines can no longer be written or sent, and
	// with nil when they can again. It must not wait for the log.
	Failing func(error)
	// Skip leaves events out; nil: none.
	Skip func(*gateway.Event) bool
}

// Log is a log that is written to.
type Log struct {
	cfg     Config
	file    *file // nil: none
	at      chain // without a file
	begun   bool
	queue   chan Record
	lost    atomic.Int64
	crowd   crowd
	since   atomic.Int64 // when the write under way began, in ns; 0: none is
	failing sync.Mutex
	failure atomic.Pointer[error]
	closing sync.Once
	stop    chan struct{}
	done    chan struct{}
}

// ErrFull says that events have been lost since they could not be written as
// fast as they came.
var ErrFull = errors.New("audit: events come faster than they can be written")

// Open begins to write. It fails if that cannot be done now; later failures are
// Config.Failing's.
func Open(cfg Config) (*Log, error) {
	l := &Log{cfg: cfg, queue: make(chan Record, queueLen), stop: make(chan struct{}), done: make(chan struct{})}
	if cfg.File != nil {
		f := *cfg.File
		if f.Mode == 0 {
			f.Mode = fs.FileMode(0o600)
		}
		if f.MaxSize <= 0 {
			f.MaxSize = defaultMaxSize
		}
		l.file = &file{cfg: f}
	}
	if _, _, err := l.write(nil); err != nil {
		return nil, fmt.Errorf("audit: %w", err)
	}
	go l.run()
	return l, nil
}

// Observe queues an event. It never waits.
func (l *Log) Observe(e gateway.Event) {
	if l.cfg.Skip != nil && l.cfg.Skip(&e) || !l.crowd.admit(&e) {
		return
	}
	l.put(recordOf(&e))
}

func (l *Log) put(r Record) {
	select {
	case l.queue <- r:
	default:
		if l.lost.Add(1) == 1 && l.failing.TryLock() { // else somebody is telling of a failure, or of its end, by way of us
			l.tell(ErrFull)
			l.failing.Unlock()
		}
	}
}

// Err is why events cannot be written now, nil if they can.
func (l *Log) Err() error {
	if err := l.failure.Load(); err != nil {
		return *err
	}
	if l.lost.Load() > 0 {
		return ErrFull
	}
	if since := l.since.Load(); since != 0 && time.Since(time.Unix(0, since)) > patience {
		return errSlow
	}
	return nil
}

// patience is how long one write may take before it counts as failing: a disk
// that does not answer gives no error.
const patience = 10 * time.Second

var errSlow = errors.New("audit: the disk has not answered for too long")

// fail notes a failure, and tells of it unless it is known.
func (l *Log) fail(err error) {
	l.failing.Lock()
	defer l.failing.Unlock()
	l.tell(err)
}

// tell is fail with l.failing held.
func (l *Log) tell(err error) {
	if before := l.failure.Load(); before != nil && (*before).Error() == err.Error() {
		return
	}
	l.failure.Store(&err)
	if l.cfg.Failing != nil {
		l.cfg.Failing(err)
	}
}

// recovered notes, and tells, that there is no failure any more.
func (l *Log) recovered() {
	l.failing.Lock()
	defer l.failing.Unlock()
	if l.failure.Swap(nil) != nil && l.cfg.Failing != nil {
		l.cfg.Failing(nil)
	}
}

// Queued returns how many events wait to be written, and Lost how many have been
// lost since the last record of that.
func (l *Log) Queued() int { return len(l.queue) }

// Lost is for metrics, as Queued is.
func (l *Log) Lost() int64 { return l.lost.Load() }

// Close writes what is queued, and returns when it has been written or cannot
// be. What is observed later is lost.
func (l *Log) Close() error {
	l.closing.Do(func() { close(l.stop) })
	<-l.done
	return l.Err()
}

// run is the one that writes.
func (l *Log) run() {
	defer close(l.done)
	tick := time.NewTicker(again)
	defer tick.Stop()
	var batch []Record
	for {
		var more <-chan Record
		if len(batch) == 0 { // else the queue holds what comes until this is written
			more = l.queue
		}
		select {
		case r := <-more:
			batch = l.fill(append(batch, r))
		case <-tick.C:
			for _, r := range l.crowd.rest() {
				l.put(r)
			}
		case <-l.stop:
			l.finish(l.fill(batch))
			return
		}
		if l.settle(batch) {
			batch = batch[:0]
		}
	}
}

// settle writes a batch and tells how that went. It reports whether the batch is
// done with. That there was nothing to write says nothing of those that lines
// are sent to.
func (l *Log) settle(batch []Record) (done bool) {
	lines, done, err := l.write(batch)
	switch {
	case err != nil:
		l.fail(err)
	case lines > 0 || len(l.cfg.Send) == 0:
		l.recovered()
	}
	return done
}

// fill takes what else waits.
func (l *Log) fill(batch []Record) []Record {
	for len(batch) < batchLen {
		select {
		case r := <-l.queue:
			batch = append(batch, r)
		default:
			return batch
		}
	}
	return batch
}

// finish writes all that is there, and the last record.
func (l *Log) finish(batch []Record) {
	for _, r := range l.crowd.rest() {
		l.put(r)
	}
	for {
		if !l.settle(batch) {
			return
		}
		if batch = l.fill(batch[:0]); len(batch) == 0 {
			break
		}
	}
	l.settle([]Record{{Event: End, Time: time.Now(), Reason: "closed"}})
	if l.file != nil {
		l.file.close()
	}
}
