package rfbtest_test

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"sync"
	"time"

	"github.com/gorilla/websocket"

	"vncgate/rfb"
)

// novnc has Debian's noVNC, in a headless Chromium, view our display. A bridge
// takes its WebSocket to the display's TCP port: the transcript is of RFB.
func (r *recording) novnc() {
	mux := http.NewServeMux()
	mux.Handle("/", http.FileServer(http.Dir("/usr/share/novnc")))
	mux.HandleFunc("/websockify", r.bridge)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		r.t.Fatal(err)
	}
	server := &http.Server{Handler: mux}
	var serving sync.WaitGroup
	serving.Go(func() { _ = server.Serve(ln) })
	defer serving.Wait()
	defer server.Close()
	page := fmt.Sprintf("http://%s/vnc_lite.html?path=websockify&password=%s", ln.Addr(), secret)
	browser := r.run(nil, "chromium", "--headless", "--no-sandbox", "--disable-gpu", "--remote-debugging-port=0",
		"--user-data-dir="+filepath.Join(r.dir, "profile"), page)
	r.waitFor(rfb.MsgFramebufferUpdateRequest)
	time.Sleep(time.Second)
	stop(browser)
}

// bridge carries one WebSocket's messages to and from the display.
func (r *recording) bridge(w http.ResponseWriter, req *http.Request) {
	ws, err := new(websocket.Upgrader).Upgrade(w, req, nil)
	if err != nil {
		return
	}
	defer ws.Close()
	c, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", r.port))
	if err != nil {
		return
	}
	var down sync.WaitGroup
	down.Go(func() {
		b := make([]byte, 4096)
		for {
			n, err := c.Read(b)
			if err != nil || ws.WriteMessage(websocket.BinaryMessage, b[:n]) != nil {
				return
			}
		}
	})
	defer down.Wait()
	defer c.Close()
	for {
		_, msg, err := ws.NextReader()
		if err != nil {
			return
		}
		if _, err := io.Copy(c, msg); err != nil {
			return
		}
	}
}
