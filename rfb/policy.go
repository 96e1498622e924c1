package rfb

// DefaultClipboardMax is the longest ClientCutText a Filter lets through
// unless its Policy says otherwise: what QEMU and libvncserver take.
const DefaultClipboardMax = 1 << 20

// Policy is what passes between a viewer and a display. The zero Policy is
// view-only and mute: everything that changes nothing but what the viewer
// itself is shown, and no more.
//
// Where anything is withheld of a viewer, file transfer included, and no
// ServerFilter reads what the display sends, buttons beyond the seventh do not
// pass: EncodingExtendedMouseButtons is struck from SetEncodings, because
// nobody would know whether the display reads the longer PointerEvents that it
// brings. That costs the viewers which send "back" and "forward" so, those of
// TigerVNC from 1.14 on, these two buttons.
type Policy struct {
	Keyboard     bool // KeyEvent, QEMU's extended key event, TextChat
	Pointer      bool // PointerEvent
	ClipboardIn  bool // ClientCutText; of the extended ones notify and provide
	ClipboardOut bool // ServerCutText; and of the viewer's extended ones request and peek
	Resize       bool // SetDesktopSize
	Power        bool // xvp: shutdown, reboot, reset
	FileTransfer bool // Tight's file messages; UltraVNC's cannot be delimited
	Bell         bool // Bell
	Audio        bool // QEMU's audio, both ways

	// ClipboardMax is the most bytes of a ClientCutText: longer ones are
	// dropped whole. 0 is DefaultClipboardMax. Of an extended one it is what
	// its data comes to when inflated, all formats together.
	ClipboardMax int
	// ClipboardOutMax is the same for a ServerCutText. 0 is no limit of ours.
	ClipboardOutMax int
	// ClipboardFormats are the formats that may pass, of ClipboardText to
	// ClipboardFiles; 0 is all of them. A plain cut text is text. Others are
	// struck from what is offered and asked for; a provide that holds one
	// nevertheless is dropped whole.
	ClipboardFormats uint32

	// KeyRate and PointerRate are how many presses and how many pointer events
	// a second pass, and as many at once after a pause; 0 is no limit. A key press too many is dropped
	// with its release, a motion too many gives way to the next one, a button
	// passes always. Where there is a rate, gii events, which hide many in
	// one, are dropped.
	KeyRate, PointerRate int

	// Encodings tells which entries of SetEncodings to keep; nil keeps all
	// that the fields above do not rule out.
	Encodings func(Encoding) bool
	// Quality and Compression bound the levels that SetEncodings may ask for.
	Quality, Compression Levels

	// Opaque has everything from the first message that cannot be delimited
	// on forwarded as it comes, instead of an error. Since nothing can be
	// withheld from there on, it counts only where all of the rights above
	// are granted, and no limits are set.
	Opaque bool
}

// Levels bounds a level of 0 to 9. The zero value bounds nothing.
type Levels struct {
	Min, Max int
	Bound    bool // whether Min and Max are meant
}

// clamp is the level of those allowed that is nearest to level.
func (l Levels) clamp(level int) int {
	if !l.Bound {
		return level
	}
	return min(max(level, l.Min), l.Max)
}

// ParsesServer reports whether p withholds anything that a display sends, so
// that a ServerFilter is needed.
func (p *Policy) ParsesServer() bool {
	return !p.ClipboardOut || !p.Bell || !p.Audio || p.ClipboardOutMax > 0 || p.ClipboardFormats != 0
}

// unbounded reports whether p withholds nothing at all, so that it does no harm
// if a display reads a viewer's bytes in another way than the Filter. What a
// display sends can be read only as long as what changes its form is, so
// nothing may be withheld of that either.
func (p *Policy) unbounded() bool {
	return p.Keyboard && p.Pointer && p.ClipboardIn && p.Resize && p.Power && p.FileTransfer &&
		p.KeyRate == 0 && p.PointerRate == 0 && p.ClipboardMax == 0 &&
		p.Encodings == nil && !p.Quality.Bound && !p.Compression.Bound && !p.ParsesServer()
}

// open reports whether a viewer may go on unread.
func (p *Policy) open() bool { return p.Opaque && p.unbounded() }

