package control

import (
	"bytes"
	"encoding/json"
	"strings"
	"time"
)

// maxLine is how long a line to a client may be, its end included: what readers
// of lines take that nobody has told otherwise (Go's bufio.Scanner).
const maxLine = 64<<10 - 1

// answer is the line for a result or an error.
func answer(id json.RawMessage, result any, err error) []byte {
	if err == nil {
		if line, fits := line(id, "return", result); fits {
			return line
		}
		err = generic("the answer is too long for a line; ask for less (limit)")
	}
	told := ErrorOf(err)
	line, _ := line(id, "error", Error{Class: told.Class, Desc: clip(told.Desc)})
	return line
}

// maxDesc is how long an error's words may be.
const maxDesc = 4 << 10

func clip(text string) string {
	if len(text) > maxDesc {
		return strings.ToValidUTF8(text[:maxDesc], "") + "…"
	}
	return text
}

// line writes an object in ASCII: {"return": …, "id": …}.
func line(id json.RawMessage, key string, value any) (b []byte, fits bool) {
	body, err := encode(value)
	if err != nil {
		key, body = "error", []byte(`{"class":"GenericError","desc":"the answer cannot be written as JSON"}`)
	}
	b = append(b, `{"`+key+`": `...)
	b = append(b, escaped(body)...)
	if id != nil {
		b = append(b, `, "id": `...)
		b = append(b, escaped(id)...)
	}
	b = append(b, "}\r\n"...)
	return b, len(b) <= maxLine
}

// encode is JSON without the escapes that are for HTML.
func encode(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	err := e.Encode(v)
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), err
}

// greeting is the first line.
func greeting(v Version) []byte {
	type numbers struct {
		Micro int `json:"micro"`
		Minor int `json:"minor"`
		Major int `json:"major"`
	}
	type version struct {
		QEMU    numbers `json:"qemu"`
		Package string  `json:"package"`
	}
	b, _ := line(nil, "QMP", struct {
		Version      version  `json:"version"`
		Capabilities []string `json:"capabilities"`
	}{version{numbers{v.Micro, v.Minor, v.Major}, v.Package}, []string{capabilityOOB}})
	return b
}

// timestamp is QMP's.
type timestamp struct {
	Seconds      int64 `json:"seconds"`
	Microseconds int64 `json:"microseconds"`
}

// event is the line for an event, nil if it is too long.
func event(at time.Time, name string, data any) []byte {
	body, err := encode(struct {
		Timestamp timestamp `json:"timestamp"`
		Event     string    `json:"event"`
		Data      any       `json:"data,omitempty"`
	}{timestamp{at.Unix(), int64(at.Nanosecond() / 1000)}, name, data})
	b := append(escaped(body), "\r\n"...)
	if err != nil || len(b) > maxLine {
		return nil
	}
	return b
}
