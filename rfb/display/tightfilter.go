package display

import "encoding/binary"

// indices draws a row of indices of a palette of n colours: bits, most
// significant left, if there are two at most, else bytes.
func (d *Decoder) indices(line, b []byte, n int) error {
	if n <= 2 {
		for x := 0; 4*x < len(line); x++ {
			binary.LittleEndian.PutUint32(line[4*x:], d.palette[b[x/8]>>(7-x%8)&1])
		}
		return nil
	}
	for x, i := range b {
		if int(i) >= n {
			return errIndex
		}
		binary.LittleEndian.PutUint32(line[4*x:], d.palette[i])
	}
	return nil
}

// gradient draws differences from what the pixels to the left, above and between
// them foretell: their plane, cut off at both ends (rfbproto, "Tight Encoding",
// GradientFilter).
func (d *Decoder) gradient(in peeker, r rect) error {
	px := &r.px.tight
	above := make([][3]int32, r.w+1) // above[0] is left of the first
	most := [3]int32{255, 255, 255}
	if px.layout != layoutRGB {
		most = [3]int32{int32(px.format.RedMax), int32(px.format.GreenMax), int32(px.format.BlueMax)}
	}
	for y := r.y; y < r.y+r.h && r.w > 0; y++ {
		b, err := d.bytes(in, r.w*px.size)
		if err != nil {
			return err
		}
		line := r.to.line(r.x, y, r.w)
		var left, corner [3]int32
		for x := range r.w {
			difference := px.apart(b[x*px.size:])
			up := above[x+1]
			var colour uint32 = opaque
			for i := range left {
				v := (min(max(left[i]+up[i]-corner[i], 0), most[i]) + difference[i]) & most[i]
				left[i] = v
				colour |= uint32(v*255/most[i]) << (8 * i)
			}
			corner, above[x+1] = up, left
			binary.LittleEndian.PutUint32(line[4*x:], colour)
		}
	}
	return nil
}

// apart returns the channels of a pixel as they are, not brought to eight bits.
func (c *codec) apart(b []byte) [3]int32 {
	if c.layout == layoutRGB {
		return [3]int32{int32(b[0]), int32(b[1]), int32(b[2])}
	}
	r, g, bl := c.channels(c.value(b))
	return [3]int32{int32(r), int32(g), int32(bl)}
}
