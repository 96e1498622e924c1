package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"syscall"
)

// hostPort is where the target's TCP connection goes; "" for sockets and
// commands.
func (t *targetConfig) hostPort() (host, port string) {
	if u, err := url.Parse(t.URL); err == nil && u.Host != "" {
		port = u.Port()
		if port == "" {
			port = map[string]string{"ws": "80", "wss": "443"}[u.Scheme]
		}
		return u.Hostname(), port
	}
	if strings.HasPrefix(t.Address, "unix:") {
		return "", ""
	}
	host, port, _ = net.SplitHostPort(t.Address)
	return host, port
}

// resolve looks the host's name up, where there is one.
func (d *doctor) resolve(ctx context.Context) bool {
	host, _ := d.t.hostPort()
	if _, err := netip.ParseAddr(host); err == nil || host == "" {
		return true
	}
	s := d.begin("address")
	limited, cancel := d.limited(ctx)
	defer cancel()
	addresses, err := net.DefaultResolver.LookupHost(limited, host)
	if err != nil {
		d.fail(noName(host, because(limited, err)))
		return false
	}
	s.Summary = fmt.Sprintf("%s is %s", host, strings.Join(addresses, ", "))
	s.detail("addresses", addresses)
	d.done()
	return true
}

func noName(host string, err error) error {
	var dns *net.DNSError
	if errors.As(err, &dns) && dns.IsNotFound {
		return newTrouble(fmt.Sprintf("there is no host named %s", host),
			"On this side: check the spelling, and that this machine's resolver knows the name ('getent hosts "+host+"'); an IP address works without it.")
	}
	return newTrouble(fmt.Sprintf("the name %s could not be looked up: %v", host, err),
		"On this side: this machine's DNS (/etc/resolv.conf) does not answer; an IP address works without it.")
}

// noConnection says why there is nobody at the address.
func (d *doctor) noConnection(err error) error {
	where := d.t.whereabouts()
	_, port := d.t.hostPort()
	switch {
	case len(d.t.Command) > 0:
		return newTrouble(err.Error(), "On this side: the command must exist and be executable for the user that runs this.")
	case strings.HasPrefix(d.t.Address, "unix:"):
		return noSocket(strings.TrimPrefix(d.t.Address, "unix:"), err)
	case errors.Is(err, syscall.ECONNREFUSED):
		return newTrouble("connection refused: the machine is there, but nothing listens on port "+port, refusedAdvice(port)...)
	case errors.Is(err, errSilent), errors.Is(err, context.DeadlineExceeded), errors.Is(err, syscall.ETIMEDOUT):
		return newTrouble("no answer from "+where+" within "+d.timeout.String(),
			"Between: a firewall that drops packets looks like this; let TCP port "+port+" through from this machine.",
			"On the other side: is the machine running and the address its own?")
	case errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH):
		return newTrouble("there is no way to "+where+": "+cause(err),
			"Between: the route, a VPN that is down, or a firewall that says no. Another address family may work: name an IPv4 or IPv6 address.")
	}
	return newTrouble(cause(err))
}

func refusedAdvice(port string) []string {
	advice := []string{
		"On the other side: start the VNC server, and see where it listens ('ss -ltn'): one on 127.0.0.1 only (-localhost, QEMU's 127.0.0.1:0) cannot be reached from other machines; run the gateway there, or tunnel.",
	}
	if n, err := strconv.Atoi(port); err == nil && n < 100 {
		advice = append(advice, fmt.Sprintf("On this side: display :%d is port %d.", n, 5900+n))
	}
	return advice
}

// noSocket says what is wrong with a unix socket.
func noSocket(path string, err error) error {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return newTrouble("there is no socket "+path,
			"On the other side: start the VNC server; the path is created then (QEMU: -vnc unix:"+path+").")
	case errors.Is(err, fs.ErrPermission):
		return newTrouble("this user may not open "+path,
			"On this side: the gateway's user needs write permission on the socket and search permission on the folders above it ('namei -l "+path+"').")
	case errors.Is(err, syscall.ECONNREFUSED):
		return newTrouble("nobody listens on "+path+": the file is left over from a server that has ended",
			"On the other side: start the VNC server again.")
	}
	return newTrouble(cause(err))
}

// cause is the last part of a network error: what the system said.
func cause(err error) string {
	var op *net.OpError
	if errors.As(err, &op) && op.Err != nil {
		return op.Err.Error()
	}
	return err.Error()
}
