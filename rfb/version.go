package rfb

import (
	"errors"
	"fmt"
)

// Version is a protocol version that has rules of its own.
type Version uint8

// The three versions of RFC 6143, 7.1.1. Others are read as one of these.
const (
	Version33 Version = 3
	Version37 Version = 7
	Version38 Version = 8
)

// versionLen is the length of the ProtocolVersion message: "RFB 003.008\n".
const versionLen = 12

// String returns the version as people write it: "3.8".
func (v Version) String() string { return fmt.Sprintf("3.%d", uint8(v)) }

// line returns v's ProtocolVersion message.
func (v Version) line() []byte { return fmt.Appendf(nil, "RFB 003.%03d\n", uint8(v)) }

// ParseVersion reads a ProtocolVersion message, "RFB xxx.yyy\n" with decimal
// digits and nothing else (RFC 6143, 7.1.1).
func ParseVersion(line []byte) (major, minor int, err error) {
	bad := len(line) != versionLen || string(line[:4]) != "RFB " || line[7] != '.' || line[11] != '\n'
	if bad {
		return 0, 0, fmt.Errorf("rfb: not a protocol version: %q", line)
	}
	for i := range 3 {
		a, b := line[4+i]-'0', line[8+i]-'0'
		if a > 9 || b > 9 {
			return 0, 0, fmt.Errorf("rfb: not a protocol version: %q", line)
		}
		major, minor = major*10+int(a), minor*10+int(b)
	}
	return major, minor, nil
}

// viewerVersion chooses the rules for a viewer that answered our 3.8 with
// line. Apple's 3.889 and RealVNC's 4.x and 5.x mean 3.8; the odd minors of old
// viewers mean 3.3.
func viewerVersion(line []byte) (Version, error) {
	major, minor, err := ParseVersion(line)
	switch {
	case err != nil:
		return 0, err
	case major < 3:
		return 0, fmt.Errorf("rfb: viewer speaks version %d.%d", major, minor)
	case major > 3 || minor >= 8:
		return Version38, nil
	case minor == 7:
		return Version37, nil
	}
	return Version33, nil
}

// displayVersion chooses the version to answer a display that opened with
// line: its own or 3.8, whichever is lower.
func displayVersion(line []byte) (Version, error) {
	major, minor, err := ParseVersion(line)
	switch {
	case err != nil:
		return 0, err
	case major == 0 && minor == 0:
		return 0, errors.New("rfb: display is an UltraVNC repeater, which needs an ID")
	case major < 3:
		return 0, fmt.Errorf("rfb: display speaks version %d.%d", major, minor)
	case major == 3 && (minor == 14 || minor == 16):
		return Version33, nil // UltraVNC "single click": 3.4 and 3.6, plus ten
	}
	return viewerVersion(line)
}
