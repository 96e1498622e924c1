package tickets

import (
	"errors"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Bounds of an address.
const (
	maxHostLen  = 253 // bytes of a host name (RFC 1035, 2.3.4)
	maxUnixPath = 107 // bytes of a path that sockaddr_un has room for
)

// socketHost is what websockify's token plugins write for the host when the
// port is the path of a socket (websockify:websockify/websocketproxy.py).
const socketHost = "unix_socket"

var (
	errNoPort   = errors.New("tickets: address: the port is missing, as in host:5900 or [::1]:5900")
	errPort     = errors.New("tickets: address: the port must be a number from 1 to 65535 and nothing after it")
	errNoHost   = errors.New("tickets: address: the host is missing, as in host:5900")
	errHost     = errors.New("tickets: address: that is no host name and no IP address")
	errBrackets = errors.New("tickets: address: only an IPv6 address stands in brackets, as in [::1]:5900")
	errPath     = errors.New("tickets: address: the path of a socket has 1 to 107 bytes, as in unix_socket:/run/vnc.sock")
)

// ParseAddress reads an address as token files and services write it, and
// returns it in the form of Ticket.Address. It takes "host:port",
// "[v6]:port", an IPv6 address without brackets, of which the last colon ends
// the host, and for sockets "unix_socket:/path" and "unix:/path". Errors say
// what is wrong and nothing of what was there.
func ParseAddress(s string) (string, error) {
	if path, ok := strings.CutPrefix(s, socketHost+":"); ok {
		return unixAddress(path)
	}
	if path, ok := strings.CutPrefix(s, "unix:"); ok && saysPath(path) {
		return unixAddress(path)
	}
	colon := strings.LastIndexByte(s, ':')
	if colon < 0 || strings.HasSuffix(s, "]") {
		return "", errNoPort
	}
	return JoinAddress(s[:colon], s[colon+1:])
}

// JoinAddress is ParseAddress for a host and a port that come apart. An IPv6
// address may stand in brackets; the host "unix_socket" says that port is a
// path.
func JoinAddress(host, port string) (string, error) {
	if host == socketHost {
		return unixAddress(port)
	}
	number, err := parsePort(port)
	if err != nil {
		return "", err
	}
	if inner, ok := strings.CutPrefix(host, "["); ok {
		inner, ok = strings.CutSuffix(inner, "]")
		if !ok || !strings.Contains(inner, ":") {
			return "", errBrackets
		}
		host = inner
	}
	if err := checkHost(host); err != nil {
		return "", err
	}
	switch host {
	case "unix", "fd", "systemd": // a host of that name, not a socket (layers.ParseAddress)
		return "[" + host + "]:" + number, nil
	}
	return net.JoinHostPort(host, number), nil
}

// parsePort returns the port as it is dialled, without leading zeros.
func parsePort(s string) (string, error) {
	if s == "" {
		return "", errNoPort
	}
	n, err := strconv.ParseUint(s, 10, 16)
	if err != nil || n == 0 {
		return "", errPort
	}
	return strconv.FormatUint(n, 10), nil
}

// checkHost leaves it to the resolver what a good host name is, and takes out
// what would mean something else in an address.
func checkHost(host string) error {
	switch {
	case host == "":
		return errNoHost
	case strings.Contains(host, ":"):
		if _, err := netip.ParseAddr(host); err != nil || strings.ContainsAny(host, "/\\@?#[]\"'") { // a zone takes anything
			return errHost
		}
		return checkText(host)
	case len(host) > maxHostLen || strings.ContainsAny(host, "/\\@%?#[]\"'"):
		return errHost
	}
	return checkText(host)
}

func checkText(host string) error {
	if !utf8.ValidString(host) || strings.ContainsFunc(host, func(r rune) bool { return unicode.IsSpace(r) || !unicode.IsPrint(r) }) {
		return errHost
	}
	return nil
}

// unixAddress writes a path so that it cannot be taken for the port of a host
// named unix.
func unixAddress(path string) (string, error) {
	if path != "" && !saysPath(path) {
		path = "./" + path
	}
	if path == "" || path == "@" || len(path) > maxUnixPath || strings.ContainsRune(path, 0) {
		return "", errPath
	}
	return "unix:" + path, nil
}

func saysPath(s string) bool { return s != "" && strings.ContainsRune("/@.", rune(s[0])) }
