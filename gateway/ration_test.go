package gateway

import (
	"bytes"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"
)

func TestRationByAddress(t *testing.T) {
	start := time.Now()
	r := &Ration{PerSecond: 10, Exempt: netip.MustParsePrefix("10.1.0.0/16").Contains}
	opens := func(address string, n int, after time.Duration) (allowed int) {
		for range n {
			if r.allow(netip.MustParseAddr(address), start.Add(after)) {
				allowed++
			}
		}
		return allowed
	}
	for _, step := range []struct {
		what    string
		address string
		opens   int
		after   time.Duration
		want    int
	}{
		{"five seconds' worth at once", "192.0.2.1", 200, 0, 50},
		{"and the lasting rate from then on", "192.0.2.1", 200, time.Second, 10},
		{"also as IPv4 in IPv6", "::ffff:192.0.2.1", 5, time.Second, 0},
		{"another address has its own", "192.0.2.2", 60, time.Second, 50},
		{"a /64 is one address", "2001:db8::1", 30, time.Second, 30},
		{"whatever the rest of it", "2001:db8::2:0:0:1", 30, time.Second, 20},
		{"the next /64 is another", "2001:db8:0:1::1", 30, time.Second, 30},
		{"all of it after a while", "192.0.2.1", 200, 10 * time.Second, 50},
		{"and no more than that", "192.0.2.1", 200, time.Hour, 50},
		{"this machine is exempt", "127.0.0.1", 1000, time.Hour, 1000},
		{"so is who is said to be", "10.1.2.3", 1000, time.Hour, 1000},
	} {
		if got := opens(step.address, step.opens, step.after); got != step.want {
			t.Errorf("%s: %d of %d, want %d", step.what, got, step.opens, step.want)
		}
	}
	if !r.allow(netip.Addr{}, start) {
		t.Error("a unix socket has a ration")
	}
}

// TestRationSparesANAT has as many people come back at once as the documentation
// says can.
func TestRationSparesANAT(t *testing.T) {
	r, now := &Ration{}, time.Now()
	nat := netip.MustParseAddr("198.51.100.7")
	for i := range acceptBurst * DefaultAcceptRate {
		if !r.allow(nat, now) {
			t.Fatalf("connection %d after a restart is refused", i)
		}
	}
	for second := range 60 { // seven connections each of five hundred people, within a minute
		now = now.Add(time.Second)
		for range 500 * 7 / 60 {
			if !r.allow(nat, now) {
				t.Fatalf("refused in second %d", second)
			}
		}
	}
}

func TestRationForgets(t *testing.T) {
	r, now := &Ration{PerSecond: 1}, time.Now()
	address := func(i int) netip.Addr { return netip.AddrFrom4([4]byte{11, byte(i >> 16), byte(i >> 8), byte(i)}) }
	for i := range maxRationed {
		r.allow(address(i), now)
	}
	r.allow(address(maxRationed), now.Add(10*time.Second))
	if n := len(r.due); n != 1 {
		t.Errorf("%d addresses are remembered whose ration is free again", n)
	}
	for i := range 2 * maxRationed {
		r.allow(address(i), now.Add(20*time.Second))
	}
	if n := len(r.due); n > maxRationed {
		t.Errorf("%d addresses are remembered", n)
	}
}

// from is a connection from an address of our choice.
type from struct {
	net.Conn
	address net.Addr
	closed  bool
}

func (f *from) RemoteAddr() net.Addr { return f.address }
func (f *from) Close() error         { f.closed = true; return f.Conn.Close() }

// queueListener accepts what it has, and then says that it is closed.
type queueListener struct {
	queue []*from
	next  int
}

func (l *queueListener) Accept() (net.Conn, error) {
	if l.next == len(l.queue) {
		return nil, net.ErrClosed
	}
	l.next++
	return l.queue[l.next-1], nil
}

func (l *queueListener) Close() error   { return nil }
func (l *queueListener) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4zero, Port: 5900} }

func TestRationedListener(t *testing.T) {
	ln := &queueListener{}
	add := func(address net.Addr, n int) {
		for range n {
			a, b := net.Pipe()
			t.Cleanup(func() { _ = b.Close() })
			ln.queue = append(ln.queue, &from{Conn: a, address: address})
		}
	}
	tcp := func(ip string) net.Addr { return &net.TCPAddr{IP: net.ParseIP(ip), Port: 4711} }
	add(tcp("192.0.2.1"), 100)  // beyond 5
	add(tcp("203.0.113.9"), 20) // a proxy of this listener
	add(&net.UnixAddr{Name: "@", Net: "unix"}, 20)
	add(tcp("192.0.2.2"), 3)
	var log bytes.Buffer
	r := &Ration{PerSecond: 1, Log: slog.New(slog.NewTextHandler(&log, nil))}
	rationed := r.Listener(ln, func(a netip.Addr) bool { return a == netip.MustParseAddr("203.0.113.9") })
	accepted := map[string]int{}
	for {
		c, err := rationed.Accept()
		if err != nil {
			break
		}
		accepted[c.RemoteAddr().String()]++
		_ = c.(*from).Conn.Close()
	}
	want := map[string]int{"192.0.2.1:4711": 5, "203.0.113.9:4711": 20, "@": 20, "192.0.2.2:4711": 3}
	if fmt.Sprint(accepted) != fmt.Sprint(want) {
		t.Errorf("accepted %v, want %v", accepted, want)
	}
	closed := 0
	for _, c := range ln.queue {
		if c.closed {
			closed++
		}
	}
	if closed != 95 || r.Refused() != 95 {
		t.Errorf("%d were closed, %d counted", closed, r.Refused())
	}
	if n := strings.Count(log.String(), "192.0.2.1"); n != 1 || !strings.Contains(log.String(), "accept_rate") {
		t.Errorf("the log: %s", log.String())
	}
}

func TestRationOff(t *testing.T) {
	ln := &queueListener{}
	if got := (&Ration{PerSecond: -1}).Listener(ln, nil); got != net.Listener(ln) {
		t.Errorf("a listener without ration is %T", got)
	}
}
