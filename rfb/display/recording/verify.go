package recording

import (
	"crypto/ed25519"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"time"

	"filippo.io/age"
)

// VerifyOptions say how a recording is verified.
type VerifyOptions struct {
	// Identities are the keys for a recording that is encrypted.
	Identities []age.Identity
	// Keys are those whose signature is trusted; none: a recording may be signed
	// by anybody, and who is said.
	Keys []ed25519.PublicKey
	// Files is where the recording is; nil: in the folder that its name says.
	Files Files
	// Progress, if set, is told how many bytes of both files have been looked at.
	Progress func(done, all int64)
}

// A Report says what Verify has found.
type Report struct {
	Name     string        `json:"name"` // of the display's file
	Meta     Meta          `json:"meta"`
	Duration time.Duration `json:"duration"`
	Reason   string        `json:"reason,omitempty"` // why the session ended
	// Closed says that the recording was ended properly. Without it the recording
	// is still being written, or whoever wrote it died, or its end was cut off.
	Closed bool `json:"closed"`
	// Signed says that there are signatures, by the key that Meta names; Trusted
	// that this is one of the Keys.
	Signed  bool `json:"signed"`
	Trusted bool `json:"trusted"`
	// Good is up to when nothing has been found, and nothing lacks a seal.
	Good     time.Duration `json:"good"`
	Records  int           `json:"records"`
	Seals    int           `json:"seals"`
	Problems []Problem     `json:"problems,omitempty"`
}

// A Problem is something in a recording that is not as it was written.
type Problem struct {
	// File is "display" or "index", Byte where in it: without age, where it is
	// encrypted. The problem lies between Byte and the next seal.
	File string        `json:"file"`
	Byte int64         `json:"byte"`
	At   time.Duration `json:"at"` // all before it is good
	What string        `json:"what"`
}

func (p Problem) String() string {
	return fmt.Sprintf("%s, from byte %d on (%s): %s", p.File, p.Byte, p.At.Round(time.Millisecond), p.What)
}

// Intact reports whether the recording is as it was written, to its end.
func (r *Report) Intact() bool { return r.Closed && len(r.Problems) == 0 }

// Verify reads all of a recording and says whether it is as it was written. Where
// nobody signed it, this finds what has happened by accident: whoever changes it
// can seal it again. The error is that it cannot be read at all.
func Verify(path string, o VerifyOptions) (Report, error) {
	files, file := split(path, o.Files)
	screen, index, err := names(files, file)
	if err != nil {
		return Report{}, err
	}
	v := &verifier{o: o, report: Report{Name: screen}}
	if index == "" {
		return v.report, ErrNoIndex
	}
	in, err := openSource(files, index, o.Identities)
	if err != nil {
		return v.report, err
	}
	defer in.file.Close()
	display, err := openSource(files, screen, o.Identities)
	if err != nil {
		return v.report, err
	}
	defer display.file.Close()
	v.all = in.file.Size() + display.file.Size()
	if err := v.index(in); err != nil {
		return v.report, err
	}
	if err := v.display(display); err != nil {
		return v.report, err
	}
	v.conclude()
	return v.report, nil
}

// A verifier verifies one recording.
type verifier struct {
	o         VerifyOptions
	report    Report
	done, all int64
	key       ed25519.PublicKey
	seals     []sealAt
	good      time.Duration // of the index
}

type sealAt struct {
	seal
	at time.Duration
}

func (v *verifier) problem(file string, at int64, when time.Duration, what string) {
	v.report.Problems = append(v.report.Problems, Problem{file, at, when, what})
}

func (v *verifier) progress(n int64) {
	if v.done += n; v.o.Progress != nil {
		v.o.Progress(min(v.done, v.all), v.all)
	}
}

