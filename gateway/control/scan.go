package control

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"unicode/utf8"
)

const (
	// maxRequest is how many bytes a value may have that a client sends.
	maxRequest = 64 << 10
	// maxDepth is how deep its objects and arrays may nest.
	maxDepth = 1024
)

var (
	errTooLong   = fmt.Errorf("JSON value is longer than %d bytes", maxRequest)
	errTooDeep   = fmt.Errorf("JSON nesting depth limit exceeded: %d", maxDepth)
	errBracket   = errors.New("JSON parse error, a bracket closes what is not open")
	errDuplicate = errors.New("JSON parse error, duplicate key")
)

// scanner cuts a stream of bytes into JSON values, in whatever pieces it comes
// and whether or not there is a line end behind them (docs/interop/qmp-spec.rst,
// "Forcing the JSON parser into known-good state"). Strings may be in single
// quotes. A control character where none may be, or 0xFF, begins anew.
//
// Memory is held for one value of maxRequest bytes at most; one that is longer,
// or nests deeper than maxDepth, is an error when that shows, and is passed over
// to its end.
type scanner struct {
	state   scanState
	quote   byte // that ends the string
	escape  bool // the next byte is escaped
	depth   [2]int
	over    bool // the value is passed over
	value   []byte
	foreign bool // it has what JSON has not: single quotes
}

type scanState int

const (
	between  scanState = iota // values, or the parts of one
	inString                  // behind a quote
	inWord                    // a number or a keyword
	lost                      // behind what makes no sense, until a control character or a bracket
)

// scan takes all of b and calls emit for every value, as JSON, and every error,
// in order.
func (s *scanner) scan(b []byte, emit func(value []byte, err error)) {
	for _, c := range b {
		s.step(c, emit)
	}
}

func (s *scanner) step(c byte, emit func([]byte, error)) {
	control := c < ' ' || c >= 0xfe
	switch {
	case s.state == lost && !isBracket(c):
		if control {
			s.state = between
		}
		return
	case s.state == lost:
		s.state = between
	case s.state == inString:
		s.stepString(c, control, emit)
		return
	case s.state == inWord:
		if isWord(c) {
			s.keep(c, emit)
			return
		}
		s.state = between
		s.finish(emit)
	}
	switch {
	case c == ' ' || c == '\t' || c == '\r' || c == '\n':
		if s.inside() {
			s.keep(c, emit)
		}
	case c == '"' || c == '\'':
		s.state, s.quote = inString, c
		s.foreign = s.foreign || c == '\''
		s.keep(c, emit)
	case isBracket(c):
		s.stepBracket(c, emit)
	case c == ',' || c == ':':
		s.keep(c, emit)
		s.finish(emit)
	case isWord(c):
		s.state = inWord
		s.keep(c, emit)
	default:
		s.stray(c, control, emit)
	}
}

func (s *scanner) stepString(c byte, control bool, emit func([]byte, error)) {
	switch {
	case control:
		s.stray(c, control, emit)
		return
	case s.escape:
		s.escape = false
		s.foreign = s.foreign || c == '\''
	case c == '\\':
		s.escape = true
	case c == s.quote:
		s.state = between
		s.keep(c, emit)
		s.finish(emit)
		return
	}
	s.keep(c, emit)
}

func (s *scanner) stepBracket(c byte, emit func([]byte, error)) {
	kind, change := 0, 1
	if c == '[' || c == ']' {
		kind = 1
	}
	if c == '}' || c == ']' {
		change = -1
	}
	s.keep(c, emit)
	switch s.depth[kind] += change; {
	case s.depth[kind] < 0:
		if !s.over {
			emit(nil, errBracket)
		}
		s.reset()
	case s.depth[0]+s.depth[1] > maxDepth:
		s.passOver(errTooDeep, emit)
	default:
		s.finish(emit)
	}
}

// stray is for a byte that can stand nowhere.
func (s *scanner) stray(c byte, control bool, emit func([]byte, error)) {
	if !s.over {
		emit(nil, fmt.Errorf("JSON parse error, stray byte 0x%02x", c))
	}
	s.reset()
	if !control {
		s.state = lost
	}
}

func (s *scanner) inside() bool { return s.depth != [2]int{} }

// keep adds a byte to the value.
func (s *scanner) keep(c byte, emit func([]byte, error)) {
	switch {
	case s.over:
	case len(s.value) == maxRequest:
		s.passOver(errTooLong, emit)
	default:
		s.value = append(s.value, c)
	}
}

func (s *scanner) passOver(err error, emit func([]byte, error)) {
	if !s.over {
		emit(nil, err)
	}
	s.over, s.value = true, s.value[:0]
}

// finish ends a value that is whole.
func (s *scanner) finish(emit func([]byte, error)) {
	if s.inside() {
		return
	}
	value, over, foreign := s.value, s.over, s.foreign
	s.reset()
	if over {
		return
	}
	if foreign {
		value = doubleQuoted(value)
	}
	emit(checked(value))
}

// reset forgets the value, but for a memory that is worth keeping.
func (s *scanner) reset() {
	*s = scanner{value: s.value[:0]}
	if cap(s.value) > 4<<10 {
		s.value = nil
	}
}

func isBracket(c byte) bool { return c == '{' || c == '[' || c == '}' || c == ']' }

func isWord(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '-' || c == '+' || c == '.'
}

// checked is a copy of value if it is JSON and UTF-8.
func checked(value []byte) ([]byte, error) {
	switch {
	case !utf8.Valid(value):
		return nil, errors.New("JSON parse error, invalid UTF-8 sequence in string")
	case json.Valid(value):
		return bytes.Clone(value), nil
	}
	var v any
	return nil, fmt.Errorf("JSON parse error, %w", json.Unmarshal(value, &v))
}

// doubleQuoted writes the strings of value as JSON has them.
func doubleQuoted(value []byte) []byte {
	out := make([]byte, 0, len(value)+8)
	var quote byte
	for i := 0; i < len(value); i++ {
		c := value[i]
		switch {
		case quote == 0 && (c == '"' || c == '\''):
			quote, c = c, '"'
		case quote == 0:
		case c == '\\' && i+1 < len(value):
			i++
			if value[i] != '\'' {
				out = append(out, c)
			}
			c = value[i]
		case c == quote:
			quote, c = 0, '"'
		case c == '"':
			out = append(out, '\\')
		}
		out = append(out, c)
	}
	return out
}
