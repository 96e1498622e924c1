package auth

import (
	"encoding/json"
	"math/bits"
	"strings"
	"testing"
)

func TestRights(t *testing.T) {
	const all = "view,keyboard,pointer,clipboard-in,clipboard-out,resize,power,exclusive"
	for names, want := range map[string]string{
		"view":                     "view",
		"picture":                  "picture",
		"picture,bell,audio":       "view",
		"bell":                     "bell",
		"audio,picture":            "picture,audio",
		"control":                  "view,keyboard,pointer",
		"clipboard,view":           "view,clipboard-in,clipboard-out",
		"power,resize":             "resize,power",
		"all":                      all,
		"all,view":                 all,
		"clipboard-in,view":        "view,clipboard-in",
		"opaque,all,file-transfer": all + ",file-transfer,opaque",
	} {
		r, err := ParseRights(strings.Split(names, ","))
		if err != nil || r.String() != want {
			t.Errorf("%s: %s, %v; want %s", names, r, err, want)
		}
	}
	if r, err := ParseRights(nil); r != 0 || err != nil || r.String() != "" {
		t.Errorf("nothing is %v, %v", r, err)
	}
	if _, err := ParseRights([]string{"veiw"}); err == nil || !strings.Contains(err.Error(), `"veiw"`) || !strings.Contains(err.Error(), "view") {
		t.Errorf("error %v does not say what there is", err)
	}
	if !Control.Has(View|Pointer) || Control.Has(View|Power) || !View.Has(0) {
		t.Error("Has")
	}
}

// What reaches past the gateway must be named.
func TestAllRights(t *testing.T) {
	if AllRights.Has(FileTransfer) || AllRights.Has(Opaque) || EveryRight != AllRights|FileTransfer|Opaque {
		t.Errorf("all is %v", AllRights)
	}
	if n := bits.OnesCount(uint(EveryRight)); n != 12 || uint(EveryRight) != 1<<n-1 {
		t.Errorf("%d rights, %b", n, EveryRight)
	}
	if s := (EveryRight + 1).String(); s != "" {
		t.Errorf("a right that does not exist is %q", s)
	}
}

// Every set of rights has a text that means it.
func TestRightsText(t *testing.T) {
	for r := range EveryRight + 1 {
		var back Rights
		if err := back.UnmarshalText([]byte(r.String())); err != nil || back != r {
			t.Fatalf("%b is %q, which is %b, %v", r, r, back, err)
		}
	}
	b := ok(json.Marshal(map[string]Rights{"rights": Viewing | Power}))(t)
	if string(b) != `{"rights":"view,power"}` {
		t.Errorf("%s", b)
	}
	r := Power
	if err := r.UnmarshalText([]byte("view,no")); err == nil || r != Power {
		t.Errorf("%v, %v", r, err)
	}
	must(t, r.UnmarshalText([]byte(" view,\tresize\n")))
	if r != Viewing|Resize {
		t.Errorf("%v", r)
	}
}

func TestIdentityString(t *testing.T) {
	for want, id := range map[string]Identity{
		"alice":  {Name: "alice", Method: "x509-plain"},
		"(none)": {Method: "none"},
	} {
		if id.String() != want {
			t.Errorf("%s, want %s", id, want)
		}
	}
}
