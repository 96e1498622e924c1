package netlab

import (
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// A lab is four hosts:
//
//	agent ── nat ══════ gateway ── viewer
//
// The double line is the path; the others are cables without any length. The
// nat host masquerades the agent, and forwards directPort to it, so that what
// is measured through the tunnel can be measured without one too.
type lab struct {
	agent, nat, gateway, viewer *host

	path *path
}

// Addresses of the laboratory. The nat host has natAddress outside; a test may
// give it another.
const (
	agentAddress   = "192.168.77.2"
	natAddress     = "203.0.113.2"
	natLater       = "203.0.113.3"
	gatewayAddress = "203.0.113.1" // as seen from the agent
	frontAddress   = "198.51.100.1"
	viewerAddress  = "198.51.100.2"
	displayPort    = "5900"
)

// setup says how a laboratory is to be.
type setup struct {
	conditions
	mtu     int  // 1500 where it is 0
	offload bool // for rates that need it; losses are then of up to 64 KiB at once
	buffers int  // what a socket may buffer at most; 0: as Linux comes
	bbr     bool // congestion control, in the place of cubic, which Linux comes with
}

// newLab makes a laboratory, or skips the test where there can be none.
func newLab(t testing.TB, s setup) *lab {
	t.Helper()
	allowed(t)
	l := &lab{newHost(t, "a"), newHost(t, "n"), newHost(t, "g"), newHost(t, "v"), nil}
	join(t, l.agent, "lan", agentAddress, l.nat, "lan", "192.168.77.1")
	join(t, l.gateway, "front", frontAddress, l.viewer, "net", viewerAddress)
	l.lay(t, s)
	l.route(t)
	allowCubic(t)
	for _, h := range []*host{l.agent, l.nat, l.gateway, l.viewer} {
		h.tune(t, s)
	}
	return l
}

// allowed skips the test unless somebody has asked for the laboratory.
func allowed(t testing.TB) {
	t.Helper()
	if os.Getenv("VNCGATE_NETLAB") == "" {
		t.Skip("the laboratory is made with VNCGATE_NETLAB=1 only (make netlab)")
	}
	if os.Getuid() != 0 {
		t.Fatal("the laboratory needs root: it makes network namespaces and TUN devices")
	}
	for _, p := range [][2]string{{"ip", "iproute2"}, {"nft", "nftables"}} {
		if _, err := exec.LookPath(p[0]); err != nil {
			t.Fatalf("%s is missing: apt install %s", p[0], p[1])
		}
	}
	if _, err := os.Stat("/dev/net/tun"); err != nil {
		t.Fatalf("the laboratory needs TUN devices (modprobe tun): %v", err)
	}
}

// join lays a cable without any length between two hosts.
func join(t testing.TB, a *host, nameA, addressA string, b *host, nameB, addressB string) {
	t.Helper()
	command(t, "ip", "-n", a.name, "link", "add", nameA, "type", "veth", "peer", "name", nameB, "netns", b.name)
	a.run(t, "ip address add "+addressA+"/24 dev "+nameA+"\n ip link set "+nameA+" up")
	b.run(t, "ip address add "+addressB+"/24 dev "+nameB+"\n ip link set "+nameB+" up")
}

// lay makes the path between nat and gateway.
func (l *lab) lay(t testing.TB, s setup) {
	t.Helper()
	var ends [2]*os.File
	for i, h := range []*host{l.nat, l.gateway} {
		h.in(t, func() (err error) {
			ends[i], err = openTUN("path", s.offload)
			return err
		})
		t.Cleanup(func() { ends[i].Close() })
	}
	mtu := "1500"
	if s.mtu > 0 {
		mtu = itoa(s.mtu)
	}
	l.nat.run(t, `ip address add `+natAddress+`/24 dev path
		ip link set path mtu `+mtu+` txqueuelen 5000 up`)
	l.gateway.run(t, `ip address add `+gatewayAddress+`/24 dev path
		ip link set path mtu `+mtu+` txqueuelen 5000 up`)
	head := 0
	if s.offload {
		head = offloadHead
	}
	l.path = newPath(ends[0], ends[1], head, s.conditions, 1)
	t.Cleanup(func() {
		ends[0].Close()
		ends[1].Close()
		l.path.wait()
	})
}

// route tells the hosts the way, and makes the nat.
func (l *lab) route(t testing.TB) {
	t.Helper()
	l.agent.run(t, "ip route add default via 192.168.77.1")
	l.nat.run(t, "ip route add default via "+gatewayAddress)
	l.viewer.run(t, "ip route add default via "+frontAddress)
	for _, h := range []*host{l.nat, l.gateway} {
		h.sysctl(t, map[string]string{"ipv4.ip_forward": "1"})
	}
	l.masquerade(t)
}

// masquerade hides the agent behind the nat, but for the display's port.
func (l *lab) masquerade(t testing.TB) {
	t.Helper()
	l.nat.nft(t, `table ip lab {
		chain out { type nat hook postrouting priority srcnat; oifname "path" masquerade; }
		chain in { type nat hook prerouting priority dstnat; iifname "path" tcp dport `+displayPort+` dnat to `+agentAddress+`; }
		chain guard { type filter hook forward priority filter; policy drop;
			ct state established,related accept
			iifname "lan" accept
			ct status dnat accept
		}
	}`)
}

// tune gives every connection of the host the same start, wherever the
// laboratory is: none has what an earlier one learnt of the path, nor what this
// machine has been tuned to.
func (h *host) tune(t testing.TB, s setup) {
	t.Helper()
	read, write, congestion := 6<<20, 4<<20, "cubic"
	if s.buffers > 0 {
		read, write = s.buffers, s.buffers
	}
	if s.bbr {
		congestion = "bbr"
	}
	h.sysctl(t, map[string]string{
		"ipv4.tcp_no_metrics_save":    "1",
		"ipv4.tcp_rmem":               "4096 131072 " + itoa(read),
		"ipv4.tcp_wmem":               "4096 16384 " + itoa(write),
		"ipv4.tcp_congestion_control": congestion,
	})
}

// allowCubic lets hosts have it where the machine itself uses something else,
// until the test is over.
func allowCubic(t testing.TB) {
	t.Helper()
	const file = "/proc/sys/net/ipv4/tcp_allowed_congestion_control"
	was, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	allowed := strings.TrimSpace(string(was))
	if slices.Contains(strings.Fields(allowed), "cubic") {
		return
	}
	if err := os.WriteFile(file, []byte(allowed+" cubic"), 0); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.WriteFile(file, was, 0) })
}
