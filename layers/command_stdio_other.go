//go:build !unix

package layers

import (
	"errors"
	"os"
	"time"
)

// pipeStdio is a pipe each way.
type pipeStdio struct{ in, out *os.File }

// newStdio makes two pipes.
func newStdio() (ours stdio, stdin, stdout *os.File, err error) {
	stdin, in, err := os.Pipe()
	if err != nil {
		return nil, nil, nil, err
	}
	out, stdout, err := os.Pipe()
	if err != nil {
		closeAll(stdin, in)
		return nil, nil, nil, err
	}
	return pipeStdio{in, out}, stdin, stdout, nil
}

func (p pipeStdio) Read(b []byte) (int, error)         { return p.out.Read(b) }
func (p pipeStdio) Write(b []byte) (int, error)        { return p.in.Write(b) }
func (p pipeStdio) CloseWrite() error                  { return p.in.Close() }
func (p pipeStdio) Close() error                       { return errors.Join(p.in.Close(), p.out.Close()) }
func (p pipeStdio) SetReadDeadline(t time.Time) error  { return p.out.SetReadDeadline(t) }
func (p pipeStdio) SetWriteDeadline(t time.Time) error { return p.in.SetWriteDeadline(t) }
