package layers_test

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"vncgate/layers"
	"vncgate/layers/layertest"
)

// reach dials an address and reads what greet says there.
func reach(t *testing.T, address string) {
	t.Helper()
	c, err := layers.Dial(context.Background(), address)
	if err != nil {
		t.Errorf("%s: %v", address, err)
		return
	}
	defer c.Close()
	if got, err := io.ReadAll(c); string(got) != "hello" || err != nil {
		t.Errorf("%s: read %q, %v", address, got, err)
	}
}

func hasIPv6() bool {
	ln, err := net.Listen("tcp", "[::1]:0")
	if err == nil {
		_ = ln.Close()
	}
	return err == nil
}

// TestListenFamilies serves both families by one socket, or one of them.
func TestListenFamilies(t *testing.T) {
	if !hasIPv6() {
		t.Skip("no IPv6 here")
	}
	for at, open := range map[[2]string][2]bool{
		{"", ":0"}: {true, true}, {"tcp4", ":0"}: {true, false}, {"tcp6", ":0"}: {false, true},
		{"", "0.0.0.0:0"}: {true, false}, {"tcp4", "0.0.0.0:0"}: {true, false}, {"", "[::]:0"}: {true, true}, {"tcp6", "[::]:0"}: {false, true},
	} {
		ln, err := layers.Listen(context.Background(), at[1], layers.ListenConfig{Network: at[0]})
		if err != nil {
			t.Fatal(err)
		}
		greet(t, ln)
		_, port, _ := net.SplitHostPort(ln.Addr().String())
		for i, host := range []string{"127.0.0.1:", "[::1]:"} {
			if open[i] {
				reach(t, host+port)
			} else if answers(host + port) { // which greets, unlike others that may have that port there
				t.Errorf("network %q, %s: %s is open", at[0], at[1], host)
			}
		}
		_ = ln.Close() // or the next of the other family may get the same port
	}
}

// answers reports whether a listener of ours is there.
func answers(address string) bool {
	c, err := layers.Dial(context.Background(), address)
	if err != nil {
		return false
	}
	defer c.Close()
	_ = c.SetReadDeadline(time.Now().Add(10 * time.Second))
	b := make([]byte, 5)
	_, err = io.ReadFull(c, b)
	return err == nil && string(b) == "hello"
}

// TestListenRemedies has errors say what can be done.
func TestListenRemedies(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = taken.Close() }()
	for address, want := range map[string]string{
		taken.Addr().String(): "another program listens there",
		"192.0.2.1:0":         "this machine has no such address",
		"17010":               `a port alone is written :17010`,
		"host":                "the port is missing, as in host:5900",
	} {
		if _, err := layers.Listen(context.Background(), address, layers.ListenConfig{}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", address, err, want)
		}
	}
	for owner, good := range map[string]bool{"0": true, "no-such-user-here": false, "": true} {
		if err := (layers.ListenConfig{Owner: owner, Group: owner}).Check(); (err == nil) != good {
			t.Errorf("owner %q: %v", owner, err)
		}
	}
}

func TestListenNetworkErrors(t *testing.T) {
	for address, network := range map[string]string{"127.0.0.1:0": "tcp6", "[::1]:0": "tcp4", ":0": "udp"} {
		if ln, err := layers.Listen(context.Background(), address, layers.ListenConfig{Network: network}); ln != nil || err == nil {
			t.Errorf("%s on %s: %v, %v", address, network, ln, err)
		}
	}
}

