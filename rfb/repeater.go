package rfb

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
)

// The prologue of UltraVNC's repeater, before RFB proper (UltraVNC
// repeater/mode12_listener.cpp, mode2_listener_server.cpp,
// socket_functions.cpp). Protocol flow:
//
//	viewer's port:    S→C  "RFB 000.000\n"
//	                  C→S  250 bytes: "ID:<n>" or "host:port", NUL, anything
//	display's port:   C→S  250 bytes: "ID:<n>", NUL, anything
//
// What follows on both is RFB from its ProtocolVersion on. While a display
// waits, UltraVNC's repeater sends it "REP 000.000\n" once a minute, which only
// UltraVNC's own server understands; so nothing of the kind is sent here.
const (
	// RepeaterLen is the length of the message that says who is wanted.
	RepeaterLen = 250
	// MaxRepeaterID is the longest ID that is taken.
	MaxRepeaterID = 64
	// maxRepeaterHost leaves room for brackets, colons, a port and the NUL.
	maxRepeaterHost = RepeaterLen - 10
)

// repeaterGreeting is the ProtocolVersion of a repeater.
const repeaterGreeting = "RFB 000.000\n"

// displayPorts are added to numbers below 100, which are X displays.
const displayPorts = 5900

// RepeaterRequest is what a viewer wants of a repeater, or what a display says
// that it is: either ID is set, or Host and Port are.
type RepeaterRequest struct {
	ID   string // what follows "ID:", printable ASCII
	Host string // a name, an IPv4 address or, without its brackets, an IPv6 address
	Port int    // 1 to 65535
}

// String writes the request as it is sent: "ID:1234", "host:5900", and
// "host::80" where a single colon would mean a display.
func (r RepeaterRequest) String() string {
	port := strconv.Itoa(r.Port)
	switch {
	case r.ID != "":
		return "ID:" + r.ID
	case r.Port < 100:
		port = ":" + port
	}
	if strings.Contains(r.Host, ":") {
		return "[" + r.Host + "]:" + port
	}
	return r.Host + ":" + port
}

// RepeaterServer plays the repeater to the viewer at c and returns what it
// wants. Nothing behind the prologue is read. On error c is still the caller's
// to close.
func RepeaterServer(ctx context.Context, c net.Conn) (RepeaterRequest, error) {
	var r RepeaterRequest
	err := interrupt(ctx, c, func() (err error) {
		if err = write(c, []byte(repeaterGreeting), "repeater version"); err != nil {
			return err
		}
		r, err = readRepeater(c)
		return err
	})
	return r, err
}

// ReadRepeater reads what a display that dials in says before RFB. On error c
// is still the caller's to close.
func ReadRepeater(ctx context.Context, c net.Conn) (RepeaterRequest, error) {
	var r RepeaterRequest
	err := interrupt(ctx, c, func() (err error) {
		r, err = readRepeater(c)
		return err
	})
	return r, err
}

func readRepeater(c net.Conn) (RepeaterRequest, error) {
	b, err := readN(c, RepeaterLen, "repeater request")
	if err != nil {
		return RepeaterRequest{}, err
	}
	return ParseRepeater(b)
}

// ParseRepeater reads a request up to its first NUL. "host" alone means port
// 5900, "host:n" a display up to 99 and a port from 100 on, and "host::n" a
// port always. An ID must be printable ASCII without spaces.
func ParseRepeater(b []byte) (RepeaterRequest, error) {
	if len(b) > RepeaterLen {
		return RepeaterRequest{}, fmt.Errorf("rfb: repeater request of %d bytes, more than %d", len(b), RepeaterLen)
	}
	text, _, _ := bytes.Cut(b, []byte{0})
	for _, ch := range text {
		if ch <= ' ' || ch > '~' {
			return RepeaterRequest{}, errors.New("rfb: repeater request: not printable ASCII")
		}
	}
	if id, ok := strings.CutPrefix(string(text), "ID:"); ok {
		if id == "" || len(id) > MaxRepeaterID {
			return RepeaterRequest{}, fmt.Errorf("rfb: repeater request: ID of %d bytes, 1 to %d are possible", len(id), MaxRepeaterID)
		}
		return RepeaterRequest{ID: id}, nil
	}
	return repeaterHost(string(text))
}

// repeaterHost reads host, host:n, host::n, [v6]:n, [v6]::n.
func repeaterHost(text string) (RepeaterRequest, error) {
	host, number, direct := text, "0", false
	i := strings.IndexByte(text, ':')
	if strings.HasPrefix(text, "[") {
		end := strings.IndexByte(text, ']')
		if end < 0 || end+1 < len(text) && text[end+1] != ':' {
			return RepeaterRequest{}, errors.New("rfb: repeater request: brackets without an end")
		}
		host = text[1:end]
		if i = end + 1; i == len(text) {
			i = -1
		}
	} else if i >= 0 {
		host = text[:i]
	}
	if i >= 0 {
		number, direct = strings.CutPrefix(text[i+1:], ":")
	}
	port, err := strconv.ParseUint(number, 10, 16)
	if err != nil || host == "" || host == "ID" || len(host) > maxRepeaterHost || strings.ContainsAny(host, "[]/%@") {
		return RepeaterRequest{}, errors.New("rfb: repeater request: neither an ID nor host:port")
	}
	if port < 100 && !direct {
		port += displayPorts
	}
	if port == 0 {
		return RepeaterRequest{}, errors.New("rfb: repeater request: port 0")
	}
	return RepeaterRequest{Host: host, Port: int(port)}, nil
}

// Append appends the 250 bytes of r, for whoever plays the viewer or the
// display. What is longer is an error.
func (r RepeaterRequest) Append(b []byte) ([]byte, error) {
	text := r.String()
	if len(text) >= RepeaterLen {
		return nil, fmt.Errorf("rfb: repeater request of %d bytes, more than %d", len(text), RepeaterLen-1)
	}
	return append(append(b, text...), make([]byte, RepeaterLen-len(text))...), nil
}
