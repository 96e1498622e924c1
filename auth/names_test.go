package auth

import (
	"strings"
	"testing"
)

func TestCheckName(t *testing.T) {
	legal := []string{"a", "alice", "Alice", "j.doe", "build-vm_2", "alice@example.org", "1st", "jörg", "Ольга", "a+b", strings.Repeat("x", MaxNameLen)}
	for _, name := range legal {
		if err := CheckName(name); err != nil {
			t.Errorf("%q: %v", name, err)
		}
	}
	illegal := []string{
		"", strings.Repeat("x", MaxNameLen+1), "-", "-a", ".hidden", "@a", "*", "#a", "a b", "a\tb", "a\u00a0b", "a\x00", "a\n",
		"a:b", "a%41", "a,b", "a=b", "a/b", `a\b`, "a\"b", "a$b", "\xff", "a\u200b", "ª", "ﬁx", "jo\u0308rg", "a\u202eb", "😀",
	}
	for _, name := range illegal {
		err := CheckName(name)
		if err == nil {
			t.Errorf("%q was allowed", name)
		} else if !strings.HasPrefix(err.Error(), "auth: ") || len(err.Error()) > 300 {
			t.Errorf("%q: error %q", name, err)
		}
	}
}

func TestPrepareName(t *testing.T) {
	for in, want := range map[string]string{
		"alice":                  "alice",
		"jo\u0308rg":             "jörg", // decomposed, as macOS writes it
		"a\u00adlice":            "alice",
		"\x00":                   "",
		"😀":                      "",
		strings.Repeat("x", 300): "",
	} {
		if got := prepareName(in); got != want {
			t.Errorf("prepareName(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestPreparePassword(t *testing.T) {
	for in, want := range map[string]string{
		"secret":      "secret",
		"I\u00adX":    "IX", // RFC 4013, 3
		"\u2168":      "IX",
		"a\u00a0b":    "a b",
		"p😀":          "p😀",       // SASLprep cannot: as it is
		"\xff\xfe":    "\xff\xfe", // not UTF-8
		" lead trail": " lead trail",
	} {
		if got, err := preparePassword(in); err != nil || got != want {
			t.Errorf("preparePassword(%q) = %q, %v; want %q", in, got, err, want)
		}
	}
	for _, in := range []string{"", "\u00ad", "a\x00b", strings.Repeat("x", MaxPasswordLen+1), strings.Repeat("ﷺ", MaxPasswordLen/3)} {
		if got, err := preparePassword(in); err == nil {
			t.Errorf("preparePassword(%.20q) = %.20q, expected an error", in, got)
		} else if in != "" && strings.Contains(err.Error(), in) {
			t.Errorf("the error quotes the password: %v", err)
		}
	}
}

// Looking a name up never makes another legal name of a legal one.
func FuzzCheckName(f *testing.F) {
	for _, s := range []string{"alice", "jörg", "jo\u0308rg", "ª", "a b", "\xff", "a:b", "ǅ", "가"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, name string) {
		if CheckName(name) != nil {
			return
		}
		if got := prepareName(name); got != name {
			t.Errorf("legal name %q is looked up as %q", name, got)
		}
		if strings.ContainsAny(name, " \t\r\n:%,$/\x00") {
			t.Errorf("%q was allowed", name)
		}
	})
}
