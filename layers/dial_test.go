package layers_test

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/netip"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"vncgate/layers"
	"vncgate/layers/layertest"
)

// nameServer answers every question for IPv4 addresses: the first with the
// first list, the next with the next, and with the last from then on.
type nameServer struct {
	mu      sync.Mutex
	answers [][]netip.Addr
}

// resolver asks s and nobody else.
func (s *nameServer) resolver() *net.Resolver {
	return &net.Resolver{PreferGo: true, Dial: func(context.Context, string, string) (net.Conn, error) {
		near, far := net.Pipe()
		go s.answer(far)
		return near, nil
	}}
}

// answer is DNS over a stream (RFC 1035, 4.2.2): one question, one answer.
func (s *nameServer) answer(c net.Conn) {
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(10 * time.Second))
	var size [2]byte
	if _, err := io.ReadFull(c, size[:]); err != nil {
		return
	}
	query := make([]byte, binary.BigEndian.Uint16(size[:]))
	if _, err := io.ReadFull(c, query); err != nil {
		return
	}
	end := 12
	for query[end] != 0 {
		end += int(query[end]) + 1
	}
	end += 5 // the root, type and class
	var list []netip.Addr
	if query[end-3] == 1 { // type A
		list = s.next()
	}
	reply := append([]byte{query[0], query[1], 0x81, 0x80, 0, 1, 0, byte(len(list)), 0, 0, 0, 0}, query[12:end]...)
	for _, a := range list {
		reply = append(reply, 0xC0, 12, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4)
		reply = append(reply, a.AsSlice()...)
	}
	_, _ = c.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(reply))), reply...))
}

func (s *nameServer) next() []netip.Addr {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := s.answers[0]
	if len(s.answers) > 1 {
		s.answers = s.answers[1:]
	}
	return list
}

func addresses(list ...string) []netip.Addr {
	var all []netip.Addr
	for _, s := range list {
		all = append(all, netip.MustParseAddr(s))
	}
	return all
}

// TestDialRebinding asks for a name that is a public address when it is looked
// at and the machine itself when it is dialled.
func TestDialRebinding(t *testing.T) {
	ctx := context.Background()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	_, port, _ := net.SplitHostPort(ln.Addr().String())
	server := &nameServer{answers: [][]netip.Addr{addresses("192.0.2.1"), addresses("127.0.0.1")}}
	list := allowList(t, ":*")
	dialer := layers.Dialer{Allow: list.Check, Resolver: server.resolver()}
	first, err := dialer.Resolver.LookupNetIP(ctx, "ip4", "rebind.test.")
	if err != nil || list.Check(netip.AddrPortFrom(first[0], 5900)) != nil {
		t.Fatalf("the first answer: %v, %v", first, err)
	}
	_, err = dialer.Dial(ctx, "rebind.test.:"+port)
	if !errors.Is(err, layers.ErrNotAllowed) || !strings.Contains(err.Error(), "loopback") {
		t.Errorf("dialled: %v", err)
	}
	ours := dialTCP(t, ln.Addr().String())
	c, err := ln.Accept()
	if err != nil || c.RemoteAddr().String() != ours.LocalAddr().String() {
		t.Errorf("somebody else connected: %v, %v", c, err)
	}
	_ = c.Close()
}

// TestDialSomeAllowed resolves to several addresses, of which one is allowed.
func TestDialSomeAllowed(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	greet(t, ln)
	_, port, _ := net.SplitHostPort(ln.Addr().String())
	for _, answer := range [][]netip.Addr{addresses("127.0.0.1", "127.0.0.2"), addresses("127.0.0.2", "169.254.169.254", "127.0.0.1")} {
		server := &nameServer{answers: [][]netip.Addr{answer}}
		var asked []string
		list := allowList(t, "127.0.0.1:"+port)
		dialer := layers.Dialer{Resolver: server.resolver(), UserTimeout: time.Minute, Allow: func(a netip.AddrPort) error {
			asked = append(asked, a.String())
			return list.Check(a)
		}}
		c, err := dialer.Dial(context.Background(), "some.test.:"+port)
		if err != nil {
			t.Fatalf("%v, asked about %v", err, asked)
		}
		if got, err := io.ReadAll(c); string(got) != "hello" || err != nil || c.RemoteAddr().String() != "127.0.0.1:"+port {
			t.Errorf("from %v: %q, %v", c.RemoteAddr(), got, err)
		}
		_ = c.Close()
	}
}

func TestDialAllow(t *testing.T) {
	ctx := context.Background()
	path := filepath.Join(layertest.SocketDir(t), "s")
	ln, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	greet(t, ln)
	list := allowList(t, "unix:"+filepath.Dir(path)+"/*")
	for name, test := range map[string]struct {
		dialer  layers.Dialer
		address string
		allowed bool
	}{
		"all":            {layers.Dialer{}, path, true},
		"no paths":       {layers.Dialer{Allow: list.Check}, path, false},
		"listed":         {layers.Dialer{Allow: list.Check, AllowUnix: list.CheckUnix}, path, true},
		"listed, winded": {layers.Dialer{AllowUnix: list.CheckUnix}, filepath.Dir(path) + "/x/../s", true},
		"elsewhere":      {layers.Dialer{AllowUnix: list.CheckUnix}, filepath.Dir(path) + "/../s", false},
	} {
		c, err := test.dialer.Dial(ctx, "unix:"+test.address)
		if (err == nil) != test.allowed || err != nil && !errors.Is(err, layers.ErrNotAllowed) {
			t.Errorf("%s: %v", name, err)
		}
		if err == nil {
			_ = c.Close()
		}
	}
	none := layers.Dialer{Allow: list.Check}
	for _, address := range []string{":5900", "localhost:5900", "127.0.0.1:5900", "169.254.169.254:80", "[::ffff:169.254.169.254]:80"} {
		if _, err := none.Dial(ctx, address); !errors.Is(err, layers.ErrNotAllowed) {
			t.Errorf("%s: %v", address, err)
		}
	}
	for _, address := range []string{"fd:3", "systemd:vnc"} {
		if _, err := layers.Dial(ctx, address); err == nil || !strings.Contains(err.Error(), "listened on only") {
			t.Errorf("%s: %v", address, err)
		}
	}
}
