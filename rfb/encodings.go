package rfb

import "fmt"

// Encoding is an encoding or pseudo-encoding number of SetEncodings and of
// rectangles.
type Encoding int32

// Encodings of pixels (rfbproto, "Encodings").
const (
	EncodingRaw      Encoding = 0
	EncodingCopyRect Encoding = 1
	EncodingRRE      Encoding = 2
	EncodingCoRRE    Encoding = 4
	EncodingHextile  Encoding = 5
	EncodingZlib     Encoding = 6
	EncodingTight    Encoding = 7
	EncodingZlibHex  Encoding = 8
	EncodingTRLE     Encoding = 15
	EncodingZRLE     Encoding = 16
	EncodingZYWRLE   Encoding = 17
	EncodingJPEG     Encoding = 21
	EncodingH264     Encoding = 50
	EncodingTightPNG Encoding = -260
)

// Pseudo-encodings (rfbproto, "Pseudo-encodings"): features a viewer declares,
// most of them answered by a rectangle.
const (
	EncodingDesktopSize          Encoding = -223
	EncodingLastRect             Encoding = -224
	EncodingPointerPos           Encoding = -232
	EncodingCursor               Encoding = -239
	EncodingXCursor              Encoding = -240
	EncodingPointerMotion        Encoding = -257 // QEMU
	EncodingExtendedKeyEvent     Encoding = -258 // QEMU
	EncodingAudio                Encoding = -259 // QEMU
	EncodingLEDState             Encoding = -261 // QEMU
	EncodingGii                  Encoding = -305
	EncodingDesktopName          Encoding = -307
	EncodingExtendedDesktopSize  Encoding = -308
	EncodingXvp                  Encoding = -309
	EncodingFence                Encoding = -312
	EncodingContinuousUpdates    Encoding = -313
	EncodingCursorWithAlpha      Encoding = -314
	EncodingExtendedMouseButtons Encoding = -316
	EncodingTightWithoutZlib     Encoding = -317
	EncodingVMwareCursor         Encoding = 0x574d5664
	EncodingVMwareLEDState       Encoding = 0x574d5668
	EncodingWMVi                 Encoding = 0x574d5669
	EncodingExtendedClipboard    Encoding = -0x3f5e1a32 // 0xc0a1e5ce on the wire
)

// Ranges of pseudo-encodings that are levels, lowest to highest.
const (
	EncodingQualityLevel0  Encoding = -32
	EncodingQualityLevel9  Encoding = -23
	EncodingCompressLevel0 Encoding = -256
	EncodingCompressLevel9 Encoding = -247
	EncodingFineQuality0   Encoding = -512 // TurboVNC's
	EncodingFineQuality100 Encoding = -412
	EncodingSubsampling1X  Encoding = -768 // none: the best; the order of the others is not that of quality
	EncodingSubsampling16X Encoding = -763
)

var encodingNames = map[Encoding]string{
	EncodingRaw: "Raw", EncodingCopyRect: "CopyRect", EncodingRRE: "RRE", EncodingCoRRE: "CoRRE",
	EncodingHextile: "Hextile", EncodingZlib: "Zlib", EncodingTight: "Tight", EncodingZlibHex: "ZlibHex",
	EncodingTRLE: "TRLE", EncodingZRLE: "ZRLE", EncodingZYWRLE: "ZYWRLE", EncodingJPEG: "JPEG",
	EncodingH264: "H264", EncodingTightPNG: "TightPNG",
	EncodingDesktopSize: "DesktopSize", EncodingLastRect: "LastRect", EncodingPointerPos: "PointerPos",
	EncodingCursor: "Cursor", EncodingXCursor: "XCursor", EncodingPointerMotion: "PointerMotion",
	EncodingExtendedKeyEvent: "ExtendedKeyEvent", EncodingAudio: "Audio", EncodingLEDState: "LEDState",
	EncodingGii: "Gii", EncodingDesktopName: "DesktopName", EncodingExtendedDesktopSize: "ExtendedDesktopSize",
	EncodingXvp: "Xvp", EncodingFence: "Fence", EncodingContinuousUpdates: "ContinuousUpdates",
	EncodingCursorWithAlpha: "CursorWithAlpha", EncodingExtendedMouseButtons: "ExtendedMouseButtons",
	EncodingTightWithoutZlib: "TightWithoutZlib", EncodingVMwareCursor: "VMwareCursor",
	EncodingVMwareLEDState: "VMwareLEDState", EncodingWMVi: "WMVi", EncodingExtendedClipboard: "ExtendedClipboard",
}

// String names e as rfbproto does; numbers without a name stay numbers.
func (e Encoding) String() string {
	if s, ok := encodingNames[e]; ok {
		return s
	}
	switch {
	case e >= EncodingQualityLevel0 && e <= EncodingQualityLevel9:
		return fmt.Sprintf("QualityLevel%d", e-EncodingQualityLevel0)
	case e >= EncodingCompressLevel0 && e <= EncodingCompressLevel9:
		return fmt.Sprintf("CompressLevel%d", e-EncodingCompressLevel0)
	}
	return fmt.Sprintf("encoding %d", int32(e))
}
