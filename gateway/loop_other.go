//go:build !linux

package gateway

import "errors"

// loop is known to Linux only: elsewhere every direction keeps its goroutine.
type loop struct{}

func newLoop(*Class) (*loop, error) { return nil, errors.ErrUnsupported }

func (l *loop) watch(*pump, bool) error { return errors.ErrUnsupported }
func (l *loop) close()                  {}

// tryThread refuses threads of their own, which nothing would use.
func tryThread(*Class) error { return errors.ErrUnsupported }

func (s *spot) leave() {}
