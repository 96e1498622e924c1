package audit

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
)

// A line is a record's body with its hash put in as the last member:
//
//	{"v":1,"seq":7,…,"hash":"64 hexadecimal digits"}
//
// The hash is SHA-256 over the 32 bytes of the hash of the line before and the
// body as it stands, which is the line without that member. A reader needs no
// canonical form of JSON for that: the bytes are what counts.
const (
	hashStart = `,"hash":"`
	hashEnd   = `"}`
	hashTail  = len(hashStart) + 2*sha256.Size + len(hashEnd)
)

// maxLine bounds a line: a Record's texts are clipped, and Groups come from the
// user store.
const maxLine = 1 << 20

// chain is where a log has got to. The zero value is its beginning.
type chain struct {
	seq  uint64
	last [sha256.Size]byte
}

// seal makes the next line of a record.
func (c *chain) seal(r Record) []byte {
	c.seq++
	r.Seq = c.seq
	body := r.encode()
	c.last = sum(c.last, body)
	line := append(body[:len(body)-1:len(body)-1], hashStart...)
	line = hex.AppendEncode(line, c.last[:])
	return append(line, hashEnd+"\n"...)
}

func sum(last [sha256.Size]byte, body []byte) (next [sha256.Size]byte) {
	h := sha256.New()
	h.Write(last[:])
	h.Write(body)
	h.Sum(next[:0])
	return next
}

var errNoHash = errors.New("is no line of an audit log: its hash is missing")

// split takes a line, without its end, apart into body and hash.
func split(line []byte) (body []byte, hash [sha256.Size]byte, err error) {
	at := len(line) - hashTail
	if at < 1 || !bytes.HasPrefix(line[at:], []byte(hashStart)) || !bytes.HasSuffix(line, []byte(hashEnd)) {
		return nil, hash, errNoHash
	}
	digits := line[at+len(hashStart) : len(line)-len(hashEnd)]
	if _, err := hex.Decode(hash[:], digits); err != nil || !bytes.Equal(digits, bytes.ToLower(digits)) {
		return nil, hash, errNoHash
	}
	return append(bytes.Clone(line[:at]), '}'), hash, nil
}

// hash is the end of a chain, as 64 hexadecimal digits.
func (c *chain) hash() string { return hex.EncodeToString(c.last[:]) }

// parseHash reads what hash has written; "" is the beginning.
func parseHash(text string) (hash [sha256.Size]byte, err error) {
	if text == "" {
		return hash, nil
	}
	if len(text) != 2*len(hash) {
		return hash, fmt.Errorf("audit: %q is not a hash", clip(text))
	}
	if _, err := hex.Decode(hash[:], []byte(text)); err != nil {
		return hash, fmt.Errorf("audit: %q is not a hash", text)
	}
	return hash, nil
}
