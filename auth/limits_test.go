package auth

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// wholeLimits bounds everything, and wholeText is how it is written.
var wholeLimits = Limits{
	Session: 8 * time.Hour, Idle: 15 * time.Minute, DownRate: 5e6, UpRate: 512 << 10, KeyRate: 30, PointerRate: 120,
	ClipboardIn: 1 << 20, ClipboardOut: 65537, ClipboardFormats: []string{"text", "html"}, Encodings: []string{"hextile", "zrle"},
	Quality: Levels{2, 7, true}, Compression: Levels{0, 0, true}, PerUser: 2, PerTarget: 5, PerAddress: 10,
	Busy: BusyQueue, QueueTime: 90 * time.Second,
}

const wholeText = "session=8h idle=15m down=5MB/s up=512KiB/s keys=30/s pointer=120/s clipboard_in=1MiB clipboard_out=65537B " +
	"clipboard_formats=text,html encodings=hextile,zrle quality=2-7 compression=0 per_user=2 per_target=5 per_address=10 busy=queue queue=1m30s"

func TestLimitsText(t *testing.T) {
	if text := wholeLimits.String(); text != wholeText {
		t.Errorf("%s\nwant\n%s", text, wholeText)
	}
	if diff := cmp.Diff(wholeLimits, ok(ParseLimits(wholeText))(t)); diff != "" {
		t.Error(diff)
	}
	if l := ok(ParseLimits(" \n"))(t); !l.IsZero() || l.String() != "" {
		t.Errorf("nothing is %v", l)
	}
	if got := strings.Fields(wholeText); len(got) != len(LimitNames()) {
		t.Errorf("%d limits of %d are tested", len(got), len(LimitNames()))
	}
}

// Each form that a person may write, and what it comes back as.
func TestLimitForms(t *testing.T) {
	for text, want := range map[string]string{
		"session=90s": "session=1m30s", "session=36h": "session=1d12h", "session=7d": "session=7d", "session=1d0h30m": "session=1d30m",
		"session=500ms": "session=500ms", "session=1h0m5s": "session=1h0m5s", "session=10m": "session=10m", "idle=10h": "idle=10h", "idle=1h30m": "idle=1h30m",
		"down=1000/s": "down=1kB/s", "down=10Mbit/s": "down=1250kB/s", "down=1.5MB/s": "down=1500kB/s", "down=64kbit/s": "down=8kB/s",
		"up=1Gbit/s": "up=125MB/s", "up=1GiB/s": "up=1GiB/s", "up=1023B/s": "up=1023B/s",
		"keys=10": "keys=10/s", "pointer=1/s": "pointer=1/s",
		"clipboard_in=4096": "clipboard_in=4KiB", "clipboard_in=500KB": "clipboard_in=500kB", "clipboard_out=0.5MiB": "clipboard_out=512KiB",
		"clipboard_formats=none": "clipboard_formats=none", "clipboard_formats=html,text,html": "clipboard_formats=text,html",
		"encodings=ZRLE,Tight,CopyRect": "encodings=copyrect,tight,zrle",
		"quality=5":                     "quality=5", "quality=0-9": "quality=0-9", "compression=3-3": "compression=3",
		"busy=refuse": "busy=refuse", "busy=view": "busy=view", "busy=replace": "busy=replace",
	} {
		l, err := ParseLimits(text)
		if err != nil || l.String() != want {
			t.Errorf("%s: %s, %v; want %s", text, l, err, want)
		}
		if err := l.Validate(); err != nil {
			t.Errorf("%s: %v", text, err)
		}
	}
}

