package main

import (
	"errors"
	"fmt"
	"runtime"
	"strconv"
	"strings"

	"vncgate/auth"
	"vncgate/gateway"
)

// off is how a limit is written that has a default and is not wanted.
const off = "off"

// memoryCeiling is a number of bytes, with a unit or without; negative: off.
type memoryCeiling int64

// leastMemory keeps a unit that was forgotten ("memory: 512") from shutting
// everybody out.
const leastMemory = 32 << 20

// UnmarshalYAML reads 2GiB, 500MB, or off.
func (m *memoryCeiling) UnmarshalYAML(b []byte) error {
	text := unquoted(b)
	if text == off {
		*m = -1
		return nil
	}
	n, err := auth.ParseSize(text)
	if err != nil {
		return fmt.Errorf("memory: %w, or off", err)
	}
	if n < leastMemory {
		return fmt.Errorf("memory: %q is less than the gateway needs without any viewer; write it like 512MiB or 2GiB", text)
	}
	*m = memoryCeiling(n)
	return nil
}

// MarshalYAML writes it as it is read.
func (m memoryCeiling) MarshalYAML() ([]byte, error) {
	if m < 0 {
		return []byte(off), nil
	}
	return []byte(auth.FormatSize(int64(m))), nil
}

// acceptRate is how many connections a second one address may open; negative:
// as many as come.
type acceptRate int

// UnmarshalYAML reads 100/s, or off.
func (r *acceptRate) UnmarshalYAML(b []byte) error {
	text := unquoted(b)
	if text == off {
		*r = -1
		return nil
	}
	n, err := strconv.Atoi(strings.TrimSuffix(text, "/s"))
	if err != nil || n < 1 || n > 1e6 {
		return fmt.Errorf("accept_rate: %q is no number of connections a second; write it like %d/s, or off", text, gateway.DefaultAcceptRate)
	}
	*r = acceptRate(n)
	return nil
}

// MarshalYAML writes it as it is read.
func (r acceptRate) MarshalYAML() ([]byte, error) {
	if r < 0 {
		return []byte(off), nil
	}
	return fmt.Appendf(nil, "%d/s", int(r)), nil
}

// inForce has what counts on this machine in the place of what is not set.
func (l limitsConfig) inForce() limitsConfig {
	all := l.limits().WithDefaults()
	l.Sessions, l.Handshakes, l.HandshakeTimeout = all.Sessions, all.Handshakes, all.HandshakeTimeout
	l.DialTimeout, l.GreetTimeout, l.Stall, l.KickTime = all.DialTimeout, all.GreetTimeout, all.Stall, all.KickTime
	l.ShutdownTimeout, l.UpgradeTimeout = l.shutdownTimeout(), l.upgradeTimeout()
	if l.AcceptRate == 0 {
		l.AcceptRate = gateway.DefaultAcceptRate
	}
	if l.HandshakeCores == 0 {
		l.HandshakeCores = max(runtime.GOMAXPROCS(0)-1, 1) // as layers.NewTurns
	}
	if l.Memory == 0 {
		l.Memory = memoryCeiling(l.memory())
	}
	return l
}

func unquoted(b []byte) string { return strings.Trim(strings.TrimSpace(string(b)), `"'`) }

// validateNewcomers checks what bounds those who are not in yet.
func (l limitsConfig) validateNewcomers() error {
	if l.HandshakeCores < 0 {
		return errors.New("handshake_cores: must not be negative")
	}
	if l.AcceptRate < 0 && len(l.AcceptExempt) > 0 {
		return errors.New("accept_exempt: there is nothing to be exempt from where accept_rate is off")
	}
	if _, err := parsePrefixes(l.AcceptExempt); err != nil {
		return fmt.Errorf("accept_exempt: %w", err)
	}
	return nil
}
