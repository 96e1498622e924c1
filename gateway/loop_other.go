//go:build !linux

package gateway

import "errors"

// loop is known to Linux only: elsewhere every direction keeps its goroutine.
type loop struct{}

func newLoop() (*loop, error) { return nil, errors.ErrUnsupported }

func (l *loop) watch(*pump, bool) error { return errors.ErrUnsupported }
func (l *loop) close()                  {}
func (s *spot) leave()                  {}