func TestLimitErrors(t *testing.T) {
	for text, want := range map[string]string{
		"session":                 `auth: limit "session": has no =`,
		"sesion=1h":               `auth: unknown limit "sesion" (there are: session, idle, down,`,
		"idle=1h idle=2h":         "auth: limit idle: is given twice",
		"session=0s":              "auth: limit session: must be more than nothing; leave it out to bound nothing",
		"session=-1h":             `auth: limit session: "-1h" is no duration; write it like 90s`,
		"session=":                `auth: limit session: "" is no duration`,
		"session=8":               `auth: limit session: "8" is no duration`,
		"session=9999d":           "auth: limit session: is more than there can be (87600h0m0s)",
		"session=99d2540400h":     "auth: limit session: is more than there can be",
		"session=10000d":          `auth: limit session: "10000d" is no duration`,
		"session=5d-1h":           `auth: limit session: "5d-1h" is no duration`,
		"down=5MB":                `auth: limit down: "5MB" is no bandwidth; write it like 5MB/s`,
		"down=fast/s":             `auth: limit down: "fast/s" is no bandwidth`,
		"down=1TB/s":              `auth: limit down: "1TB/s" is no bandwidth`,
		"down=0/s":                "auth: limit down: must be more than nothing",
		"up=999999999999999GiB/s": `auth: limit up: "999999999999999GiB/s" is no bandwidth`,
		"up=2000GiB/s":            "auth: limit up: is more than there can be",
		"keys=10/m":               `auth: limit keys: "10/m" is no number of events a second; write it like 10/s`,
		"keys=0":                  "auth: limit keys: must be more than nothing",
		"clipboard_in=1Mbit":      `auth: limit clipboard_in: "1Mbit" is no size; write it like 4096, 500kB or 1MiB`,
		"clipboard_in=-1":         `auth: limit clipboard_in: "-1" is no size`,
		"clipboard_in=1GiB":       "auth: limit clipboard_in: is more than there can be (268435456)",
		"clipboard_formats=png":   `auth: limit clipboard_formats: unknown name "png" (there are: text, rtf, html, dib, files; or none)`,
		"encodings=":              "auth: limit encodings: is empty; leave it out to bound nothing",
		"encodings=none,raw":      `auth: limit encodings: unknown name "none"`,
		"quality=7-2":             `auth: limit quality: "7-2" are no levels; write them like 2-7 or 5, from 0 to 9`,
		"quality=10":              `auth: limit quality: "10" are no levels`,
		"quality=-1":              `auth: limit quality: "-1" are no levels`,
		"compression=x":           `auth: limit compression: "x" are no levels`,
		"per_user=many":           `auth: limit per_user: "many" is no whole number`,
		"per_target=-1":           "auth: limit per_target: must be more than nothing",
		"per_address=1000001":     "auth: limit per_address: is more than there can be (1000000)",
		"busy=wait":               `auth: limit busy: unknown action "wait" (there are: refuse, queue, view, replace)`,
		"busy=":                   `auth: limit busy: unknown action ""`,
	} {
		l, err := ParseLimits(text)
		if err == nil || !strings.HasPrefix(err.Error(), want) || !l.IsZero() {
			t.Errorf("%s: %v, error %v, want %s", text, l, err, want)
		}
	}
	for want, l := range map[string]Limits{
		"auth: limit idle: ":      {Idle: -1},
		"auth: limit keys: ":      {KeyRate: -5},
		"auth: limit encodings: ": {Encodings: []string{"video"}},
		"auth: limit quality: ":   {Quality: Levels{3, 10, true}},
		"auth: limit per_user: ":  {PerUser: -1},
	} {
		if err := l.Validate(); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("error %v, want %s", err, want)
		}
	}
}

// Narrow, field by field: nothing bounds nothing, the stricter wins, whichever
// comes first.
func TestNarrow(t *testing.T) {
	for _, c := range []struct{ a, b, want string }{
		{"session=8h", "session=1h", "session=1h"}, {"idle=5m", "idle=1d", "idle=5m"},
		{"down=5MB/s", "down=1MB/s", "down=1MB/s"}, {"up=5MB/s", "up=10Mbit/s", "up=10Mbit/s"},
		{"keys=10/s", "keys=20/s", "keys=10/s"}, {"pointer=10/s", "pointer=9/s", "pointer=9/s"},
		{"clipboard_in=1MiB", "clipboard_in=1MB", "clipboard_in=1MB"}, {"clipboard_out=5", "clipboard_out=6", "clipboard_out=5"},
		{"clipboard_formats=text,html", "clipboard_formats=html,rtf", "clipboard_formats=html"},
		{"clipboard_formats=text", "clipboard_formats=html", "clipboard_formats=none"},
		{"clipboard_formats=text", "clipboard_formats=none", "clipboard_formats=none"},
		{"encodings=raw,zrle", "encodings=zrle,tight", "encodings=zrle"}, {"encodings=raw", "encodings=tight", "encodings=none"},
		{"quality=2-7", "quality=5-9", "quality=5-7"}, {"quality=0-3", "quality=6-9", "quality=3"}, {"quality=4", "quality=0-9", "quality=4"},
		{"compression=1-2", "compression=2-3", "compression=2"},
		{"per_user=1", "per_user=2", "per_user=1"}, {"per_target=3", "per_target=2", "per_target=2"}, {"per_address=9", "per_address=99", "per_address=9"},
		{"busy=replace", "busy=view", "busy=view"}, {"busy=view", "busy=queue", "busy=queue"}, {"busy=queue", "busy=refuse", "busy=refuse"},
		{"queue=1m", "queue=30s", "queue=30s"},
		{"session=8h per_user=3", "idle=5m per_user=2", "session=8h idle=5m per_user=2"},
	} {
		a, b, want := ok(ParseLimits(c.a))(t), ok(ParseLimits(c.b))(t), ok(ParseLimits(c.want))(t)
		for _, got := range []Limits{a.Narrow(b), b.Narrow(a), a.Narrow(b).Narrow(a), a.Narrow(want)} {
			if !got.Equal(want) {
				t.Errorf("%s and %s: %s, want %s", c.a, c.b, got, want)
			}
		}
		if got := a.Narrow(Limits{}); !got.Equal(a) || !(Limits{}).Narrow(a).Equal(a) {
			t.Errorf("%s and nothing: %s", c.a, got)
		}
	}
	if got := (Limits{Session: -1}).Narrow(Limits{PerUser: -1}); !got.IsZero() {
		t.Errorf("less than nothing is %v", got)
	}
}

