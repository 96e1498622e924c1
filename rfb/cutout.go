package rfb

// A cutOut is what is left of a buffer, put together inside it as long as it is
// no longer than what has been read of it.
type cutOut struct {
	b     []byte // the caller's
	w     int    // b[:w] is out
	own   []byte // our own memory
	inOwn bool   // what is out is there instead
}

// keptOwn is how much memory of its own a cutOut keeps.
const keptOwn = 128 << 10

func (c *cutOut) begin(b []byte, headroom int) {
	c.b, c.w, c.inOwn = b, headroom, false
	if cap(c.own) > keptOwn {
		c.own = nil
	}
}

// end returns what is out.
func (c *cutOut) end() []byte {
	out := c.b[:c.w]
	if c.inOwn {
		out = c.own
	}
	c.b = nil
	return out
}

// keep puts out b[from:to].
func (c *cutOut) keep(from, to int) {
	switch {
	case c.inOwn:
		c.own = append(c.own, c.b[from:to]...)
	case c.w == from:
		c.w = to
	default:
		c.w += copy(c.b[c.w:], c.b[from:to])
	}
}

// insert puts out what is not in b, where b has been read up to read.
func (c *cutOut) insert(p []byte, read int) {
	switch {
	case len(p) == 0:
	case c.inOwn:
		c.own = append(c.own, p...)
	case c.w+len(p) <= read:
		c.w += copy(c.b[c.w:], p)
	default:
		c.own = append(append(c.own[:0], c.b[:c.w]...), p...)
		c.inOwn = true
	}
}
