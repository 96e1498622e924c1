package rfb

// Server message types (RFC 6143, 7.6; rfbproto, "Server to Client Messages"),
// with what follows the type byte. MsgFence, MsgXvp, MsgGii, MsgNTP and MsgQEMU
// are sent by displays too.
const (
	MsgFramebufferUpdate      = 0   // pad, U16 n, rectangles
	MsgSetColourMapEntries    = 1   // pad, U16 first, U16 n, 6n
	MsgBell                   = 2   //
	MsgServerCutText          = 3   // as ClientCutText
	MsgEndOfContinuousUpdates = 150 //
)

// UnknownRectCount as the count of a FramebufferUpdate says that a LastRect
// ends it.
const UnknownRectCount = 0xffff

// The functions below append what a display sends: FramebufferUpdate is a
// header and the rectangles that it counts, each a header and what its encoding
// has behind it.

// AppendFramebufferUpdate appends the header of an update of n rectangles.
func AppendFramebufferUpdate(b []byte, n uint16) []byte {
	return be.AppendUint16(append(b, MsgFramebufferUpdate, 0), n)
}

// AppendRect appends the header of a rectangle.
func AppendRect(b []byte, x, y, w, h uint16, e Encoding) []byte {
	return be.AppendUint32(appendU16s(b, x, y, w, h), uint32(e))
}

// AppendLastRect appends the rectangle that ends an update of
// UnknownRectCount.
func AppendLastRect(b []byte) []byte {
	return AppendRect(b, 0, 0, 0, 0, EncodingLastRect)
}

// AppendDesktopSize appends the rectangle that announces a new size, to be the
// last of its update.
func AppendDesktopSize(b []byte, w, h uint16) []byte {
	return AppendRect(b, 0, 0, w, h, EncodingDesktopSize)
}

// Why a size changed and how a SetDesktopSize went, in an ExtendedDesktopSize.
const (
	ResizeByServer = 0 // or the first announcement
	ResizeByClient = 1 // this one asked
	ResizeByOther  = 2 // another viewer asked

	ResizeOK          = 0
	ResizeProhibited  = 1
	ResizeOutOfMemory = 2
	ResizeInvalid     = 3
	ResizeForwarded   = 4 // asked of somebody else, who may do it
)

// AppendExtendedDesktopSize appends the rectangle that announces the size and
// the screens, to be the first of its update.
func AppendExtendedDesktopSize(b []byte, reason, status, w, h uint16, screens ...Screen) []byte {
	b = AppendRect(b, reason, status, w, h, EncodingExtendedDesktopSize)
	return appendScreens(append(b, uint8(len(screens)), 0, 0, 0), screens)
}

// AppendCursor appends a cursor shape with its hot spot: w·h pixels in the
// viewer's format and a mask of whole bytes a row, most significant bit left.
func AppendCursor(b []byte, hotX, hotY, w, h uint16, pixels, mask []byte) []byte {
	b = AppendRect(b, hotX, hotY, w, h, EncodingCursor)
	return append(append(b, pixels...), mask...)
}

// AppendDesktopName appends the rectangle that announces a new name, in UTF-8.
func AppendDesktopName(b []byte, name string) []byte {
	return appendCounted(AppendRect(b, 0, 0, 0, 0, EncodingDesktopName), name)
}

// AppendExtendedKeyEventAck appends the rectangle that allows QEMU's extended
// key events.
func AppendExtendedKeyEventAck(b []byte) []byte {
	return AppendRect(b, 0, 0, 0, 0, EncodingExtendedKeyEvent)
}

// AppendExtendedMouseButtonsAck appends the rectangle that allows extended
// pointer events.
func AppendExtendedMouseButtonsAck(b []byte) []byte {
	return AppendRect(b, 0, 0, 0, 0, EncodingExtendedMouseButtons)
}

// AppendBell appends a Bell.
func AppendBell(b []byte) []byte { return append(b, MsgBell) }

// AppendServerCutText appends a ServerCutText, in Latin-1 as the protocol has
// it: what Latin-1 lacks becomes "?".
func AppendServerCutText(b []byte, text string) []byte {
	return appendCutText(append(b, MsgServerCutText), text)
}

// AppendServerClipboard appends an extended ServerCutText, for viewers that
// have listed EncodingExtendedClipboard.
func AppendServerClipboard(b []byte, c Clipboard) []byte {
	return c.append(append(b, MsgServerCutText))
}
