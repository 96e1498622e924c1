package layers

import (
	"errors"
	"fmt"
	"net"
	"os"
)

// maxFiles bounds the files of one SendFiles or ReceiveFiles.
const maxFiles = 16

// SendFiles writes b, at least one byte, to the unix socket c and passes
// duplicates of up to 16 open files along with its first byte (SCM_RIGHTS). The
// caller keeps its own. Only a unix socket itself can do that: through any layer
// above one the error is errors.ErrUnsupported.
func SendFiles(c net.Conn, b []byte, files ...*os.File) error {
	u, ok := c.(*net.UnixConn)
	switch {
	case !ok:
		return fmt.Errorf("layers: send files over %s: %w", Describe(c), errors.ErrUnsupported)
	case len(b) == 0:
		return errors.New("layers: send files: files travel with at least one byte")
	case len(files) > maxFiles:
		return fmt.Errorf("layers: send files: %d files, at most %d", len(files), maxFiles)
	}
	if err := sendFiles(u, b, files); err != nil {
		return fmt.Errorf("layers: send files: %w", err)
	}
	return nil
}

// ReceiveFiles is a Read from the unix socket c that also takes the files sent
// along, which are then the caller's, closed on exec. It is errors.ErrUnsupported
// as for SendFiles. A plain Read instead of it drops the files.
func ReceiveFiles(c net.Conn, b []byte) (n int, files []*os.File, err error) {
	u, ok := c.(*net.UnixConn)
	if !ok {
		return 0, nil, fmt.Errorf("layers: receive files over %s: %w", Describe(c), errors.ErrUnsupported)
	}
	return receiveFiles(u, b)
}
