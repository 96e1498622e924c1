package interop

import (
	"fmt"
	"image"
	"os/exec"
	"path/filepath"
	"testing"
)

// vncSnapshot takes one picture and writes it as JPEG, of the best quality but
// not the same pixels: it is compared with its own picture of the display.
var vncSnapshot = viewerKind{
	label: "vncsnapshot", debianSource: "vncsnapshot", needs: needVNCSnapshot, open: openVNCSnapshot, lossy: true,
}

func needVNCSnapshot(t testing.TB) {
	t.Helper()
	need(t, "vncsnapshot", "vncsnapshot")
	need(t, "tigervncpasswd", "tigervnc-tools")
}

// openVNCSnapshot leaves out the cursor, which vncsnapshot waits for forever
// when a display has none.
func openVNCSnapshot(s *scope, at endpoint) (viewer, error) {
	passwd, err := passwordFile(s, at.password)
	if err != nil {
		return nil, err
	}
	dir, err := s.tempDir()
	if err != nil {
		return nil, err
	}
	path := filepath.Join(dir, "snapshot.jpg")
	return capture(func() (image.Image, error) {
		_, err := run(exec.Command("vncsnapshot", "-passwd", passwd, "-nojpeg", "-nocursor", "-quality", "100",
			"-encodings", "hextile raw", fmt.Sprintf("%s:%d", at.host, at.port-5900), path))
		if err != nil {
			return nil, err
		}
		return readPicture(path)
	}), nil
}
