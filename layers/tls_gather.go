package layers

import "sync"

// crypto/tls hands each record to the connection below with a Write of its own:
// five for a page of the relay, each a system call that may wake the peer. Here
// the records of one Write are put one behind the other and go out together.
//
// The last record is what sends them, from within crypto/tls's own Write: what
// goes wrong then is its error, which it keeps and reports like any other.

const (
	// gatherTail is how much of a Write is left for the last record: what fits
	// into one at any time, for crypto/tls begins with records of little more
	// than a thousand bytes.
	gatherTail = 1 << 10
	// gatherSize is the most that is put together: eight full records.
	gatherSize = 8*(16<<10+256) + 2*gatherTail
)

// gatherBuffers are lent for the time of one Write.
var gatherBuffers = sync.Pool{New: func() any { return new([gatherSize]byte) }}

// gatherMode says what becomes of the records that come.
type gatherMode uint8

const (
	sendEach gatherMode = iota // each goes out
	keepEach                   // they wait for others
	sendAll                    // the next takes those along that wait
)

// gather is what tlsUnder knows of the Write under way.
type gather struct {
	mu   sync.Mutex // held while something is written
	mode gatherMode
	kept int               // bytes in lent
	lent *[gatherSize]byte // nil: nothing is kept
}

// Write sends b. The records of a long one reach the connection below in pieces
// of up to 128 KiB. Where that fails, crypto/tls's rule holds: all further
// Writes do, and how much of b the peer has got nobody knows; n is then zero.
func (t *TLSConn) Write(b []byte) (n int, err error) {
	t.writing.Lock()
	defer t.writing.Unlock()
	if len(b) <= gatherTail {
		return t.Conn.Write(b)
	}
	u, head := t.under, len(b)-gatherTail
	u.setGather(keepEach)
	_, err = t.Conn.Write(b[:head])
	if err == nil {
		u.setGather(sendAll)
		_, err = t.Conn.Write(b[head:])
	}
	u.endGather()
	if err != nil {
		return 0, err
	}
	return len(b), nil
}

func (u *tlsUnder) setGather(mode gatherMode) {
	u.gather.mu.Lock()
	u.gather.mode = mode
	u.gather.mu.Unlock()
}

// endGather gives back what was lent. If the last record never came, it was an
// alert that kept it from coming: what waits goes out, for that is among it.
func (u *tlsUnder) endGather() {
	g := &u.gather
	g.mu.Lock()
	defer g.mu.Unlock()
	g.mode = sendEach
	if g.kept > 0 {
		_ = u.sendKept()
	}
	if g.lent != nil {
		gatherBuffers.Put(g.lent)
		g.lent = nil
	}
}

// Write takes what crypto/tls sends, under its lock for that: whole records.
func (u *tlsUnder) Write(b []byte) (int, error) {
	g := &u.gather
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.mode == sendEach {
		return u.send(b)
	}
	if g.lent == nil {
		g.lent = gatherBuffers.Get().(*[gatherSize]byte)
	}
	if g.kept+len(b) > gatherSize {
		if err := u.sendKept(); err != nil {
			return 0, err
		}
	}
	g.kept += copy(g.lent[g.kept:], b)
	if g.mode == sendAll {
		g.mode = sendEach
		if err := u.sendKept(); err != nil {
			return 0, err
		}
	}
	return len(b), nil
}

// sendKept sends the records that wait. It needs gather.mu.
func (u *tlsUnder) sendKept() error {
	n := u.gather.kept
	u.gather.kept = 0
	_, err := u.send(u.gather.lent[:n])
	return err
}

func (u *tlsUnder) send(b []byte) (int, error) {
	n, err := u.Conn.Write(b)
	if isTimeout(err) {
		u.stuck.Store(true)
	}
	return n, err
}
