package layers_test

import (
	"slices"
	"strings"
	"testing"
)

// TestObserve sees the same messages however they are cut on their way.
func TestObserve(t *testing.T) {
	sent := slicesJoin(
		masked(binaryFrame, "one"), masked(binaryFrame, "two"),
		masked(0x02, "fr"), masked(pingFrame, "ping"), masked(0x00, "ag"), masked(0x80, ""),
		masked(binaryFrame, ""), masked(binaryFrame, strings.Repeat("x", 500)),
	)
	want := []string{"one", "two", "frag", "", strings.Repeat("x", 500)}
	for _, size := range []int{1, 2, 3, 100, 256, 4096} {
		server, peer := rawPeer(t, false)
		var messages []string
		var open strings.Builder
		server.Observe(func(p []byte, last bool) {
			open.Write(p)
			if last {
				messages = append(messages, open.String())
				open.Reset()
			}
		})
		_, _ = peer.Write(sent)
		_ = peer.Close()
		b := make([]byte, size)
		var read strings.Builder
		for {
			n, err := server.Read(b)
			read.Write(b[:n])
			if err != nil {
				break
			}
		}
		if !slices.Equal(messages, want) || read.String() != strings.Join(want, "") {
			t.Errorf("reads of %d: messages %q, bytes %q", size, messages, read.String())
		}
	}
}
