package auth

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var wholeRule = Rule{
	Name: "night shift", Who: []string{"group:ops", `user:CN="x", y`}, Methods: []string{"x509-*", "ra2"},
	From: []string{"10.0.0.0/8", "unix"}, Targets: []string{"lab-*", "a b"},
	When:  When{Days: []string{"mon-fri", "sun"}, Hours: []string{"22:00-06:00"}, Zone: "Europe/Berlin"},
	If:    "user != \"x\" &&\n\tclaims.level >= 3",
	Class: "bulk",
	Allow: Control | Opaque, Deny: Bell | Power,
	Limits: Limits{Session: 8 * time.Hour, Encodings: []string{}},
}

func TestRuleText(t *testing.T) {
	text := wholeRule.String()
	want := `name="night shift" who=group:ops who="user:CN=\"x\", y" method=x509-* method=ra2 from=10.0.0.0/8 from=unix ` +
		`target=lab-* target="a b" day=mon-fri day=sun hours=22:00-06:00 zone=Europe/Berlin ` +
		`if="user != \"x\" &&\n\tclaims.level >= 3" class=bulk allow=view,keyboard,pointer,opaque deny=bell,power limits="session=8h encodings=none"`
	if text != want {
		t.Errorf("%s\nwant\n%s", text, want)
	}
	if diff := cmp.Diff(wholeRule, ok(ParseRule(text))(t)); diff != "" {
		t.Error(diff)
	}
	if r := ok(ParseRule("  \t "))(t); r.String() != "" {
		t.Errorf("nothing is %v", r)
	}
	if r := (Rule{Who: []string{""}}); r.String() != `who=""` {
		t.Errorf("an entry that is wrong is lost: %s", r) // NewPolicy is to refuse it
	}
	raw := ok(ParseRule("who=* target=`x\\y` if=`user == \"a\"`"))(t)
	if raw.Targets[0] != `x\y` || raw.If != `user == "a"` {
		t.Errorf("raw quotes: %#v", raw)
	}
}

func TestParseRulesErrors(t *testing.T) {
	for text, want := range map[string]string{
		"# a\n\nwho":            `line 3: auth: rule: "who" has no name, as in target=*`,
		"Who=x":                 `line 1: auth: rule: "Who=x" has no name`,
		"whom=x":                "line 1: auth: rule: whom: unknown field (there are: name, who, method,",
		"name=a name=b":         "line 1: auth: rule: name: is given twice",
		"allow=view allow=view": "line 1: auth: rule: allow: is given twice",
		`who="x`:                "line 1: auth: a quotation mark is not closed",
		"who=`x":                "line 1: auth: a quotation mark is not closed",
		`who="x"y`:              `line 1: auth: "x" is quoted in a wrong way`,
		"allow=veiw":            `line 1: auth: rule: allow: auth: unknown right "veiw"`,
		"deny=all,nothing":      `line 1: auth: rule: deny: auth: unknown right "nothing"`,
		"limits=session":        `line 1: auth: rule: limits: auth: limit "session": has no =`,
		"who=a\r\nlimits=\"idle=15m\"\nlimits=b=1": `line 3: auth: rule: limits: auth: unknown limit "b"`,
	} {
		_, err := ParseRules(text)
		if err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%q: error %v, want %s", text, err, want)
		}
	}
}

func TestParseIdentities(t *testing.T) {
	for text, want := range map[string][]Identity{
		"alice":                 {{Name: "alice"}},
		"alice/x509-sasl/PLAIN": {{Name: "alice", Method: "x509-sasl/PLAIN"}},
		"alice[ops, dev]/plain": {{Name: "alice", Method: "plain", Groups: []string{"ops", "dev"}}},
		"host/x@REALM[]/gssapi": {{Name: "host/x@REALM", Method: "gssapi", Groups: []string{}}},
		"a+b@example.org":       {{Name: "a+b@example.org"}},
		"/vnc + bob":            {{Method: "vnc"}, {Name: "bob"}},
		"":                      nil,
		"alice[ops":             nil,
		"alice[ops]plain":       nil,
		"alice]":                nil,
		"alice + ":              nil,
	} {
		ids, err := ParseIdentities(text)
		if diff := cmp.Diff(want, ids); diff != "" || (err == nil) != (want != nil) {
			t.Errorf("%q: %v %s", text, err, diff)
		}
	}
}

