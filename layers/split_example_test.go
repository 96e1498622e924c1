package layers_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	"vncgate/layers"
)

// One port for browsers and for viewers, which wait to be greeted.
func ExampleNewSplit() {
	ln, err := layers.Listen(context.Background(), "127.0.0.1:0", layers.ListenConfig{})
	if err != nil {
		panic(err)
	}
	split := layers.NewSplit(ln, layers.SplitConfig{Silence: 100 * time.Millisecond})
	defer split.Close()
	go func() { _ = http.Serve(split.HTTP(), http.NotFoundHandler()) }()
	viewer, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		panic(err)
	}
	defer viewer.Close()
	c, err := split.Raw().Accept()
	if err != nil {
		panic(err)
	}
	_, _ = io.WriteString(c, "RFB 003.008\n")
	_ = c.Close()
	greeting, _ := io.ReadAll(viewer)
	fmt.Printf("%q\n", greeting)
	// Output: "RFB 003.008\n"
}