// allows decides on a message of length n whose head is there. What else there
// is to a key, the pointer and the extended clipboard, others decide.
func (p *Policy) allows(head []byte, n int) bool {
	switch head[0] {
	case MsgKeyEvent, MsgTextChat:
		return p.Keyboard
	case MsgPointerEvent:
		return p.Pointer
	case MsgClientCutText:
		return p.allowsCutText(head, n)
	case MsgXvp:
		return p.Power
	case MsgSetDesktopSize:
		return p.Resize
	case MsgQEMU:
		if head[1] == QEMUAudio {
			return p.Audio
		}
		return p.Keyboard
	case MsgGii:
		return p.allowsGii(head[1] & 0x7f)
	case MsgSetServerInput, MsgSetSW, MsgRequestSession, MsgSetSession:
		// These change what the display does for everyone.
		return p.Keyboard && p.Pointer
	case MsgFileListRequest, MsgFileDownloadRequest, MsgFileUploadRequest, MsgFileUploadData,
		MsgFileDownloadCancel, MsgFileUploadFailed, MsgFileCreateDir:
		return p.FileTransfer
	}
	return true
}

// allowsGii decides on a gii message by its sub-type (rfbproto, "gii Client
// Message"). Devices have keys and valuators alike, and so have events.
func (p *Policy) allowsGii(sub uint8) bool {
	switch sub {
	case giiVersion: // says which one the viewer speaks, and changes nothing
		return true
	case giiEvents:
		return p.Keyboard && p.Pointer && p.KeyRate == 0 && p.PointerRate == 0
	}
	return p.Keyboard && p.Pointer // devices come and go
}

// allowsCutText decides on a ClientCutText as far as its length tells.
func (p *Policy) allowsCutText(head []byte, n int) bool {
	if int32(be.Uint32(head[4:])) < 0 {
		return (p.ClipboardIn || p.ClipboardOut) && n-12 <= p.clipboardMax()+deflateSlack
	}
	return p.ClipboardIn && p.formats()&ClipboardText != 0 && n-8 <= p.clipboardMax()
}

// clipboardMax is ClipboardMax, or what stands for it.
func (p *Policy) clipboardMax() int {
	if p.ClipboardMax == 0 {
		return DefaultClipboardMax
	}
	return p.ClipboardMax
}

// formats is ClipboardFormats, or what stands for it.
func (p *Policy) formats() uint32 {
	if p.ClipboardFormats == 0 {
		return allFormats
	}
	return p.ClipboardFormats & allFormats
}

// entry decides on an entry of SetEncodings and returns what takes its place.
// parsed says that what the display sends is read, and has to be understood.
func (p *Policy) entry(e Encoding, parsed bool) (instead Encoding, keep bool) {
	switch {
	case e == EncodingExtendedClipboard && !p.ClipboardIn && !p.ClipboardOut:
		// The display then falls back to plain ServerCutText.
		return 0, false
	case e == EncodingExtendedMouseButtons && !parsed && !p.unbounded():
		// A display that does not know it reads 6 bytes where we would read
		// 7, and takes the seventh for the type of a message we have not
		// seen. Unless it is told, nobody uses it. Where a display is read,
		// it has to say that it knows it (Filter.extendedPointer).
		return 0, false
	case e == EncodingAudio && !p.Audio:
		return 0, false
	case parsed && !knownLength(e):
		return 0, false
	case p.Encodings != nil && !p.Encodings(e):
		return 0, false
	}
	return p.level(e)
}

// level applies the bounds on quality and compression.
func (p *Policy) level(e Encoding) (instead Encoding, keep bool) {
	switch {
	case e >= EncodingQualityLevel0 && e <= EncodingQualityLevel9:
		return EncodingQualityLevel0 + Encoding(p.Quality.clamp(int(e-EncodingQualityLevel0))), true
	case e >= EncodingCompressLevel0 && e <= EncodingCompressLevel9:
		return EncodingCompressLevel0 + Encoding(p.Compression.clamp(int(e-EncodingCompressLevel0))), true
	case e >= EncodingFineQuality0 && e <= EncodingFineQuality100 && p.Quality.Bound:
		// Ten of a hundred are a level, the highest has one more.
		fine := min(max(int(e-EncodingFineQuality0), 10*p.Quality.Min), 10*p.Quality.Max+10)
		return EncodingFineQuality0 + Encoding(fine), true
	case e >= EncodingSubsampling1X && e <= EncodingSubsampling16X && p.Quality.Bound:
		// It would undo what the quality does: left to the display.
		return 0, false
	}
	return e, true
}
