package rfb

import (
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
)

// RSA-AES protects its messages, and in types 5 and 129 the rest of the
// session, in records (rfbproto, "RSA-AES"; TigerVNC common/rdr/AESOutStream.cxx):
//
//	U16 n, n bytes of ciphertext, 16 bytes of tag
//
// The length is the associated data, the nonce a counter for each direction.
// Record boundaries mean nothing: what is inside is a stream.
const (
	recordHead = 2
	maxRecord  = 8192 // bytes of plain text in a record of ours, as TigerVNC's; readers take what U16 can say

	// batchLen is how many records one write below carries at most.
	batchLen = 8
)

// batches holds buffers for records on their way out, used only while a Write
// lasts, so that sessions which are idle hold none.
var batches = sync.Pool{New: func() any {
	b := make([]byte, 0, batchLen*(recordHead+maxRecord+eaxTagLen))
	return &b
}}

// counter is the nonce of one direction: 16 bytes, little-endian, from 0.
type counter [16]byte

// next returns the nonce for one record.
func (c *counter) next() []byte {
	nonce := *c
	for i := range c {
		if c[i]++; c[i] != 0 {
			break
		}
	}
	return nonce[:]
}

// recordConn carries a stream in RSA-AES records. It owns the connection
// below. A deadline that cuts a read short loses nothing; one that cuts a
// write short ends the stream, as in TLS. It has no half-close: an end of the
// stream is the end of the connection below and not authenticated.
type recordConn struct {
	net.Conn
	bits int // of the AES keys

	rmu   sync.Mutex
	in    eax
	seen  counter
	raw   []byte // a record, as far as it has come
	plain []byte // decrypted and not yet read; inside raw
	rerr  error  // sticky

	wmu  sync.Mutex
	out  eax
	sent counter
	werr error // sticky
}

// newRecordConn takes the keys of both directions, each of 16 or 32 bytes.
func newRecordConn(below net.Conn, inKey, outKey []byte) (*recordConn, error) {
	in, err := newEAX(inKey)
	if err != nil {
		return nil, err
	}
	out, err := newEAX(outKey)
	if err != nil {
		return nil, err
	}
	return &recordConn{Conn: below, bits: 8 * len(inKey), in: in, out: out}, nil
}

// NetConn returns the connection below.
func (r *recordConn) NetConn() net.Conn { return r.Conn }

// LayerName is "rsa-aes(128)" or "rsa-aes(256)", after the length of the keys.
func (r *recordConn) LayerName() string { return fmt.Sprintf("rsa-aes(%d)", r.bits) }

// Read returns plain text of the current record. It never reads below beyond
// the record that it needs.
func (r *recordConn) Read(b []byte) (int, error) {
	r.rmu.Lock()
	defer r.rmu.Unlock()
	if len(b) == 0 {
		return 0, nil
	}
	for len(r.plain) == 0 {
		if r.rerr != nil {
			return 0, r.rerr
		}
		if err := r.receive(); err != nil {
			var timeout net.Error
			if !errors.As(err, &timeout) || !timeout.Timeout() {
				r.rerr = err
			}
			return 0, err
		}
	}
	n := copy(b, r.plain)
	r.plain = r.plain[n:]
	return n, nil
}

// receive reads and opens one record, going on where a deadline cut it.
func (r *recordConn) receive() error {
	if err := r.readTo(recordHead); err != nil {
		return err
	}
	n := int(be.Uint16(r.raw)) // at most 65535
	if err := r.readTo(recordHead + n + eaxTagLen); err != nil {
		return err
	}
	plain, err := r.in.Open(r.raw[recordHead:recordHead], r.seen.next(), r.raw[recordHead:], r.raw[:recordHead])
	if err != nil {
		return fmt.Errorf("rfb: rsa-aes: record of %d bytes: %w", n, err)
	}
	r.plain, r.raw = plain, r.raw[:0]
	return nil
}

// readTo reads until raw holds n bytes.
func (r *recordConn) readTo(n int) error {
	for len(r.raw) < n {
		have := len(r.raw)
		if cap(r.raw) < n {
			r.raw = append(make([]byte, 0, n), r.raw...)
		}
		m, err := r.Conn.Read(r.raw[have:n])
		r.raw = r.raw[:have+m]
		if err == nil || len(r.raw) == n {
			continue
		}
		if errors.Is(err, io.EOF) && len(r.raw) > 0 {
			return io.ErrUnexpectedEOF
		}
		return err
	}
	return nil
}

// Write sends b in records. Each write below has whole records: noVNC takes a
// record's ciphertext without waiting for it once it has seen the length.
func (r *recordConn) Write(b []byte) (int, error) {
	r.wmu.Lock()
	defer r.wmu.Unlock()
	if r.werr != nil {
		return 0, r.werr
	}
	buffer := batches.Get().(*[]byte)
	defer batches.Put(buffer)
	written := 0
	for written < len(b) {
		batch := b[written:min(len(b), written+batchLen*maxRecord)]
		if _, err := r.Conn.Write(r.seal((*buffer)[:0], batch)); err != nil {
			r.werr = err
			return written, err
		}
		written += len(batch)
	}
	return written, nil
}

// seal appends b in records to out.
func (r *recordConn) seal(out, b []byte) []byte {
	for len(b) > 0 {
		n := min(len(b), maxRecord)
		head := be.AppendUint16(nil, uint16(n))
		out = r.out.Seal(append(out, head...), r.sent.next(), b[:n], head)
		b = b[n:]
	}
	return out
}

// drained reports whether every byte that has come was read.
func (r *recordConn) drained() bool {
	r.rmu.Lock()
	defer r.rmu.Unlock()
	return len(r.plain) == 0 && len(r.raw) == 0
}
