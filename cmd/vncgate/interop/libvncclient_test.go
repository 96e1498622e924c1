package interop

import (
	"fmt"
	"os"
	"os/exec"
	"testing"
)

// libVNCClient is a small program of ours on libvncclient.
var libVNCClient = viewerKind{
	label: "libvncclient", debianSource: "libvncclient1",
	choosesItself: true,
	needs:         func(t testing.TB) { libVNCViewerPath(t) },
	open:          func(s *scope, at endpoint) (viewer, error) { return openLibVNC(s, at) },
}

func libVNCViewerPath(t testing.TB) string {
	t.Helper()
	needFile(t, "/usr/include/rfb/rfbclient.h", "libvncserver-dev")
	needFile(t, "/usr/include/sasl/sasl.h", "libsasl2-dev") // rfbclient.h asks for it
	return compileC(t, &compiled.viewer, "viewer.c", "viewer", "-lvncclient")
}

// vncTypes are the numbers of security types by their names here, VeNCrypt's
// subtypes behind VeNCrypt itself.
var vncTypes = map[string][]string{
	"none": {"1"}, "vnc": {"2"}, "sasl": {"20"},
	"x509-none": {"19", "260"}, "x509-vnc": {"19", "261"}, "x509-plain": {"19", "262"}, "x509-sasl": {"19", "263"},
}

// openLibVNC connects with the one security type that at names, and a list of
// encodings other than ours if more names one.
func openLibVNC(s *scope, at endpoint, more ...string) (*lineViewer, error) {
	encodings := append(more, "zrle copyrect hextile raw")[0]
	args := append([]string{at.host, fmt.Sprint(at.port), encodings}, vncTypes[at.security]...)
	if at.host == "localhost" {
		args[0] = "127.0.0.1" // it hands the name to SASL as an address, which refuses it
	}
	cmd := exec.Command(compiled.viewer.value, args...)
	cmd.Env = append(os.Environ(), "VIEWER_USER="+at.user, "VIEWER_PASSWORD="+at.password, "VIEWER_CA="+at.ca)
	return startLineViewer(s, "libvncclient", cmd)
}
