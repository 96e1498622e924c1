package bridge_test

import (
	"bytes"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"vncgate/web/bridge"
)

// logText is a log that can be read while it is written.
type logText struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *logText) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

func (l *logText) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// TestHeartbeat: a client that answers lives, one that does not is given up.
func TestHeartbeat(t *testing.T) {
	target := echo(t)
	patient := start(t, bridge.Config{Route: bridge.Route{Address: target}, Heartbeat: 1500 * time.Millisecond})
	alive, _ := open(t, patient, "/", nil)
	pings := 0
	alive.SetPingHandler(func(data string) error {
		if pings++; pings == 4 { // later than a dead one would be given up
			_ = alive.WriteMessage(websocket.BinaryMessage, []byte("quit"))
		}
		return alive.WriteControl(websocket.PongMessage, []byte(data), time.Now().Add(patience))
	})
	if code, words := ended(t, alive); words != "Target closed" || pings < 4 {
		t.Errorf("after %d pings closed with %d %q", pings, code, words)
	}
	log := &logText{}
	hasty := start(t, bridge.Config{
		Route: bridge.Route{Address: target}, Heartbeat: 10 * time.Millisecond, Log: slog.New(slog.NewTextHandler(log, nil)),
	})
	dead, _ := open(t, hasty, "/", nil)
	dead.SetPingHandler(func(string) error { return nil })
	if code, _ := ended(t, dead); code != websocket.ClosePolicyViolation {
		t.Errorf("without pongs closed with %d", code)
	}
	for deadline := time.Now().Add(patience); !strings.Contains(log.String(), `reason="viewer gone"`); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("the log does not say that the viewer is gone: %s", log)
		}
	}
}

// stamp is the time in a line of a recording.
var stamp = regexp.MustCompile(`(?m)^'([{}])\d+([{}])`)

// TestRecord has a line for each message, however the bytes came in.
func TestRecord(t *testing.T) {
	base := filepath.Join(t.TempDir(), "rec")
	s, address := startServer(t, bridge.Config{Route: bridge.Route{Address: echo(t)}, Record: base})
	c, _ := open(t, address, "/", nil)
	say(t, c, "it's\n", "it's\n")
	mask := []byte{0, 0, 0, 0}
	frame := func(flags byte, payload string) []byte {
		return slices.Concat([]byte{flags, 0x80 | byte(len(payload))}, mask, []byte(payload))
	}
	_, _ = c.NetConn().Write(slices.Concat(frame(0x02, "fr"), frame(0x89, "ping"), frame(0x80, "ag"), frame(0x82, "one")))
	for got := ""; got != "fragone"; {
		_, b, err := c.ReadMessage()
		if err != nil {
			t.Fatal(err)
		}
		got += string(b)
	}
	_ = c.WriteMessage(websocket.BinaryMessage, []byte("quit"))
	_, _ = ended(t, c)
	s.Wait()
	b, err := os.ReadFile(base + ".1")
	if err != nil {
		t.Fatal(err)
	}
	got := stamp.ReplaceAllString(string(b), "'$1")
	fromClient := regexp.MustCompile(`(?m)^'}.*$`).FindAllString(got, -1)
	if want := []string{`'}it\'s\n',`, `'}frag',`, `'}one',`, `'}quit',`}; !slices.Equal(fromClient, want) {
		t.Errorf("from the client %q, want %q", fromClient, want)
	}
	if !strings.HasPrefix(got, "var VNC_frame_data = [\n'}it\\'s\\n',\n'{it\\'s\\n',\n") || !strings.HasSuffix(got, ",\n'EOF'];\n") {
		t.Errorf("recorded %s", got)
	}
}

// TestRecordNowhere: a session goes on that cannot be recorded.
func TestRecordNowhere(t *testing.T) {
	var log journal
	address := start(t, bridge.Config{Route: bridge.Route{Address: echo(t)}, Record: filepath.Join(t.TempDir(), "no", "such"), Log: log.logger()})
	c, _ := open(t, address, "/", nil)
	say(t, c, "x", "x")
	if !strings.Contains(log.String(), "not recorded") {
		t.Errorf("log %s", log.String())
	}
}

func TestTraffic(t *testing.T) {
	var seen journal
	s, address := startServer(t, bridge.Config{Route: bridge.Route{Address: echo(t)}, Traffic: &seen})
	c, _ := open(t, address, "/", nil)
	say(t, c, "hello", "hello")
	_, _ = c.NetConn().Write([]byte{0x02, 0x82, 0, 0, 0, 0, 'f', 'r'})
	_, _, _ = c.ReadMessage()
	_, _ = c.NetConn().Write([]byte{0x80, 0x82, 0, 0, 0, 0, 'a', 'g'})
	_, _, _ = c.ReadMessage()
	_ = c.WriteMessage(websocket.BinaryMessage, []byte("quit"))
	_, _ = ended(t, c)
	s.Wait()
	legend, marks, _ := strings.Cut(seen.String(), "sent to a client\n\n")
	if want := "}>{<}.>{<}>{<}>"; marks != want || !strings.Contains(legend, "received from a target") {
		t.Errorf("saw %q, want %q", marks, want)
	}
}
