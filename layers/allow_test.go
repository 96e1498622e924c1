package layers_test

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"vncgate/layers"
)

func allowList(t testing.TB, entries ...string) *layers.AllowList {
	t.Helper()
	list, err := layers.ParseAllowList(entries)
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func TestAllowList(t *testing.T) {
	for _, test := range []struct {
		entries string // separated by spaces
		yes, no string
	}{
		{"", "", "10.0.0.1:5900 [2001:db8::1]:5900 127.0.0.1:5900"},
		{"10.0.0.0/8:5900-5999", "10.0.0.1:5900 10.255.255.255:5999 [::ffff:10.0.0.1]:5900",
			"10.0.0.1:5899 10.0.0.1:6000 11.0.0.1:5900 [64:ff9b::10.0.0.1]:5900 127.0.0.1:5900"},
		{"10.0.0.7:5900", "10.0.0.7:5900", "10.0.0.7:5901 10.0.0.8:5900"},
		{"10.0.0.0/8:*", "10.0.0.1:1 10.0.0.1:65535", "10.0.0.1:0"},
		{"[fd00::/8]:5900", "[fd00::1]:5900 [fdff::1]:5900", "[fe00::1]:5900 [fd00:ec2::254]:5900 [fd00:ec2::23]:5900 [fd20:ce::254]:5900"},
		{"[fd00::]/8:5900", "[fd00::1]:5900", "[fd00:ec2::254]:5900"},
		{":5900-5999", "192.0.2.1:5900 [2001:db8::1]:5999 [64:ff9b::192.0.2.1]:5900",
			"192.0.2.1:80 127.0.0.1:5900 127.9.9.9:5900 [::1]:5900 [::ffff:127.0.0.1]:5900 169.254.1.1:5900 [fe80::1]:5900 [fe80::1%eth0]:5900 " +
				"0.0.0.0:5900 0.1.2.3:5900 [::]:5900 224.0.0.1:5900 255.255.255.255:5900 [ff02::1]:5900"},
		{"0.0.0.0/0:80 [::/0]:80", "192.0.2.1:80 [2001:db8::1]:80",
			"127.0.0.1:80 [::1]:80 169.254.169.254:80 [::ffff:169.254.169.254]:80 [64:ff9b::169.254.169.254]:80 [2002:a9fe:a9fe::1]:80 " +
				"[::169.254.169.254]:80 [2001:0:1:2:3:4:5601:5601]:80 [::ffff:0:169.254.169.254]:80 [64:ff9b:1::a9fe:a9fe]:80 " +
				"100.100.100.200:80 168.63.129.16:80 192.0.0.192:80 [64:ff9b::127.0.0.1]:80"},
		{"169.254.0.0/16:80", "169.254.1.1:80", "169.254.169.254:80 169.254.170.2:80 169.254.0.23:80"},
		{"169.254.169.254:80", "169.254.169.254:80 [::ffff:169.254.169.254]:80", "169.254.169.254:81 169.254.169.253:80 [64:ff9b::169.254.169.254]:80"},
		{"[64:ff9b::169.254.169.254]:80", "[64:ff9b::169.254.169.254]:80", "169.254.169.254:80"},
		{"[64:ff9b:1::/96]:80", "[64:ff9b:1::a]:80", "[64:ff9b:1:1::a]:80"},
		{"127.0.0.1:5900 [::1]:5900", "127.0.0.1:5900 [::1]:5900", "127.0.0.2:5900"},
		{"127.0.0.0/8:5900", "127.3.2.1:5900", "[::1]:5900"},
		{"[fe80::/10]:5900", "[fe80::1%eth0]:5900", ""},
		{"224.0.0.0/4:*", "239.1.1.1:5900", "255.255.255.255:5900"},
	} {
		list := allowList(t, strings.Fields(test.entries)...)
		for _, a := range strings.Fields(test.yes) {
			if err := list.Check(netip.MustParseAddrPort(a)); err != nil {
				t.Errorf("%q, %s: %v", test.entries, a, err)
			}
		}
		for _, a := range strings.Fields(test.no) {
			err := list.Check(netip.MustParseAddrPort(a))
			if !errors.Is(err, layers.ErrNotAllowed) {
				t.Errorf("%q, %s: %v", test.entries, a, err)
			}
		}
	}
	if err := allowList(t, ":*").Check(netip.AddrPort{}); err == nil {
		t.Error("no address at all is allowed")
	}
}

func TestAllowListUnix(t *testing.T) {
	list := allowList(t, "unix:/run/vms/*", "unix:/run/vnc.sock", "unix:@vm-*")
	for path, want := range map[string]bool{
		"/run/vms/a": true, "/run/vms/../vms/a": true, "/run/vnc.sock": true, "//run//vnc.sock": true, "@vm-1": true,
		"/run/vms/a/b": false, "/run/vms/../a": false, "/run/vms": false, "run/vms/a": false, "@other": false,
		"": false, "/run/vms/../../etc/s": false, "@run/vms/a": false,
	} {
		if err := list.CheckUnix(path); (err == nil) != want || err != nil && !errors.Is(err, layers.ErrNotAllowed) {
			t.Errorf("%q: %v", path, err)
		}
	}
}

func TestAllowListWords(t *testing.T) {
	list := allowList(t, "10.0.0.0/8:5900")
	for _, test := range []struct {
		err  error
		want string
	}{
		{list.Check(netip.MustParseAddrPort("192.0.2.1:5900")), `such an entry would be "192.0.2.1:5900"`},
		{list.Check(netip.MustParseAddrPort("[::1]:5900")), `a loopback address, which only an entry of its own allows, such as "[::1]:5900"`},
		{list.Check(netip.MustParseAddrPort("[64:ff9b::7f00:1]:1")), "in effect 127.0.0.1, a loopback address"},
		{list.CheckUnix("/a/b"), `such an entry would be "unix:/a/b"`},
	} {
		if test.err == nil || !strings.Contains(test.err.Error(), test.want) {
			t.Errorf("%v, want %q", test.err, test.want)
		}
	}
}

func TestParseAllowListErrors(t *testing.T) {
	for entry, want := range map[string]string{
		"":                     "ports are missing",
		"10.0.0.1":             "ports are missing, as in 10.0.0.1:5900-5999",
		"[::1]":                "ports are missing",
		"::1:5900":             "needs brackets",
		"[fd00::]/8":           "needs brackets",
		"[::1:5900":            "not closed",
		"10.0.0.1/8:5900":      "the range begins at 10.0.0.0/8",
		"host:5900":            "names are not",
		"10.0.0.0/33:5900":     "neither",
		"[fe80::1%eth0]:5900":  "neither",
		"[::ffff:10.0.0.1]:80": "IPv4 address as such",
		"10.0.0.1:":            "not a port",
		"10.0.0.1:vnc":         "not a port",
		"10.0.0.1:0":           "not a port",
		"10.0.0.1:2-1":         "not a port",
		"10.0.0.1:1-65536":     "not a port",
		"unix:":                "whole path",
		"unix:@":               "whole path",
		"unix:run/x":           "whole path",
		"unix:/run/../x":       "whole path",
		"unix:/run/[":          "pattern",
	} {
		list, err := layers.ParseAllowList([]string{":5900", entry})
		if list != nil || err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), fmt.Sprintf("%q", entry)) {
			t.Errorf("%q: %v, want %q", entry, err, want)
		}
	}
}