// TestListenName listens at a name with several addresses, one of them not ours.
func TestListenName(t *testing.T) {
	server := &nameServer{answers: [][]netip.Addr{addresses("203.0.113.1", "127.0.0.1", "127.0.0.2", "127.0.0.1")}}
	var failed []error
	config := layers.ListenConfig{Resolver: server.resolver(), Report: func(err error) { failed = append(failed, err) }}
	ln, err := layers.Listen(context.Background(), "several.test.:0", config)
	if err != nil {
		t.Fatal(err)
	}
	greet(t, ln)
	group, ok := ln.(*layers.Group)
	if !ok || len(group.Addrs()) != 2 || group.Addr() != group.Addrs()[0] {
		t.Fatalf("%T, %v", ln, ln.Addr())
	}
	for i, a := range group.Addrs() {
		_, first, _ := net.SplitHostPort(ln.Addr().String())
		if want := "127.0.0." + strconv.Itoa(i+1) + ":" + first; a.String() != want {
			t.Errorf("address %d is %v, want %s", i, a, want)
		}
		reach(t, a.String())
	}
	if len(failed) != 1 || !strings.Contains(failed[0].Error(), "203.0.113.1") {
		t.Errorf("reported: %v", failed)
	}
	config.Report = nil
	server.answers = [][]netip.Addr{addresses("203.0.113.1", "203.0.113.2")}
	_, err = layers.Listen(context.Background(), "none.test.:0", config)
	if err == nil || !strings.Contains(err.Error(), "203.0.113.1") || !strings.Contains(err.Error(), "203.0.113.2") {
		t.Errorf("none of them: %v", err)
	}
	server.answers = [][]netip.Addr{nil}
	if _, err = layers.Listen(context.Background(), "unknown.test.:0", config); err == nil || !strings.Contains(err.Error(), "unknown.test.") {
		t.Errorf("unknown name: %v", err)
	}
}

func TestListenPreferIPv6(t *testing.T) {
	if !hasIPv6() {
		t.Skip("no IPv6 here")
	}
	for _, first := range []bool{true, false} {
		ln, err := layers.Listen(context.Background(), "localhost:0", layers.ListenConfig{PreferIPv6: first})
		if err != nil {
			t.Fatal(err)
		}
		six := strings.HasPrefix(ln.Addr().String(), "[")
		if _, both := ln.(*layers.Group); both && six != first {
			t.Errorf("PreferIPv6 %v gives %v", first, ln.Addr())
		}
		_ = ln.Close()
	}
}

// TestGroupEnds closes a group under waiting Accepts and with a connection that
// nobody takes.
func TestGroupEnds(t *testing.T) {
	layertest.CheckLeaks(t)
	var members []net.Listener
	for range 3 {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		members = append(members, ln)
	}
	g := layers.NewGroup(members...)
	left := dialTCP(t, members[2].Addr().String())
	c, err := g.Accept()
	if err != nil {
		t.Fatal(err)
	}
	_ = c.Close()
	ended := make(chan error)
	go func() {
		_, err := g.Accept()
		ended <- err
	}()
	if err := g.Close(); err != nil {
		t.Error(err)
	}
	if err := <-ended; !errors.Is(err, net.ErrClosed) {
		t.Errorf("Accept: %v", err)
	}
	if _, err := left.Read(make([]byte, 1)); err == nil {
		t.Error("a connection outlives the group")
	}
	_ = g.Close()
}

// TestGroupMemberFails ends one member, whose error comes out once.
func TestGroupMemberFails(t *testing.T) {
	one, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	two, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	g := layers.NewGroup(one, two)
	defer g.Close()
	_ = one.Close()
	if _, err := g.Accept(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("the member's error: %v", err)
	}
	_ = dialTCP(t, two.Addr().String())
	if c, err := g.Accept(); err != nil {
		t.Errorf("the other member: %v", err)
	} else {
		_ = c.Close()
	}
}

func TestListenUnixOwner(t *testing.T) {
	me, err := user.Current()
	if err != nil {
		t.Skip(err)
	}
	path := filepath.Join(layertest.SocketDir(t), "s")
	for _, test := range []struct {
		config layers.ListenConfig
		mode   fs.FileMode
		err    string
	}{
		{layers.ListenConfig{Owner: me.Username}, 0o660, ""},
		{layers.ListenConfig{Owner: me.Uid, Group: me.Gid, Mode: 0o606}, 0o606, ""},
		{layers.ListenConfig{Mode: 0o777}, 0o777, ""},
		{layers.ListenConfig{Owner: "no such user"}, 0, "owner: "},
		{layers.ListenConfig{Group: "no such group"}, 0, "group: "},
	} {
		ln, err := layers.Listen(context.Background(), "unix:"+path, test.config)
		if (err == nil) != (test.err == "") || err != nil && !strings.Contains(err.Error(), test.err) {
			t.Errorf("%+v: %v", test.config, err)
		}
		if err != nil {
			continue
		}
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != test.mode {
			t.Errorf("%+v: mode %v, %v", test.config, info.Mode(), err)
		}
		_ = ln.Close()
	}
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("left behind: %v", err)
	}
}
