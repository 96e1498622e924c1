package auth

import (
	"strings"
	"testing"
)

func TestRights(t *testing.T) {
	for names, want := range map[string]string{
		"view":              "view",
		"control":           "view,keyboard,pointer",
		"clipboard,view":    "view,clipboard-in,clipboard-out",
		"power,resize":      "resize,power",
		"all":               "view,keyboard,pointer,clipboard-in,clipboard-out,resize,power,exclusive",
		"all,view":          "view,keyboard,pointer,clipboard-in,clipboard-out,resize,power,exclusive",
		"clipboard-in,view": "view,clipboard-in",
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