func TestParseMoment(t *testing.T) {
	for text, want := range map[string]string{
		"2026-03-02T09:00:00+01:00":            "2026-03-02T08:00:00Z",
		"2026-03-02T09:00:00.25Z":              "2026-03-02T09:00:00.25Z",
		"2026-03-02T09:00Z":                    "2026-03-02T09:00:00Z",
		"2026-03-02T09:00":                     "2026-03-02T09:00:00Z",
		"2026-03-02T09:00[Europe/Berlin]":      "2026-03-02T08:00:00Z",
		"2026-07-02T09:00:30[Europe/Berlin]":   "2026-07-02T07:00:30Z",
		"2026-03-02T09:00+02:00[Europe/Paris]": "2026-03-02T07:00:00Z",
		"2026-03-02":                           "",
		"2026-03-02T09:00[Europe/Berlin":       "",
		"2026-03-02T09:00[Mars/Olympus]":       "",
		"now":                                  "",
	} {
		at, err := ParseMoment(text)
		if want == "" {
			if err == nil || !strings.HasPrefix(err.Error(), "auth: \""+text) {
				t.Errorf("%s: %v, %v", text, at, err)
			}
		} else if err != nil || at.UTC().Format(time.RFC3339Nano) != want {
			t.Errorf("%s: %v, %v; want %s", text, at, err, want)
		}
	}
}

func TestParseTableErrors(t *testing.T) {
	for text, want := range map[string]string{
		"who=x\n\nwhat=x\n":                              "line 3: auth: rule: what",
		"-- decisions --\nwho target\n":                  "line 2: auth: the line of columns expects nothing; write |",
		"-- decisions --\n\nwho rights | rights\n":       `line 3: auth: no column can be called "rights" here (there are: who, target`,
		"-- decisions --\nwho | who\n":                   `line 2: auth: no column can be called "who" here (there are: rights, may`,
		"-- decisions --\nwho who | rights\n":            `line 2: auth: no column can be called "who" here`,
		"-- decisions --\nwho | rights\nalice view\n":    "line 3: auth: has other columns than who | rights",
		"-- decisions --\nwho | rights\nalice / view\n":  "line 3: auth: has other columns",
		"-- decisions --\nwho | rights\na] | view\n":     `line 3: auth: "a]" is no identity`,
		"-- decisions --\nwho | rights\na | veiw\n":      `line 3: auth: rights: auth: unknown right "veiw"`,
		"-- decisions --\nwho | limits\na | day\n":       `line 3: auth: limits: auth: limit "day"`,
		"-- decisions --\nwho | until\na | soon\n":       `line 3: auth: until: auth: "soon" is no moment`,
		"-- decisions --\nfrom | until\nhere | never\n":  `line 3: auth: from: "here" is no address`,
		"-- decisions --\nat | until\ntoday | never\n":   `line 3: auth: "today" is no moment`,
		"-- decisions --\nclaims | until\n[1] | never\n": `line 3: auth: claims: not an object in JSON`,
		"-- decisions --\nwho | until\n\"a | never\n":    `line 3: auth: a quotation mark is not closed`,
	} {
		_, err := ParseTable(text)
		if err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%q: error %v, want %s", text, err, want)
		}
	}
}

// A decision that is another one than expected is told with its line.
func TestTableTellsWhatIsWrong(t *testing.T) {
	table := ok(ParseTable(`who=alice target=* allow=view limits="idle=5m"
-- decisions --
who    target  | rights   may       maynot   rule  limits      until
alice  t       | view     picture   power    1     idle=5m     never
alice  t       | nothing  -         -        -     -           -
alice  t       | -        keyboard  -        -     -           -
alice  t       | -        -         picture  -     -           -
alice  t       | -        -         -        2     -           -
alice  t       | -        -         -        none  -           -
alice  t       | -        -         -        -     none        -
alice  t       | -        -         -        -     -           2026-01-01T00:00Z
`))(t)
	wrong := table.Check(ok(NewPolicy(table.Rules))(t))
	want := []string{
		"line 5: alice on t: rights: want nothing, have view (view by rule 1)",
		"line 6: alice on t: may: want keyboard, have view (view by rule 1)",
		"line 7: alice on t: maynot: want picture, have view (view by rule 1)",
		"line 8: alice on t: rule: want 2, have rule 1 (view by rule 1)",
		"line 9: alice on t: rule: want none, have rule 1 (view by rule 1)",
		`line 10: alice on t: limits: want none, have "idle=5m" (view by rule 1)`,
		"line 11: alice on t: until: want 2026-01-01T00:00Z, have never (view by rule 1)",
	}
	got := make([]string, len(wrong))
	for i, err := range wrong {
		got[i] = err.Error()
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}
