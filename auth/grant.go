package auth

import "time"

// Grant is what one viewer may do on one target. It is built once, when the
// viewer has proved who it is, and is never widened afterwards.
type Grant struct {
	Identity Identity
	Target   string
	Rights   Rights
	Expires  time.Time       // zero: never
	Revoked  <-chan struct{} // closed when the grant is withdrawn; nil: never
}
