package main

import (
	"fmt"
	"io/fs"
	"log/slog"
	"math"
	"net"
	"os"
	"path"
	"runtime/debug"
	"strconv"
	"strings"

	"vncgate/gateway"
)

// ration wraps a listener so that no address has more of it than it may. The
// proxies that a listener trusts speak for many.
func (w *wiring) rationed(ln net.Listener, l *listenerConfig) (net.Listener, error) {
	var texts []string
	if l.Proxy != nil {
		texts = append(texts, l.Proxy.Trusted...)
	}
	if l.Web != nil {
		texts = append(texts, l.Web.TrustedProxies...)
	}
	trusted, err := parsePrefixes(texts)
	if err != nil {
		return nil, err
	}
	return w.ration.Listener(ln, trusted), nil
}

// newRation is that of all listeners together.
func (l limitsConfig) newRation(log *slog.Logger) (*gateway.Ration, error) {
	exempt, err := parsePrefixes(l.AcceptExempt)
	if err != nil {
		return nil, fmt.Errorf("limits: accept_exempt: %w", err)
	}
	return &gateway.Ration{PerSecond: int(l.AcceptRate), Exempt: exempt, Log: log}, nil
}

// cgroupShare of the memory that a control group may have, in percent, is the
// ceiling if nothing else is said: buffers of sockets count there, too, and are
// none of ours.
const cgroupShare = 75

// ceiling is how much memory we should hold at most and who says so; 0 if nobody
// does.
func (m memoryCeiling) ceiling(root fs.FS) (limit int64, from string) {
	given := debug.SetMemoryLimit(-1)
	switch {
	case m > 0:
		return int64(m), "limits: memory"
	case m < 0:
		return 0, ""
	case given < math.MaxInt64:
		return given, "GOMEMLIMIT"
	}
	if most := cgroupMemory(root); most > 0 {
		return most / 100 * cgroupShare, "the control group"
	}
	return 0, ""
}

// memory is the ceiling on this machine, as the gateway wants it.
func (l limitsConfig) memory() int64 {
	limit, _ := l.Memory.ceiling(os.DirFS("/"))
	return limit
}

// cgroupMemory is the least memory that our control group, or one around it, may
// have; 0 if it is not bounded.
func cgroupMemory(root fs.FS) int64 {
	b, err := fs.ReadFile(root, "proc/self/cgroup")
	if err != nil {
		return 0
	}
	least := int64(0)
	for line := range strings.Lines(string(b)) {
		f := strings.SplitN(strings.TrimSpace(line), ":", 3) // cgroups(7): number, controllers, path
		switch {
		case len(f) != 3:
		case f[0] == "0" && f[1] == "":
			least = lesser(least, leastAbove(root, "sys/fs/cgroup", f[2], "memory.max"))
		case f[1] == "memory":
			least = lesser(least, leastAbove(root, "sys/fs/cgroup/memory", f[2], "memory.limit_in_bytes"))
		}
	}
	return least
}

// leastAbove is the least of the limits in dir and in all folders above it. In a
// container the path may be the one outside, and only the top is there.
func leastAbove(root fs.FS, top, dir, name string) int64 {
	least := int64(0)
	for dir = path.Clean("/" + dir); ; dir = path.Dir(dir) {
		if b, err := fs.ReadFile(root, path.Join(top, dir, name)); err == nil {
			// "max", or in version 1 a number near the largest, bounds nothing.
			if n, err := strconv.ParseInt(strings.TrimSpace(string(b)), 10, 64); err == nil && n > 0 && n < 1<<60 {
				least = lesser(least, n)
			}
		}
		if dir == "/" {
			return least
		}
	}
}

// lesser of two limits, of which 0 is none.
func lesser(a, b int64) int64 {
	if a == 0 || b > 0 && b < a {
		return b
	}
	return a
}

// announceLimits holds the collector to the ceiling, and says what the machine
// gives less of than is configured.
func (w *wiring) announceLimits() {
	if limit, from := w.cfg.Limits.Memory.ceiling(os.DirFS("/")); limit > 0 {
		debug.SetMemoryLimit(limit)
		w.log.Info("memory has a ceiling; newcomers are refused when four fifths of it are in use", "bytes", limit, "from", from)
	}
	if warning := w.cfg.Limits.descriptorWarning(descriptors()); warning != "" {
		w.log.Warn("limits: " + warning)
	}
}

// ownDescriptors is what we have open without any viewer, at most: listeners,
// files, the log, connections to Redis and the like.
const ownDescriptors = 64

// descriptorWarning says that the process may not open as much as sessions need:
// one connection to the viewer and one to the display each. have is 0 where that
// is not known.
func (l limitsConfig) descriptorWarning(have uint64) string {
	limits := l.limits().WithDefaults()
	need := uint64(2*(limits.Sessions+limits.Handshakes) + ownDescriptors)
	if have == 0 || have >= need {
		return ""
	}
	return fmt.Sprintf("%d sessions and %d handshakes may need %d file descriptors, and this process may have %d, so newcomers will be refused earlier; "+
		"raise LimitNOFILE= of its unit (or ulimit -n), or lower sessions", limits.Sessions, limits.Handshakes, need, have)
}
