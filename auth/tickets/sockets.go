package tickets

import (
	"context"
	"errors"
	"io/fs"
	"path/filepath"
)

// Sockets is a source whose tokens are the names of unix sockets that exist
// directly in a directory (websockify's UnixDomainSocketDirectory), or of
// links that end at one within it. It looks into the directory at each look-up
// and keeps nothing. The socket is dialled by its path afterwards, so nobody
// but its operator may write to the directory.
type Sockets struct {
	Dir string
}

// Lookup returns the path of the socket.
func (s *Sockets) Lookup(_ context.Context, token string) (Ticket, error) {
	root, err := openDir(s.Dir, token, isSocket)
	if err != nil {
		return Ticket{}, err
	}
	root.Close()
	address, err := unixAddress(filepath.Join(s.Dir, token))
	if err != nil {
		return Ticket{}, errors.New("tickets: a path in the directory of sockets has more than 107 bytes; use a shorter directory")
	}
	return Ticket{Address: address}, nil
}

// Names lists the sockets.
func (s *Sockets) Names(context.Context) ([]string, error) { return listDir(s.Dir, isSocket) }

func isSocket(m fs.FileMode) bool { return m.Type() == fs.ModeSocket }
