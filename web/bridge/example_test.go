package bridge_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"

	"github.com/gorilla/websocket"

	"vncgate/web/bridge"
)

// A bridge to whatever a token names. Any path is upgraded.
func Example() {
	clock, _ := net.Listen("tcp", "127.0.0.1:0")
	defer func() { _ = clock.Close() }()
	go func() {
		c, _ := clock.Accept()
		_, _ = io.WriteString(c, "half past nine")
		_ = c.Close()
	}()

	s, err := bridge.New(bridge.Config{
		Lookup: func(_ context.Context, token string) (bridge.Route, error) {
			if token != "what-time-is-it" {
				return bridge.Route{}, bridge.ErrUnknown
			}
			return bridge.Route{Address: clock.Addr().String()}, nil
		},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	ln, _ := net.Listen("tcp", "127.0.0.1:0")
	go func() { _ = s.Serve(ln) }()
	defer func() { _ = s.Shutdown(context.Background()) }()

	_, res, _ := websocket.DefaultDialer.Dial("ws://"+ln.Addr().String()+"/?token=guess", nil)
	fmt.Println(res.Status)
	c, _, _ := websocket.DefaultDialer.Dial("ws://"+ln.Addr().String()+"/?token=what-time-is-it", nil)
	_, message, _ := c.ReadMessage()
	fmt.Println(string(message))
	_, _, err = c.ReadMessage()
	fmt.Println(err)
	// Output:
	// 403 Forbidden
	// half past nine
	// websocket: close 1000 (normal): Target closed
}

// Plugins are known by websockify's names.
func ExampleNewAuth() {
	auth, _ := bridge.NewAuth("ExpectOrigin", "https://portal.example https://intranet.example:8443")
	for _, origin := range []string{"https://portal.example", "https://evil.example"} {
		fmt.Println(auth(&http.Request{Header: http.Header{"Origin": {origin}}}))
	}
	_, err := bridge.NewAuth("BasicHTTPAuth", "no-colon")
	fmt.Println(err)
	// Output:
	// <nil>
	// bridge: refused: Invalid Origin
	// bridge: auth plugin BasicHTTPAuth: the source must be user:password
}
