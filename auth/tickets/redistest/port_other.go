//go:build !linux

package redistest

// takePort finds a port, which somebody else may take before the server does:
// another is tried then.
func takePort(bool) (*port, error) { return freePort() }

func (p *port) release() {}
