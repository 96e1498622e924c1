package audit

import (
	"errors"
	"os"
	"time"
)

// write writes a batch, to the file first: what is sent elsewhere has the same
// hashes. It returns how many lines that were, and whether the batch is done
// with: one that the file did not take is to be written again.
func (l *Log) write(batch []Record) (lines int, done bool, err error) {
	l.since.Store(time.Now().UnixNano())
	defer l.since.Store(0)
	if l.file == nil {
		sealed := l.seal(&l.at, batch, !l.begun, nil)
		l.begun = true
		l.told(sealed)
		return len(sealed), true, l.send(sealed)
	}
	sealed, err := l.writeFile(batch)
	if err != nil {
		return 0, false, err
	}
	return len(sealed), true, l.send(sealed)
}

// writeFile writes a batch to the file, and ends that if it is due.
func (l *Log) writeFile(batch []Record) ([]sealed, error) {
	if err := l.file.lock(); err != nil {
		return nil, err
	}
	defer func() {
		if l.file.f != nil {
			l.file.unlock()
		}
	}()
	at := l.file.at
	lines := l.seal(&at, batch, l.file.size == 0, l.file.torn)
	if err := l.file.append(join(lines)); err != nil {
		return nil, err
	}
	if l.file.begun.IsZero() {
		l.file.begun = time.Now()
	}
	l.file.at, l.file.torn = at, nil
	l.told(lines)
	return append(lines, l.rotate()...), nil
}

// sealed is a line and what it is of.
type sealed struct {
	kind string
	line []byte
	lost int64
}

// seal makes the lines of a batch, behind what has to be said before.
func (l *Log) seal(at *chain, batch []Record, begin bool, torn *Record) (lines []sealed) {
	add := func(r Record) {
		lines = append(lines, sealed{kind: r.Event, line: at.seal(r)})
	}
	if begin {
		add(l.begin(at))
	}
	if torn != nil {
		add(*torn)
	}
	for _, r := range batch {
		add(r)
	}
	if lost := l.lost.Load(); lost > 0 {
		add(Record{Event: Lost, Time: time.Now(), Count: int(lost), Error: ErrFull.Error()})
		lines[len(lines)-1].lost = lost
	}
	return lines
}

func (l *Log) begin(at *chain) Record {
	host, _ := os.Hostname()
	return Record{Event: Begin, Time: time.Now(), Previous: at.hash(), Details: map[string]string{"host": host}}
}

// told takes off what the log now says was lost.
func (l *Log) told(lines []sealed) {
	for _, s := range lines {
		l.lost.Add(-s.lost)
	}
}

func join(lines []sealed) []byte {
	var b []byte
	for _, s := range lines {
		b = append(b, s.line...)
	}
	return b
}

// send gives the lines to everybody else. What is lost without a file is lost.
func (l *Log) send(lines []sealed) error {
	var failed error
	for _, send := range l.cfg.Send {
		for i, s := range lines {
			if err := send(s.kind, s.line[:len(s.line)-1]); err != nil {
				failed = errors.Join(failed, err)
				if l.file == nil {
					l.lost.Add(int64(len(lines) - i))
				}
				break
			}
		}
	}
	return failed
}

// rotate ends a file that is due; one that cannot be ended now will be later. The
// lock is held.
func (l *Log) rotate() []sealed {
	now := time.Now()
	if !l.file.due(now) {
		return nil
	}
	at := l.file.at
	line := at.seal(Record{Event: End, Time: now, Reason: "rotated"})
	if l.file.append(line) != nil {
		return nil
	}
	l.file.at = at
	if err := l.file.finish(now); err != nil {
		l.fail(err)
	}
	return []sealed{{kind: End, line: line}}
}
