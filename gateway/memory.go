package gateway

import (
	"errors"
	"runtime/metrics"
	"time"
)

// ErrMemory is Admit's error when the gateway holds as much as it may.
var ErrMemory = errors.New("gateway: short of memory")

const wordsMemory = "The gateway is short of memory. Try again later."

var endMemory = ending{reason: "memory", words: wordsMemory, code: closeTryAgain, err: ErrMemory}

const (
	// memoryFull is the share of Limits.Memory, in percent, that may be in use
	// when a newcomer is let in. The collector needs the rest: with less it runs
	// all the time, and those who are in pay for it.
	memoryFull = 80
	// memoryLook is how long a look at the memory counts.
	memoryLook = 100 * time.Millisecond
)

// memory watches what the process holds. The lock is the gateway's.
type memory struct {
	looked time.Time
	used   uint64
}

// short reports whether so much of limit is in use that newcomers are refused.
func (m *memory) short(limit int64, now time.Time) bool {
	if limit <= 0 {
		return false
	}
	if now.Sub(m.looked) >= memoryLook {
		m.looked, m.used = now, memoryInUse()
	}
	return m.used/memoryFull >= uint64(limit)/100
}

// memoryInUse is what no collection would give back: the objects that the last
// one found in use, stacks, and what the runtime needs itself. Between two
// collections it is a little old, never so by more than the collector lets the
// heap grow.
func memoryInUse() uint64 {
	samples := []metrics.Sample{
		{Name: "/memory/classes/total:bytes"}, {Name: "/gc/heap/live:bytes"},
		{Name: "/memory/classes/heap/objects:bytes"}, {Name: "/memory/classes/heap/unused:bytes"},
		{Name: "/memory/classes/heap/free:bytes"}, {Name: "/memory/classes/heap/released:bytes"},
	}
	metrics.Read(samples)
	value := func(i int) uint64 {
		if samples[i].Value.Kind() != metrics.KindUint64 {
			return 0
		}
		return samples[i].Value.Uint64()
	}
	used := value(0) + value(1)
	for i := 2; i < len(samples); i++ {
		used -= min(value(i), used)
	}
	return used
}