// FuzzAllowList looks for an entry beyond the special ranges that lets a
// special address in.
func FuzzAllowList(f *testing.F) {
	for _, s := range []string{"10.0.0.0/8:5900-5999", "[fd00::]/8:1", ":*", "unix:/run/*", "0.0.0.0/0:*", "[::/0]:*", "[[::1]]:1", "[:]:1"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, entry string) {
		list, err := layers.ParseAllowList([]string{entry})
		if err != nil {
			return
		}
		metadata := list.Check(netip.MustParseAddrPort("169.254.169.254:80"))
		if metadata == nil && !strings.Contains(entry, "169.254.169.254") {
			t.Errorf("%q allows the metadata service", entry)
		}
		if (list.CheckUnix("/etc/../run/x") == nil) != (list.CheckUnix("/run/x") == nil) {
			t.Errorf("%q: a path is not what it is when cleaned", entry)
		}
	})
}

func ExampleParseAllowList() {
	list, err := layers.ParseAllowList([]string{"10.0.0.0/8:5900-5999", "unix:/run/vms/*"})
	if err != nil {
		panic(err)
	}
	dialer := layers.Dialer{Allow: list.Check, AllowUnix: list.CheckUnix}
	fmt.Println(dialer.Allow(netip.MustParseAddrPort("10.1.2.3:5901")))
	fmt.Println(dialer.Allow(netip.MustParseAddrPort("169.254.169.254:80")))
	fmt.Println(dialer.AllowUnix("/run/vms/../docker.sock"))
	// Output:
	// <nil>
	// not allowed: 169.254.169.254:80 is the address of a cloud's metadata service, which only an entry of its own allows, such as "169.254.169.254:80"
	// not allowed: no entry allows the unix socket /run/docker.sock; such an entry would be "unix:/run/docker.sock"
}
