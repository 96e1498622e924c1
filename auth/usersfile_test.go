package auth

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParseUsers(t *testing.T) {
	text := "# team\n\n  alice\tops,dev  " + referenceHash + " " + pencilKeys + "\r\n#bob - - -\ncarol - - -"
	records, err := parseUsers([]byte(text))
	must(t, err)
	if len(records) != 2 {
		t.Fatalf("%d users, want 2", len(records))
	}
	want := "alice ops,dev " + referenceHash + " " + pencilKeys + "\n" + "carol - - -"
	if diff := cmp.Diff(want, records[0].line()+"\n"+records[1].line()); diff != "" {
		t.Error(diff)
	}
}

func TestParseUsersErrors(t *testing.T) {
	for text, want := range map[string]string{
		"alice":                                "line 1: 1 fields, expected 4 or 5",
		"# x\nalice - - - - -":                 "line 2: 6 fields",
		"a - - -\n\nb - - -\na - - -":          `line 4: user "a" is on line 1 already`,
		"a:b - - -":                            `line 1: name "a:b"`,
		"a ops,,dev - -":                       "line 1: group: a name has 1 to 64 bytes",
		"a ops,ops - -":                        `line 1: group "ops" twice`,
		"a " + groupsOf(maxGroups+1) + " - -":  "line 1: more than 64 groups",
		"a - hunter2 -":                        "line 1: user \"a\": not an argon2id hash",
		"a - - hunter2":                        "line 1: user \"a\": not SCRAM keys",
		"a - " + pencilKeys + " -":             "line 1: user \"a\": not an argon2id hash",
		"a - - -" + strings.Repeat(" ", 10000): "line 1: longer than 8192 bytes",
	} {
		_, err := parseUsers([]byte(text))
		if err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%.40q: error %v, want %s", text, err, want)
		} else if strings.Contains(err.Error(), "hunter2") {
			t.Errorf("the error quotes what stands in a secret's place: %v", err)
		}
	}
}

func groupsOf(n int) string {
	groups := make([]string, n)
	for i := range groups {
		groups[i] = "g" + strings.Repeat("x", i%30) + string(rune('a'+i%26)) + string(rune('a'+i/26))
	}
	return strings.Join(groups, ",")
}

// What was parsed is written as something that parses to the same.
func FuzzParseUsers(f *testing.F) {
	for _, s := range []string{
		"", "# c\n", "alice ops,dev " + referenceHash + " " + pencilKeys, "a - - -\r\nb x - -\n", "a - -\n", "a\x00 - - -",
		"a - $argon2id$v=19$m=8,t=1,p=1$$ -", "a - - SCRAM-SHA-256$4096:$:",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		records, err := parseUsers([]byte(text))
		if err != nil {
			return
		}
		var b strings.Builder
		for _, r := range records {
			b.WriteString(r.line() + "\n")
		}
		again, err := parseUsers([]byte(b.String()))
		if err != nil {
			t.Fatalf("written back as %q: %v", b.String(), err)
		}
		if len(again) != len(records) {
			t.Fatalf("%d users became %d", len(records), len(again))
		}
		for i, r := range again {
			if r.line() != records[i].line() {
				t.Errorf("%q became %q", records[i].line(), r.line())
			}
		}
	})
}