// index reads the index up to where it ends or is not as it was written.
func (v *verifier) index(s *source) error {
	all, err := s.from(0)
	if err != nil {
		return err
	}
	in := &indexReader{in: newBuffered(all)}
	chain := sha256.New()
	chain.Write([]byte(indexMagic))
	from := int64(0) // the seal before, and what is behind it
	for {
		before := in.at
		rec, err := in.read()
		v.progress(in.at - before)
		switch {
		case errors.Is(err, ErrNoIndex):
			return err
		case cut(err):
			if v.report.Closed && in.at > from {
				v.problem("index", from, v.good, "something stands behind its end")
			} else if v.report.Records == 0 {
				return fmt.Errorf("%w: it is empty", ErrNoIndex)
			}
			return nil
		case err != nil:
			at := before
			if bad, ok := errors.AsType[*indexError](err); ok {
				at = bad.at
			}
			v.problem("index", at, v.good, err.Error())
			return nil
		}
		if v.report.Closed {
			v.problem("index", from, v.good, "records stand behind its end")
			return nil
		}
		v.report.Records++
		v.report.Duration = max(v.report.Duration, rec.at)
		if rec.kind != TypeSeal {
			chain.Write(in.raw())
			if !v.record(rec) {
				return nil
			}
			continue
		}
		if !v.seal(rec, in.raw(), chain, from) {
			return nil
		}
		from = rec.end
	}
}

// record looks at a record that is no seal.
func (v *verifier) record(rec record) bool {
	switch rec.kind {
	case TypeMeta:
		m, err := parseMeta(rec.body)
		if err != nil {
			v.problem("index", rec.start, v.good, err.Error())
			return false
		}
		v.report.Meta = m
		if m.Key != "" {
			if v.key, err = ParsePublicKey(m.Key); err != nil {
				v.problem("index", rec.start, v.good, err.Error())
				return false
			}
		}
	case TypeReason:
		v.report.Reason = string(rec.body)
	}
	return true
}

// seal looks at a seal, which stands for all from from on.
func (v *verifier) seal(rec record, raw []byte, chain hash.Hash, from int64) bool {
	s, err := parseSeal(rec.body)
	if err != nil {
		v.problem("index", rec.start, v.good, err.Error())
		return false
	}
	chain.Write(raw[:recordHead+sealChainAt])
	if sum(chain) != s.chain {
		v.problem("index", from, v.good, "it is not what was sealed: something was changed, added or taken out")
		return false
	}
	chain.Write(raw[recordHead+sealChainAt:])
	if v.key != nil && !ed25519.Verify(v.key, s.signed(), s.signature[:]) {
		v.problem("index", rec.start, v.good, "the signature is not that of the key that the recording names")
		return false
	}
	v.report.Seals++
	v.report.Signed = v.key != nil
	v.report.Closed = s.last
	v.good = rec.at
	v.seals = append(v.seals, sealAt{s, rec.at})
	return true
}

// display compares the display's file with the seals.
func (v *verifier) display(s *source) error {
	in, err := s.from(0)
	if err != nil {
		return err
	}
	h := sha256.New()
	var at int64
	var good time.Duration
	defer func() { v.report.Good = good }()
	for _, seal := range v.seals {
		h.Reset()
		n, err := io.CopyN(h, in, seal.disk-at)
		v.progress(n)
		switch {
		case seal.disk < at:
			v.problem("display", at, good, "its seals are not in order")
			return nil
		case err != nil && !cut(err):
			v.problem("display", at+n, good, err.Error())
			return nil
		case err != nil:
			v.problem("display", at+n, good, fmt.Sprintf("it is cut: %d bytes and more are missing", seal.disk-at-n))
			return nil
		case sum(h) != seal.hash:
			v.problem("display", at, good, "it is not what was sealed: something was changed")
			return nil
		}
		at, good = seal.disk, seal.at
	}
	n, err := io.Copy(io.Discard, in)
	v.progress(n)
	switch {
	case !v.report.Closed:
	case err != nil:
		v.problem("display", at, good, err.Error())
	case n > 0:
		v.problem("display", at, good, fmt.Sprintf("%d bytes stand behind its end", n))
	}
	return nil
}

// conclude looks at the whole.
func (v *verifier) conclude() {
	r := &v.report
	for _, p := range r.Problems {
		r.Good = min(r.Good, p.At)
	}
	for _, k := range v.o.Keys {
		r.Trusted = r.Trusted || r.Signed && k.Equal(v.key)
	}
	if len(v.o.Keys) > 0 && !r.Trusted && len(r.Problems) == 0 {
		what := "nobody has signed it"
		if r.Signed {
			what = "it is signed by another key than those that are trusted: " + r.Meta.Key
		}
		v.problem("index", 0, 0, what)
		r.Good = 0
	}
}
