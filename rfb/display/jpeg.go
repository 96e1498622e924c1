package display

import (
	"bytes"
	"fmt"
	"image/jpeg"
)

// Markers of JPEG (ISO/IEC 10918-1, table B.1), each behind a byte FF.
const (
	markerSOI  = 0xd8
	markerEOI  = 0xd9
	markerSOS  = 0xda
	markerDQT  = 0xdb
	markerDHT  = 0xc4
	markerRST0 = 0xd0
	markerRST7 = 0xd7
	markerTEM  = 0x01
)

// Limits on JPEGs.
const (
	// maxJPEG is the longest that is taken, in bytes.
	maxJPEG = 16 << 20
	// maxTables is the most of its tables of one kind, in bytes: there are four
	// of either kind at most, the longest of 273 bytes, and they are read again
	// with each later JPEG.
	maxTables = 8 << 10
	// maxScans is how many scans one may have. Each goes over the whole picture,
	// and a few bytes are enough for one; libjpeg's own progressive script has
	// ten.
	maxScans = 16
)

// jpegTables are the tables of the last JPEG that had some: later ones may do
// without (TigerVNC, rfb/JpegDecoder.cxx).
type jpegTables struct{ quantization, huffman []byte }

// decodeJPEG draws a JPEG that has no length in front: it ends with its
// end marker (rfbproto, "JPEG Encoding").
func decodeJPEG(d *Decoder, r rect) error {
	p := jpegParts{d: d}
	if err := p.read(); err != nil {
		return err
	}
	b := p.whole(&d.jpeg)
	return drawJPEG(r, b)
}

// drawJPEG draws a whole JPEG.
func drawJPEG(r rect, b []byte) error {
	// Scans hold no marker, and other segments hardly one that looks like it.
	if n := bytes.Count(b, []byte{0xff, markerSOS}); n > maxScans {
		return fmt.Errorf("a JPEG of %d scans, more than %d", n, maxScans)
	}
	return drawPicture(r, b, jpeg.DecodeConfig, jpeg.Decode)
}

// jpegParts takes a JPEG apart as it comes.
type jpegParts struct {
	d                     *Decoder
	quantization, huffman []byte // segments
	rest                  []byte // all that follows the tables
}

// whole is the JPEG with tables, its own where it has any.
func (p *jpegParts) whole(tables *jpegTables) []byte {
	if p.quantization != nil {
		tables.quantization = p.quantization
	}
	if p.huffman != nil {
		tables.huffman = p.huffman
	}
	b := []byte{0xff, markerSOI}
	b = append(append(b, tables.quantization...), tables.huffman...)
	return append(b, p.rest...)
}

// read reads up to the end marker.
func (p *jpegParts) read() error {
	if kind, err := p.marker(); err != nil {
		return err
	} else if kind != markerSOI {
		return fmt.Errorf("it begins with marker %#x", kind)
	}
	for {
		kind, err := p.marker()
		if err != nil {
			return err
		}
		switch {
		case kind == markerEOI:
			p.rest = append(p.rest, 0xff, markerEOI)
			return nil
		case kind == markerTEM || kind >= markerRST0 && kind <= markerSOI:
			continue // they stand alone
		}
		if err := p.segment(kind); err != nil {
			return err
		}
	}
}

// marker reads FF, as often as it comes, and what kind of marker it is.
func (p *jpegParts) marker() (byte, error) {
	b, err := p.d.in.ReadByte()
	if err != nil || b != 0xff {
		return 0, orNoMarker(err)
	}
	for b == 0xff && err == nil {
		b, err = p.d.in.ReadByte()
	}
	return b, short(err)
}

func orNoMarker(err error) error {
	if err != nil {
		return short(err)
	}
	return fmt.Errorf("not a JPEG: a marker is missing")
}

// segment reads U16 length, and length-2 bytes; behind the head of a scan, the
// scan.
func (p *jpegParts) segment(kind byte) error {
	b, err := p.d.head(2, "segment")
	if err != nil {
		return err
	}
	n := int(be.Uint16(b))
	if n < 2 {
		return fmt.Errorf("a segment of %d bytes", n)
	}
	to := &p.rest
	switch kind {
	case markerDQT:
		to = &p.quantization
	case markerDHT:
		to = &p.huffman
	}
	*to = append(*to, 0xff, kind, byte(n>>8), byte(n))
	if *to, err = p.d.appendBytes(*to, n-2); err != nil {
		return err
	}
	if kind == markerSOS {
		err = p.scan()
	}
	if err == nil && max(len(p.quantization), len(p.huffman)) > maxTables {
		err = fmt.Errorf("a JPEG of more than %d bytes of tables", maxTables)
	}
	if err == nil && len(p.rest)+len(p.quantization)+len(p.huffman) > maxJPEG {
		err = fmt.Errorf("a JPEG of more than %d bytes", maxJPEG)
	}
	return err
}

// scan reads up to the next marker that is not part of the scan, which stays.
func (p *jpegParts) scan() error {
	for len(p.rest) <= maxJPEG {
		b, err := p.d.in.Peek(2)
		if err != nil {
			return short(err)
		}
		if b[0] == 0xff && b[1] != 0 && b[1] != 0xff && (b[1] < markerRST0 || b[1] > markerRST7) {
			return nil
		}
		n := 1
		if b[0] == 0xff && b[1] != 0xff {
			n = 2
		}
		p.rest = append(p.rest, b[:n]...)
		if _, err := p.d.in.Discard(n); err != nil {
			return err
		}
	}
	return nil
}
