//go:build !linux

package main

import "net"

// blocking has no effect where sockets are not files.
func blocking(c net.Conn) net.Conn { return c }