// What Narrow gives shares no list with what it was given.
func TestNarrowCopies(t *testing.T) {
	l := Limits{Encodings: []string{"raw", "zrle"}}
	l.Narrow(Limits{}).Encodings[0] = "tight"
	if l.Encodings[0] != "raw" {
		t.Error("the list is shared")
	}
}

func TestLevels(t *testing.T) {
	l := Levels{2, 7, true}
	for level, want := range map[int]int{0: 2, 2: 2, 5: 5, 7: 7, 9: 7} {
		if got := l.Clamp(level); got != want {
			t.Errorf("%d becomes %d, want %d", level, got, want)
		}
	}
	if (Levels{}).Clamp(9) != 9 {
		t.Error("no bounds bound")
	}
}

func TestLimitsJSON(t *testing.T) {
	b := ok(json.Marshal(wholeLimits))(t)
	want := `{"session":"8h","idle":"15m","down":"5MB/s","up":"512KiB/s","keys":"30/s","pointer":"120/s","clipboard_in":"1MiB",` +
		`"clipboard_out":"65537B","clipboard_formats":"text,html","encodings":"hextile,zrle","quality":"2-7","compression":"0","per_user":"2",` +
		`"per_target":"5","per_address":"10","busy":"queue","queue":"1m30s"}`
	if string(b) != want {
		t.Errorf("%s\nwant\n%s", b, want)
	}
	var back Limits
	must(t, json.Unmarshal(b, &back))
	if diff := cmp.Diff(wholeLimits, back); diff != "" {
		t.Error(diff)
	}
	for text, want := range map[string]string{
		`{}`:                                 "",
		`null`:                               "",
		`{"per_user":2,"encodings":["raw"]}`: "encodings=raw per_user=2",
		`{"encodings":[],"keys":10}`:         "encodings=none keys=10/s",
		`{"clipboard_in":4096,"compression":"5"}`: "clipboard_in=4096 compression=5",
	} {
		var l Limits
		must(t, json.Unmarshal([]byte(text), &l))
		if !l.Equal(ok(ParseLimits(want))(t)) {
			t.Errorf("%s: %s, want %s", text, l, want)
		}
	}
	for text, want := range map[string]string{
		`[]`:                  "auth: limits: not an object of limits",
		`{"session":null}`:    "auth: limit session: neither a text nor a whole number nor a list of texts",
		`{"session":true}`:    "auth: limit session: neither",
		`{"per_user":1.5}`:    `auth: limit per_user: "1.5" is no whole number`,
		`{"encodings":[1]}`:   "auth: limit encodings: a list of something else than texts",
		`{"Session":"1h"}`:    `auth: unknown limit "Session"`,
		`{"idle":"1h","x":1}`: `auth: unknown limit "x"`,
	} {
		l := Limits{PerUser: 7}
		err := json.Unmarshal([]byte(text), &l)
		if err == nil || !strings.HasPrefix(err.Error(), want) || l.PerUser != 7 || l.Idle != 0 {
			t.Errorf("%s: %v, error %v, want %s", text, l, err, want)
		}
	}
}

// A decoder of YAML offers maps with numbers of its own kinds.
func TestLimitsYAML(t *testing.T) {
	decode := func(into any) error {
		*into.(*map[string]any) = map[string]any{"per_user": uint64(2), "clipboard_in": 5, "encodings": []any{"zrle"}}
		return nil
	}
	var l Limits
	must(t, l.UnmarshalYAML(decode))
	if l.String() != "clipboard_in=5B encodings=zrle per_user=2" {
		t.Errorf("%s", l)
	}
	texts := ok(l.MarshalYAML())(t).(map[string]string)
	if diff := cmp.Diff(map[string]string{"clipboard_in": "5B", "encodings": "zrle", "per_user": "2"}, texts); diff != "" {
		t.Error(diff)
	}
}
