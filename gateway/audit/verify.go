package audit

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// Verified is what a log that is whole tells of itself.
type Verified struct {
	Records uint64 // read here
	Seq     uint64 // of the last one
	Hash    string // of the last one: note it elsewhere, and a later look shows whether the end was cut off
	Ended   bool   // the last record is End: nothing is missing behind it
	Torn    int    // lines that were cut off by a crash, as the log says itself
	Lost    int    // records that could not be written, as the log says itself
}

// Fault is where a log is not what was written.
type Fault struct {
	File string // as it was given
	Line int    // from 1
	Err  error  // what is wrong there
}

func (f *Fault) Error() string { return fmt.Sprintf("%s:%d: %v", f.File, f.Line, f.Err) }
func (f *Fault) Unwrap() error { return f.Err }

// What a Fault is of.
var (
	ErrChanged = errors.New("the line was changed, or one before it was changed, removed or put in: its hash does not fit")
	ErrCut     = errors.New("the line is cut off")
	ErrGap     = errors.New("the file does not go on where the one before ended: lines or files are missing in between")
	ErrStart   = errors.New("the file does not begin with " + Begin + ": its beginning is missing")
)

// Verifier checks the files of a log, oldest first. The zero value is ready.
type Verifier struct {
	at      chain
	begun   bool
	summary Verified
}

// File checks the next file. Its error is a *Fault where the log is not what was
// written, else that of reading. each, if set, is shown every record that is
// in order.
func (v *Verifier) File(name string, r io.Reader, each func(Record)) error {
	lines := bufio.NewReaderSize(r, 64<<10)
	for n := 1; ; n++ {
		line, err := readLine(lines)
		if err == io.EOF && len(line) == 0 {
			if n == 1 {
				return &Fault{name, 1, fmt.Errorf("%w (it is empty)", ErrStart)}
			}
			return nil
		}
		fault := err
		if err == nil {
			fault = v.line(line, n == 1, each)
		} else if err == io.EOF {
			fault = ErrCut
		} else if !errors.Is(err, errLong) {
			return err
		}
		if fault != nil {
			return &Fault{name, n, fault}
		}
	}
}

// Parse reads a line, without its end. It does not check the hash.
func Parse(line []byte) (r Record, err error) {
	body, _, err := split(line)
	if err == nil {
		err = json.Unmarshal(body, &r)
	}
	if err != nil {
		err = fmt.Errorf("audit: line %w", err)
	}
	return r, err
}

// Hash is that of the last line which was in order.
func (v *Verifier) Hash() string { return v.at.hash() }

// Summary is what has been checked so far.
func (v *Verifier) Summary() Verified { return v.summary }

var errLong = errors.New("is longer than any line of an audit log")

// readLine reads up to a line's end, which is not part of what it returns.
func readLine(r *bufio.Reader) ([]byte, error) {
	var line []byte
	for {
		part, err := r.ReadSlice('\n')
		if len(line)+len(part) > maxLine {
			return nil, errLong
		}
		line = append(line, part...)
		if err != bufio.ErrBufferFull {
			return bytes.TrimSuffix(line, []byte("\n")), err
		}
	}
}

// line checks one, the first of a file or not.
func (v *Verifier) line(line []byte, first bool, each func(Record)) error {
	body, hash, err := split(line)
	if err != nil {
		return err
	}
	var r Record
	if err := json.Unmarshal(body, &r); err != nil {
		return fmt.Errorf("is no record: %w", err)
	}
	if first {
		if err := v.begin(&r); err != nil {
			return err
		}
	}
	if sum(v.at.last, body) != hash || r.Seq != v.at.seq+1 {
		return ErrChanged
	}
	v.at = chain{r.Seq, hash}
	v.note(&r)
	if each != nil {
		each(r)
	}
	return nil
}

// begin takes up where the file says that the one before ended: of the first
// file that has to be believed.
func (v *Verifier) begin(r *Record) error {
	if r.Event != Begin {
		return ErrStart
	}
	before, err := parseHash(r.Previous)
	if err != nil {
		return err
	}
	if v.begun && before != v.at.last {
		return ErrGap
	}
	if !v.begun {
		v.at = chain{r.Seq - 1, before}
	}
	v.begun = true
	return nil
}

func (v *Verifier) note(r *Record) {
	s := &v.summary
	s.Records++
	s.Seq, s.Hash, s.Ended = r.Seq, v.at.hash(), r.Event == End
	switch r.Event {
	case Torn:
		s.Torn++
	case Lost:
		s.Lost += r.Count
	}
}
