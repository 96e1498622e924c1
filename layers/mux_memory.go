package layers

import "sync/atomic"

// MuxMemory bounds what receive windows may hold together, those of one Mux or
// of many. Windows grow until half of it is used; then large ones shrink as they
// are read from, and the rest is for new streams, which are refused when nothing
// is left. No stream that is open loses what it was granted.
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

// muxPurpose is what memory is wanted for: the part of the limit that may be in
// use then is 1/purpose.
type muxPurpose int64

const (
	muxToOpen  muxPurpose = 1 // a stream at its least, and what must not be refused
	muxToGrow  muxPurpose = 2
	muxToBegin muxPurpose = 4 // with more than the least
)

// take reserves n bytes in m and in what m is within, or nothing.
func (m *MuxMemory) take(n int64, purpose muxPurpose) bool {
	if m == nil {
		return true
	}
	if m.used.Add(n) > m.limit/int64(purpose) || !m.within.take(n, purpose) {
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
		if m.used.Load() > m.limit/int64(muxToGrow) {
			return true
		}
	}
	return false
}
