package tickets_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"vncgate/auth"
	"vncgate/auth/tickets"
)

func TestParseAnswer(t *testing.T) {
	for _, tt := range []struct {
		text string
		want tickets.Ticket
	}{
		{"host:5900", at("host:5900")},
		{" ::1:5900\r\n", at("[::1]:5900")},
		{"unix_socket:/run/x", at("unix:/run/x")},
		{`{"host":"h","port":5900}`, at("h:5900")},
		{`{"host":"h","port":"5900"}`, at("h:5900")},
		{`{"host":"::1","port":5900}`, at("[::1]:5900")},
		{`{"host":"unix_socket","port":"/run/x"}`, at("unix:/run/x")},
		{`{"host":"h:5900"}`, at("h:5900")},
		{`{"host":"[::1]:5900","port":null,"other":{"a":[1]}}`, at("[::1]:5900")},
		{`{"address":"h:5900"}`, at("h:5900")},
		{` {"target":"build-vm"}`, tickets.Ticket{Target: "build-vm"}},
		{
			`{"address":"h:1","tls":true,"connect_path":"/vm/7","user":"u","password":"p w","identity":"alice","groups":["ops"],"rights":["view","clipboard"],"expires":4102444800}`,
			tickets.Ticket{
				Address: "h:1", TLS: true, ConnectPath: "/vm/7", User: "u", Password: "p w",
				Identity: auth.Identity{Name: "alice", Groups: []string{"ops"}},
				Rights:   auth.Viewing | auth.Clipboard, Expires: time.Unix(4102444800, 0),
			},
		},
		{`{"target":"a","expires":"2100-01-01T01:00:00+01:00"}`, tickets.Ticket{Target: "a", Expires: time.Unix(4102444800, 0)}},
		{`{"target":"a","expires":null,"rights":null}`, tickets.Ticket{Target: "a"}},
		{`{"target":"a","expires":4102444800.75}`, tickets.Ticket{Target: "a", Expires: time.Unix(4102444800, 0)}},
	} {
		got, err := tickets.ParseAnswer([]byte(tt.text))
		if diff := cmp.Diff(tt.want, got); diff != "" || err != nil {
			t.Errorf("%s: %v\n%s", tt.text, err, diff)
		}
	}
}

func TestParseAnswerRefuses(t *testing.T) {
	for text, says := range map[string]string{
		"":                                              "port is missing",
		"s3cret":                                        "port is missing",
		"<html>s3cret: x</html>":                        "neither an address nor JSON",
		`{"host":"h","port":5900} s3cret`:               "not a JSON object",
		`{"host":"s3cret`:                               "not a JSON object",
		`{}`:                                            "one of host, address and target",
		`{"port":5900}`:                                 "one of host, address and target",
		`{"host":"h:1","target":"s3cret"}`:              "one of host, address and target",
		`{"host":"h","port":0}`:                         "1 to 65535",
		`{"host":"h","port":5900.5}`:                    "1 to 65535",
		`{"host":"h","port":-1}`:                        "1 to 65535",
		`{"host":"h","port":{"s3cret":1}}`:              "1 to 65535",
		`{"host":"h","port":true}`:                      "1 to 65535",
		`{"host":["s3cret"],"port":1}`:                  `"host" is not of the type string`,
		`{"target":"a","tls":"s3cret"}`:                 `"tls" is not of the type bool`,
		`{"target":"a","rights":["s3cret"]}`:            "not one of a right",
		`{"target":"a","rights":["view","fly"]}`:        `the name "fly" that is not one of a right`,
		`{"target":"a","rights":[]}`:                    "none at all",
		`{"target":"a","rights":"view"}`:                `"rights" is not`,
		`{"target":"a","expires":"s3cret"}`:             "neither seconds",
		`{"target":"a","expires":""}`:                   "neither seconds",
		`{"target":"a","expires":"NaN"}`:                "neither seconds",
		`{"target":"a","expires":0}`:                    "neither seconds",
		`{"target":"a","expires":-5}`:                   "neither seconds",
		`{"target":"a","expires":1e300}`:                "neither seconds",
		`{"target":"a","expires":1e999}`:                "neither seconds",
		`{"target":"a","expires":true}`:                 "neither seconds",
		`{"target":"a\n"}`:                              "target is not a name",
		`{"target":"a","groups":["ops"]}`:               "groups of nobody",
		`{"target":"a","identity":" alice"}`:            "identity is not a name",
		`{"target":"a","identity":"b","groups":[""]}`:   "not a name",
		`{"target":"a","connect_path":"/a b"}`:          "connect_path",
		`{"target":"a","connect_path":"/a\r\nHost: x"}`: "connect_path",
		`{"target":"a","password":"` + strings.Repeat("p", 2000) + `"}`:                   "1024 bytes",
		`{"target":"a","x":"` + strings.Repeat("p", 70000) + `"}`:                         "65536 bytes",
		`{"target":"a","identity":"b","groups":[` + strings.Repeat(`"g",`, 256) + `"g"]}`: "256 groups",
		strings.Repeat(`{"a":`, 12000):                                                    "not a JSON object",
	} {
		_, err := tickets.ParseAnswer([]byte(text))
		if err == nil || errors.Is(err, tickets.ErrUnknown) || !strings.Contains(err.Error(), says) || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%.60s: got %v; want %q", text, err, says)
		}
	}
	if _, err := tickets.ParseAnswer([]byte(`{"target":"a","expires":1}`)); !errors.Is(err, tickets.ErrUnknown) {
		t.Errorf("a ticket that has expired: %v", err)
	}
}

// FuzzParseAnswer: what is good says one display and holds what the rest of
// the gateway relies on.
func FuzzParseAnswer(f *testing.F) {
	for _, s := range []string{
		"host:5900", `{"host":"h","port":5900}`, `{"host":"h:1"}`, `{"target":"a","rights":["view"],"expires":4102444800}`,
		`{"address":"unix:/x","identity":"a","groups":["b"],"tls":true,"connect_path":"/x"}`, `{"HOST":"h:1"}`, `{"host":"h","port":1e3}`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		got, err := tickets.ParseAnswer(text)
		if err != nil {
			return
		}
		if (got.Target == "") == (got.Address == "") {
			t.Fatalf("target %q and address %q", got.Target, got.Address)
		}
		if got.Address != "" {
			if again, err := tickets.ParseAddress(got.Address); again != got.Address || err != nil {
				t.Fatalf("address %q became %q, %v", got.Address, again, err)
			}
		}
		if strings.ContainsAny(got.ConnectPath, " \r\n") || strings.ContainsAny(got.Identity.Name+got.Target, "\r\n\x00") {
			t.Fatalf("text that breaks lines: %q %q %q", got.ConnectPath, got.Identity.Name, got.Target)
		}
		if !got.Expires.IsZero() && got.Expires.Before(time.Now().Add(-time.Minute)) {
			t.Fatalf("good, and ended at %v", got.Expires)
		}
	})
}

func ExampleParseAnswer() {
	ticket, err := tickets.ParseAnswer([]byte(`{"host": "fd00::7", "port": 5900, "identity": "alice", "rights": ["view"]}`))
	fmt.Println(ticket.Address, ticket.Identity.Name, ticket.Rights, err)
	// Output: [fd00::7]:5900 alice view <nil>
}
