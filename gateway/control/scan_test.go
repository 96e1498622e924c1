package control_test

import (
	"bytes"
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"

	"vncgate/gateway/control"
)

func whole(text string) [][]byte { return [][]byte{[]byte(text)} }

func TestScan(t *testing.T) {
	for _, tt := range []struct {
		in   string
		want []string // "!" is an error
	}{
		{`{"a":1}`, []string{`{"a":1}`}},
		{`{"a":1}{"b":2}`, []string{`{"a":1}`, `{"b":2}`}},
		{" \r\n\t{ \"a\" :\n1 }\n", []string{"{ \"a\" :\n1 }"}},
		{`{'a':'b"c'}`, []string{`{"a":"b\"c"}`}},
		{`{'a':'it\'s'}`, []string{`{"a":"it's"}`}},
		{`{"a":"it\'s '"}`, []string{`{"a":"it's '"}`}},
		{`{'a':"\\"}`, []string{`{"a":"\\"}`}},
		{`{"a":"}]\"["}`, []string{`{"a":"}]\"["}`}},
		{`[1,[2,{}]] "x" 12 true `, []string{`[1,[2,{}]]`, `"x"`, `12`, `true`}},
		{`12{}`, []string{`12`, `{}`}},
		{`12`, nil}, // there may be more of it
		{`{"a":`, nil},
		{`{"a":]{}`, []string{"!", "{}"}},
		{`}{}`, []string{"!", "{}"}},
		{`foo {}`, []string{"!", "{}"}},
		{`{"a" 1}{}`, []string{"!", "{}"}},
		{"\xff{}", []string{"!", "{}"}},
		{"{\"a\xff{}", []string{"!", "{}"}},
		{"{\"a\":\x01{}", []string{"!", "{}"}},
		{"{\"a\":#\n{}", []string{"!", "{}"}},
		{`{"a":#"x"{}`, []string{"!", "{}"}},
		{"{\"a\":\"\n\"}", []string{"!"}}, // then a string begins
		{"{\"a\":\"\xc3(\"}{}", []string{"!", "{}"}},
		{`{"a":"` + strings.Repeat("x", control.MaxRequest) + `"}{}`, []string{"!", "{}"}},
		{strings.Repeat(" ", control.MaxRequest) + `{}`, []string{"{}"}},
		{strings.Repeat("[", control.MaxDepth) + strings.Repeat("]", control.MaxDepth), []string{strings.Repeat("[", control.MaxDepth) + strings.Repeat("]", control.MaxDepth)}},
		{strings.Repeat("[", control.MaxDepth+1) + strings.Repeat("]", control.MaxDepth+1) + `{}`, []string{"!", "{}"}},
		{strings.Repeat("[", 3*control.MaxRequest), []string{"!"}},
	} {
		if got, errs := control.Scan(whole(tt.in)); !slices.Equal(got, tt.want) {
			t.Errorf("%.60q: %.200q, %q", tt.in, got, errs)
		}
	}
}

// FuzzScan: what comes out depends on the bytes and not on the pieces they come
// in, is JSON, has a bound, and is what encoding/json reads where that can.
func FuzzScan(f *testing.F) {
	transcript, err := os.ReadFile("testdata/qemu.txt")
	if err != nil {
		f.Fatal(err)
	}
	for _, c := range readTranscript(f, transcript) {
		for _, step := range c.steps {
			f.Add([]byte(step.text), uint(3))
		}
	}
	f.Add([]byte(`{"a":1} {'b':"c"}[`), uint(1))
	f.Fuzz(func(t *testing.T, in []byte, size uint) {
		all, _ := control.Scan([][]byte{in})
		var pieces [][]byte
		for rest := in; len(rest) > 0; {
			n := min(int(size%7)+1, len(rest))
			pieces, rest = append(pieces, rest[:n]), rest[n:]
		}
		if split, _ := control.Scan(pieces); !slices.Equal(all, split) {
			t.Errorf("in pieces %q, whole %q", split, all)
		}
		for _, value := range all {
			if value != "!" && (!json.Valid([]byte(value)) || len(value) > 2*control.MaxRequest) {
				t.Errorf("%q came out", value)
			}
		}
		d := json.NewDecoder(bytes.NewReader(in))
		for i := 0; ; i++ {
			var want json.RawMessage
			if err := d.Decode(&want); err != nil {
				break
			}
			if want[0] != '{' || bytes.ContainsFunc(want, unusual) || len(want) > control.MaxRequest {
				break // a word needs an end, and JSON has other white space and escapes
			}
			if i >= len(all) || all[i] != string(want) {
				t.Errorf("value %d is %q, want %q", i, all, want)
				break
			}
		}
		if d.InputOffset() == 0 && len(in) == 0 && len(all) > 0 {
			t.Errorf("%q from nothing", all)
		}
	})
}

// unusual are the characters of strings that QMP forbids and JSON does not, and
// those that are no UTF-8.
func unusual(r rune) bool { return r < ' ' || r >= 0x7f }
