package gateway

import (
	"net"
	"testing"

	"vncgate/auth"
	"vncgate/rfb"
)

// Only what a viewer gave for its name is taken apart; what a proof says about
// who it was is not, or a token for "root%x" would make a root.
func TestIdentifyTakesTheTargetOffGivenNamesAlone(t *testing.T) {
	ours, theirs := net.Pipe()
	defer ours.Close()
	defer theirs.Close()
	proof := func(name string) auth.Identity { return auth.Identity{Name: name, Method: "x", Groups: []string{"g"}} }
	for _, test := range []struct {
		name       string
		userTarget bool
		secured    rfb.Secured
		want       string
	}{
		{"plain", true, rfb.Secured{User: "alice%desk", Method: "plain"}, "alice"},
		{"plain without the route", false, rfb.Secured{User: "alice%desk", Method: "plain"}, "alice%desk"},
		{"SCRAM, whose verifier takes it off", true, rfb.Secured{User: "alice%desk", Proof: proof("alice"), Method: "sasl/SCRAM-SHA-256"}, "alice"},
		{"token", true, rfb.Secured{User: "root%x", Proof: proof("root%x"), Method: "sasl/OAUTHBEARER"}, "root%x"},
		{"no name but a target", true, rfb.Secured{User: "%desk", Method: "plain"}, ""},
	} {
		ids := identify(&Front{UserTarget: test.userTarget}, rfb.Secured{Conn: ours, User: test.secured.User, Proof: test.secured.Proof, Method: test.secured.Method})
		if len(ids) != 1 || ids[0].Name != test.want || ids[0].Method != test.secured.Method {
			t.Errorf("%s: %+v", test.name, ids)
		}
	}
}
