package interop

import (
	"crypto/tls"
	"encoding/binary"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/gorilla/websocket"
)

// openRawWeb is a viewer by the byte that comes through a WebSocket.
func openRawWeb(url string, header http.Header) (*rawViewer, error) {
	dialer := websocket.Dialer{
		TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, Subprotocols: []string{"binary"}, HandshakeTimeout: patience,
	}
	ws, answer, err := dialer.Dial(url, header)
	if err != nil {
		if answer != nil {
			return nil, fmt.Errorf("%w: %s", err, answer.Status)
		}
		return nil, err
	}
	return &rawViewer{Conn: &wsStream{Conn: ws.NetConn(), ws: ws}}, ws.NetConn().SetDeadline(time.Now().Add(patience))
}

// reaches is an error unless the URL leads to the display of that name.
func reaches(url, display string) error {
	r, err := openRawWeb(url, nil)
	if err != nil {
		return err
	}
	defer r.Close()
	return r.isAt(display)
}

// isAt comes in without proof and compares the name of the display.
func (r *rawViewer) isAt(display string) error {
	reason, name, err := r.enterNone()
	if err == nil && (reason != "" || name != display) {
		err = fmt.Errorf("it is at %q, refused %q, not at %q", name, reason, display)
	}
	return err
}

// look asks for the whole picture, as raw pixels, and reads it.
func (r *rawViewer) look() error {
	request := binary.BigEndian.AppendUint16([]byte{3, 0, 0, 0, 0, 0}, cardWidth)
	if err := r.send(binary.BigEndian.AppendUint16(request, cardHeight)); err != nil {
		return err
	}
	for {
		kind, err := r.receive(1)
		if err != nil {
			return err
		}
		switch kind[0] {
		case 0:
			return r.update()
		case 2: // a bell
		case 3: // a clipboard
			head, err := r.receive(7)
			if err != nil {
				return err
			}
			if _, err := io.CopyN(io.Discard, r, int64(binary.BigEndian.Uint32(head[3:]))); err != nil {
				return err
			}
		default:
			return fmt.Errorf("the display sent a message of type %d", kind[0])
		}
	}
}

// update reads the rectangles of one message.
func (r *rawViewer) update() error {
	head, err := r.receive(3)
	if err != nil {
		return err
	}
	for range binary.BigEndian.Uint16(head[1:]) {
		rect, err := r.receive(12)
		if err != nil {
			return err
		}
		if encoding := binary.BigEndian.Uint32(rect[8:]); encoding != 0 {
			return fmt.Errorf("a rectangle has encoding %d", encoding)
		}
		area := int64(binary.BigEndian.Uint16(rect[4:])) * int64(binary.BigEndian.Uint16(rect[6:]))
		if _, err := io.CopyN(io.Discard, r, 4*area); err != nil {
			return err
		}
	}
	return nil
}
