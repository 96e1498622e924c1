package rfb

// Encodings and pseudo-encodings that are known by their length alone.
const (
	encodingUltra                Encoding = 9  // UltraVNC's and libvncserver's
	encodingUltra2               Encoding = 10 // UltraVNC
	encodingPTS                  Encoding = -1000
	encodingNTP                  Encoding = -1001
	encodingVMwareCursorState    Encoding = 0x574d5665
	encodingVMwareCursorPosition Encoding = 0x574d5666
	encodingVMwareKeyRepeat      Encoding = 0x574d5667
	encodingVMwareVMState        Encoding = 0x574d566a
	encodingUltraLED             Encoding = -0x20000 // 0xfffe0000
	encodingSupportedMessages    Encoding = -0x1ffff // 0xfffe0001
	encodingSupportedEncodings   Encoding = -0x1fffe
	encodingServerIdentity       Encoding = -0x1fffd
)

// pixelEncoding reports whether e is an encoding of pixels whose length a
// ServerFilter can tell.
func pixelEncoding(e Encoding) bool {
	switch e {
	case EncodingRaw, EncodingCopyRect, EncodingRRE, EncodingCoRRE, EncodingHextile, EncodingZlib, EncodingTight,
		EncodingZlibHex, encodingUltra, encodingUltra2, EncodingTRLE, EncodingZRLE, EncodingZYWRLE,
		EncodingJPEG, EncodingH264, EncodingTightPNG:
		return true
	}
	return false
}

// knownLength reports whether a display that was asked for e sends nothing for
// it that a ServerFilter cannot follow. What a private encoding brings along is
// not known, and two public ones are left out: TightWithoutZlib, whose data
// some count and some do not, and what UltraVNC puts into headers that are
// not of rectangles.
func knownLength(e Encoding) bool {
	if pixelEncoding(e) {
		return true
	}
	switch e {
	case EncodingDesktopSize, EncodingLastRect, EncodingPointerPos, EncodingCursor, EncodingXCursor,
		EncodingPointerMotion, EncodingExtendedKeyEvent, EncodingAudio, EncodingLEDState, EncodingGii,
		EncodingDesktopName, EncodingExtendedDesktopSize, EncodingXvp, EncodingFence, EncodingContinuousUpdates,
		EncodingCursorWithAlpha, EncodingExtendedMouseButtons, encodingPTS, encodingNTP,
		EncodingVMwareCursor, encodingVMwareCursorState, encodingVMwareCursorPosition, encodingVMwareKeyRepeat,
		EncodingVMwareLEDState, encodingVMwareVMState, EncodingWMVi, EncodingExtendedClipboard,
		encodingUltraLED, encodingSupportedMessages, encodingSupportedEncodings, encodingServerIdentity:
		return true
	}
	return isLevel(e)
}

// isLevel reports whether e asks for a level of something.
func isLevel(e Encoding) bool {
	return e >= EncodingQualityLevel0 && e <= EncodingQualityLevel9 ||
		e >= EncodingCompressLevel0 && e <= EncodingCompressLevel9 ||
		e >= EncodingFineQuality0 && e <= EncodingFineQuality100 ||
		e >= EncodingSubsampling1X && e <= EncodingSubsampling16X
}
