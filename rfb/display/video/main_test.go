package video_test

import (
	"os"
	"testing"

	"vncgate/rfb/display/video"
)

// TestMain lets Export run this very program as its worker.
func TestMain(m *testing.M) {
	if code, mine := video.Worker(); mine {
		os.Exit(code)
	}
	os.Exit(m.Run())
}
