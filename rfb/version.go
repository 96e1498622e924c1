package rfb

// Version is a protocol version that has rules of its own.
type Version uint8

// The three versions of RFC 6143, 7.1.1. Others are read as one of these.
const (
	Version33 Version = 3
	Version37 Version = 7
	Version38 Version = 8
)
