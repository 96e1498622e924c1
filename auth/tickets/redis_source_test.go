package tickets_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"vncgate/auth/tickets"
)

func TestParseRedisSource(t *testing.T) {
	one := func(address string, db int, password, namespace string) tickets.RedisConfig {
		return tickets.RedisConfig{Addresses: []string{address}, DB: db, Password: password, Namespace: namespace}
	}
	for source, want := range map[string]tickets.RedisConfig{
		"host":                        one("host:6379", 0, "", ""),
		"host:":                       one("host:6379", 0, "", ""),
		"host:7000":                   one("host:7000", 0, "", ""),
		"host::3":                     one("host:6379", 3, "", ""),
		"host:::pw":                   one("host:6379", 0, "pw", ""),
		"host::::ns":                  one("host:6379", 0, "", "ns"),
		"host:7000:3:pw:ns":           one("host:7000", 3, "pw", "ns"),
		`host:7000:3:"p:w":"n:s"`:     one("host:7000", 3, "p:w", "n:s"),
		`"::1":7000`:                  one("[::1]:7000", 0, "", ""),
		`"[::1]":7000`:                one("[::1]:7000", 0, "", ""),
		"[::1]":                       one("[::1]:6379", 0, "", ""),
		"[::1]:7000:1":                one("[::1]:7000", 1, "", ""),
		`host:::"":ns`:                one("host:6379", 0, "", "ns"),
		`host:::p"w[x]`:               one("host:6379", 0, `p"w[x]`, ""),
		`"host":"7000":"2":"[pw]":""`: one("host:7000", 2, "[pw]", ""),
	} {
		got, err := tickets.ParseRedisSource(source)
		if diff := cmp.Diff(want, got); diff != "" || err != nil {
			t.Errorf("%s: %v\n%s", source, err, diff)
		}
	}
}

func TestParseRedisSourceRefuses(t *testing.T) {
	for source, says := range map[string]string{
		"":                             "begin with a host",
		":6379":                        "begin with a host",
		"host:redis":                   "begin with a host",
		"host:70000":                   "begin with a host",
		"::1:6379":                     "begin with a host",
		"unix_socket:/x":               "begin with a host",
		"host:6379:-1:s3cret":          "number of a database",
		"host:6379:x:s3cret":           "number of a database",
		"host:6379:99999999999:s3cret": "number of a database",
		"host:6379:0:s3cret:n:s":       "more than",
		`host:6379:0:"s3cret`:          "without its end",
		`host:6379:0:"s3cret"x:ns`:     "must follow",
		"[::1":                         "without its end",
		"[::1]6379":                    "must follow",
	} {
		_, err := tickets.ParseRedisSource(source)
		if err == nil || !strings.Contains(err.Error(), says) || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%s: got %v; want %q", source, err, says)
		}
	}
}

// FuzzRedisSource: what is good can be written again, with every field in
// quotes, and means the same.
func FuzzRedisSource(f *testing.F) {
	for _, s := range []string{"host", "host:1:2:pw:ns", `"::1":::"p:w"`, "[::1]:7000", `host:::p"w`, ":::::", `"`, "[["} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, source string) {
		got, err := tickets.ParseRedisSource(source)
		if err != nil || strings.Contains(got.Password+got.Namespace, `"`) {
			return
		}
		colon := strings.LastIndexByte(got.Addresses[0], ':')
		again := fmt.Sprintf(`"%s":"%s":"%d":"%s":"%s"`, got.Addresses[0][:colon], got.Addresses[0][colon+1:], got.DB, got.Password, got.Namespace)
		same, err := tickets.ParseRedisSource(again)
		if diff := cmp.Diff(got, same); diff != "" || err != nil {
			t.Fatalf("%q, again %q: %v\n%s", source, again, err, diff)
		}
		redis, err := tickets.NewRedis(got)
		if err != nil {
			t.Fatalf("%q cannot be used: %v", source, err)
		}
		redis.Close()
	})
}

func ExampleParseRedisSource() {
	cfg, err := tickets.ParseRedisSource(`"fd00::7":6380:2:"pass:word":vnc`)
	fmt.Println(cfg.Addresses, cfg.DB, cfg.Namespace, err)
	// Output: [[fd00::7]:6380] 2 vnc <nil>
}
