package interop

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"syscall"
	"time"
)

// A webClient is a client of a WebSocket bridge that says what it sees in a
// few words, so that two bridges can be compared. It speaks as raw as needed to
// break every rule.
type webClient struct {
	network, address string
	tls              *tls.Config // nil: plain
	program          *process    // the bridge
}

// clientPatience is for answers; a bridge that does not answer takes it all.
const clientPatience = 5 * time.Second

func (w webClient) dial() (net.Conn, error) {
	c, err := net.DialTimeout(w.network, w.address, clientPatience)
	if err != nil {
		return nil, err
	}
	_ = c.SetDeadline(time.Now().Add(clientPatience))
	if w.tls == nil {
		return c, nil
	}
	t := tls.Client(c, w.tls)
	if err := t.Handshake(); err != nil {
		c.Close()
		return nil, err
	}
	return t, nil
}

// end waits until the bridge has ended by itself.
func (w webClient) end() string {
	select {
	case <-w.program.done:
		return fmt.Sprintf("ended with %d", w.program.cmd.ProcessState.ExitCode())
	case <-time.After(patience):
		return "runs on"
	}
}

// ask sends a request and reads the answer's head; lines are "Name: value".
func (w webClient) ask(method, path string, lines ...string) (net.Conn, *bufio.Reader, *http.Response, error) {
	c, err := w.dial()
	if err != nil {
		return nil, nil, nil, err
	}
	request := method + " " + path + " HTTP/1.1\r\n"
	if !strings.Contains(strings.Join(lines, "\n"), "Host:") {
		lines = append(lines, "Host: bridge.example")
	}
	for _, l := range lines {
		request += l + "\r\n"
	}
	_, err = io.WriteString(c, request+"\r\n")
	r := bufio.NewReader(c)
	var res *http.Response
	if err == nil {
		res, err = http.ReadResponse(r, &http.Request{Method: method})
	}
	if err != nil {
		c.Close()
		return nil, nil, nil, err
	}
	return c, r, res, nil
}

// get is a request for a file: its status, what matters of its head, and find
// if the body has it.
func (w webClient) get(method, path, find string, lines ...string) string {
	c, _, res, err := w.ask(method, path, append(lines, "Connection: close")...)
	if err != nil {
		return w.noAnswer(err)
	}
	defer c.Close()
	body, _ := io.ReadAll(res.Body)
	seen := fmt.Sprint(res.StatusCode)
	if location := res.Header.Get("Location"); location != "" {
		seen += " to " + location
	}
	if find != "" && strings.Contains(string(body), find) {
		seen += ", with " + find
	}
	return seen
}

// noAnswer leaves out what differs between two runs: an alert of TLS may be
// overtaken by the end of the connection.
func (w webClient) noAnswer(err error) string {
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		return "connection refused"
	case w.tls != nil:
		return "refused by TLS"
	}
	return "closed without an answer"
}

// upgrade asks for a WebSocket and, if there is one, sends frames and tells what
// comes until the close.
func (w webClient) upgrade(path string, lines []string, frames ...[]byte) string {
	head := []string{"Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", "Sec-WebSocket-Version: 13"}
	for _, l := range lines {
		name, _, _ := strings.Cut(l, ":")
		head = without(head, name+":")
		if !strings.HasSuffix(l, ": none") {
			head = append(head, l)
		}
	}
	c, r, res, err := w.ask("GET", path, head...)
	if err != nil {
		return w.noAnswer(err)
	}
	defer c.Close()
	seen := describeUpgrade(res)
	if res.StatusCode != http.StatusSwitchingProtocols {
		return seen
	}
	for _, f := range frames {
		if _, err := c.Write(f); err != nil {
			break
		}
	}
	return seen + "; " + readFrames(r)
}

func without(lines []string, prefix string) []string {
	var left []string
	for _, l := range lines {
		if !strings.HasPrefix(l, prefix) {
			left = append(left, l)
		}
	}
	return left
}

func describeUpgrade(res *http.Response) string {
	seen := fmt.Sprint(res.StatusCode)
	for _, name := range []string{"Sec-WebSocket-Protocol", "Sec-WebSocket-Accept", "Www-Authenticate"} {
		value := res.Header.Get(name)
		if name == "Sec-WebSocket-Accept" && value == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" {
			value = "" // the right one (RFC 6455, 1.3)
		}
		if value != "" {
			seen += " " + value
		}
	}
	return seen
}

// readFrames tells the bytes and the control frames that come, up to a close.
func readFrames(r *bufio.Reader) string {
	var data bytes.Buffer
	end := "cut off"
	var control []string
	for {
		op, payload, err := readFrame(r)
		if err != nil {
			break
		}
		switch op {
		case opText, opBinary, opContinue:
			data.Write(payload)
			continue
		case opClose:
			end = "closed with no code"
			if len(payload) >= 2 {
				end = fmt.Sprintf("closed with %d %s", binary.BigEndian.Uint16(payload), payload[2:])
			}
		case opPong:
			control = append(control, "pong "+string(payload))
			continue
		default:
			continue
		}
		break
	}
	seen := fmt.Sprintf("%q", data.String())
	if data.Len() > 60 {
		seen = fmt.Sprintf("%d bytes", data.Len())
	}
	return strings.TrimSpace(strings.Join(append(control, seen, end), ", "))
}

// Operation codes of frames (RFC 6455, 5.2).
const (
	opContinue = 0
	opText     = 1
	opBinary   = 2
	opClose    = 8
	opPing     = 9
	opPong     = 10
)

func readFrame(r *bufio.Reader) (op byte, payload []byte, err error) {
	var h [2]byte
	if _, err = io.ReadFull(r, h[:]); err != nil {
		return 0, nil, err
	}
	length := uint64(h[1] & 0x7f)
	switch length {
	case 126:
		var n uint16
		err = binary.Read(r, binary.BigEndian, &n)
		length = uint64(n)
	case 127:
		err = binary.Read(r, binary.BigEndian, &length)
	}
	if err != nil || length > 8<<20 {
		return 0, nil, fmt.Errorf("frame of %d bytes: %v", length, err)
	}
	payload = make([]byte, length)
	_, err = io.ReadFull(r, payload)
	return h[0] & 15, payload, err
}

// frame is one of a client, masked unless flags has unmasked.
func frame(op byte, text string, flags ...byte) []byte {
	first, masked := op|0x80, byte(0x80)
	for _, f := range flags {
		switch f {
		case unfinished:
			first = op
		case unmasked:
			masked = 0
		}
	}
	b := []byte{first}
	switch n := len(text); {
	case n < 126:
		b = append(b, masked|byte(n))
	case n < 1<<16:
		b = binary.BigEndian.AppendUint16(append(b, masked|126), uint16(n))
	default:
		b = binary.BigEndian.AppendUint64(append(b, masked|127), uint64(n))
	}
	if masked == 0 {
		return append(b, text...)
	}
	key := []byte{1, 2, 3, 4}
	b = append(b, key...)
	for i := range len(text) {
		b = append(b, text[i]^key[i%4])
	}
	return b
}

const (
	unmasked   = 1
	unfinished = 2
)

// closing is a client's close frame, 1000.
func closing() []byte { return frame(opClose, "\x03\xe8bye") }
