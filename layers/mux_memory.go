package layers

import "sync/atomic"

// MuxMemory bounds what receive windows may hold together, those of one Mux or
// of many. When it is short windows stop growing, large ones shrink as they are
// used, and new streams are refused; no stream that is open loses what it was
// granted.
type MuxMemory struct {
	limit  int64
	used   atomic.Int64
	within *MuxMemory
}

// NewMuxMemory allows limit bytes, which count within another bound as well
// unless that is nil: a tunnel's within the gateway's.
func NewMuxMemory(limit int64, within *MuxMemory) *MuxMemory {
	return &MuxMemory{limit: limit, within: within}
}

// Used is what is granted now, in bytes.
func (m *MuxMemory) Used() int64 { return m.used.Load() }

// Limit is what may be.
func (m *MuxMemory) Limit() int64 { return m.limit }

// take reserves n bytes in m and in what m is within, or nothing. A quarter is
// not for growth, but for streams that are to come.
func (m *MuxMemory) take(n int64, growth bool) bool {
	if m == nil {
		return true
	}
	limit := m.limit
	if growth {
		limit -= limit / 4
	}
	if m.used.Add(n) > limit || !m.within.take(n, growth) {
		m.used.Add(-n)
		return false
	}
	return true
}

// give returns what was taken.
func (m *MuxMemory) give(n int64) {
	for ; m != nil; m = m.within {
		m.used.Add(-n)
	}
}

// short reports whether there is none for growth, here or in what m is within.
func (m *MuxMemory) short() bool {
	for ; m != nil; m = m.within {
		if m.used.Load() > m.limit-m.limit/4 {
			return true
		}
	}
	return false
}
