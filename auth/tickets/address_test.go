package tickets_test

import (
	"fmt"
	"net"
	"strings"
	"testing"

	"vncgate/auth/tickets"
)

func TestParseAddress(t *testing.T) {
	long := strings.Repeat("p", 106)
	for _, tt := range []struct{ in, want string }{
		{"host:5900", "host:5900"},
		{"vm.example.org:05900", "vm.example.org:5900"},
		{"10.0.0.1:5901", "10.0.0.1:5901"},
		{"::1:5901", "[::1]:5901"},
		{"[::1]:5902", "[::1]:5902"},
		{"2001:db8::7:5900", "[2001:db8::7]:5900"},
		{"fe80::1%eth0:5900", "[fe80::1%eth0]:5900"},
		{"[fe80::1%eth0]:5900", "[fe80::1%eth0]:5900"},
		{"bücher.example:5900", "bücher.example:5900"},
		{"unix_socket:/run/x.sock", "unix:/run/x.sock"},
		{"unix_socket:/run/a:b c.sock", "unix:/run/a:b c.sock"},
		{"unix_socket:run/x.sock", "unix:./run/x.sock"},
		{"unix:./5900", "unix:./5900"},
		{"unix:/run/x.sock", "unix:/run/x.sock"},
		{"unix:@name", "unix:@name"},
		{"unix:5900", "[unix]:5900"},
		{"fd:5900", "[fd]:5900"},
		{"systemd:5900", "[systemd]:5900"},
		{"unix_socket:/" + long, "unix:/" + long},
	} {
		if got, err := tickets.ParseAddress(tt.in); got != tt.want || err != nil {
			t.Errorf("%q: got %q, %v; want %q", tt.in, got, err, tt.want)
		}
	}
}

func TestParseAddressRefuses(t *testing.T) {
	for in, says := range map[string]string{
		"":                              "port is missing",
		"host":                          "port is missing",
		"host:":                         "port is missing",
		"[::1]":                         "port is missing",
		":5900":                         "host is missing",
		"host:0":                        "1 to 65535",
		"host:65536":                    "1 to 65535",
		"host:+59":                      "1 to 65535",
		"host:5900 # vm":                "1 to 65535",
		"host:vnc":                      "1 to 65535",
		"2001:db8::5900:":               "port is missing",
		"2001:db8:5900":                 "no host name",
		"a:b:5900":                      "no host name",
		"[host]:5900":                   "in brackets",
		"[::1:5900":                     "in brackets",
		"::1]:5900":                     "no host name",
		"ho st:5900":                    "no host name",
		"ho\x00st:5900":                 "no host name",
		"h\xffst:5900":                  "no host name",
		"http://host:5900":              "no host name",
		"user@host:5900":                "no host name",
		"::1%a]:1":                      "no host name",
		"fe80::1%e th:5900":             "no host name",
		"unix_socket:":                  "path of a socket",
		"unix_socket:/a\x00b":           "path of a socket",
		"unix:@":                        "path of a socket",
		strings.Repeat("h", 300) + ":1": "no host name",
		"unix_socket:/" + strings.Repeat("p", 107): "path of a socket",
	} {
		got, err := tickets.ParseAddress(in)
		if err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%q: got %q, %v; want an error with %q", in, got, err, says)
		}
	}
}

func TestJoinAddress(t *testing.T) {
	for _, tt := range []struct{ host, port, want string }{
		{"host", "5900", "host:5900"},
		{"::1", "5900", "[::1]:5900"},
		{"[::1]", "5900", "[::1]:5900"},
		{"unix_socket", "/run/x", "unix:/run/x"},
		{"unix_socket", "", ""},
		{"", "5900", ""},
		{"host:1", "5900", ""},
		{"host", "", ""},
	} {
		if got, err := tickets.JoinAddress(tt.host, tt.port); got != tt.want || (err == nil) != (tt.want != "") {
			t.Errorf("%q %q: got %q, %v; want %q", tt.host, tt.port, got, err, tt.want)
		}
	}
}

// FuzzParseAddress: what comes out is taken again and means the same, and no
// error repeats what was there.
func FuzzParseAddress(f *testing.F) {
	for _, s := range []string{"host:5900", "::1:5901", "[::1]:5902", "unix_socket:/run/x", "unix:@x", "unix:1", "[fe80::1%a]:1", "%:1"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got, err := tickets.ParseAddress(s)
		if err != nil {
			return
		}
		if strings.HasPrefix(got, "unix:") {
			if again, err := tickets.ParseAddress("unix_socket:" + strings.TrimPrefix(got, "unix:")); again != got || err != nil {
				t.Fatalf("%q gave %q, and that %q, %v", s, got, again, err)
			}
			return
		}
		host, port, err := net.SplitHostPort(got)
		if err != nil || host == "" || port == "" {
			t.Fatalf("%q gave %q, which cannot be dialled: %v", s, got, err)
		}
		if again, err := tickets.JoinAddress(host, port); again != got || err != nil {
			t.Fatalf("%q gave %q, and that %q, %v", s, got, again, err)
		}
	})
}

func ExampleParseAddress() {
	for _, s := range []string{"vm7:5900", "::1:5901", "unix_socket:/run/vm7.sock"} {
		address, _ := tickets.ParseAddress(s)
		fmt.Println(address)
	}
	// Output:
	// vm7:5900
	// [::1]:5901
	// unix:/run/vm7.sock
}
