package demo

import (
	"fmt"
	"unicode"
)

// keysymUnicode is added to a code point to make its keysym, outside Latin-1
// (X11 protocol, appendix A).
const keysymUnicode = 0x01000000

// asciiNames are the names of the keysyms 0x20 to 0x7e that are not their own
// name, as X11's keysymdef.h has them without the XK_.
var asciiNames = map[rune]string{
	' ': "space", '!': "exclam", '"': "quotedbl", '#': "numbersign", '$': "dollar", '%': "percent",
	'&': "ampersand", '\'': "apostrophe", '(': "parenleft", ')': "parenright", '*': "asterisk",
	'+': "plus", ',': "comma", '-': "minus", '.': "period", '/': "slash", ':': "colon",
	';': "semicolon", '<': "less", '=': "equal", '>': "greater", '?': "question", '@': "at",
	'[': "bracketleft", '\\': "backslash", ']': "bracketright", '^': "asciicircum",
	'_': "underscore", '`': "grave", '{': "braceleft", '|': "bar", '}': "braceright", '~': "asciitilde",
}

// keysymNames are the names of keys that write nothing.
var keysymNames = map[uint32]string{
	0xff08: "BackSpace", 0xff09: "Tab", 0xff0d: "Return", 0xff13: "Pause", 0xff14: "Scroll_Lock",
	0xff15: "Sys_Req", 0xff1b: "Escape", 0xff20: "Multi_key", 0xff50: "Home", 0xff51: "Left",
	0xff52: "Up", 0xff53: "Right", 0xff54: "Down", 0xff55: "Prior", 0xff56: "Next", 0xff57: "End",
	0xff61: "Print", 0xff63: "Insert", 0xff67: "Menu", 0xff6b: "Break", 0xff7e: "Mode_switch",
	0xff7f: "Num_Lock", 0xff8d: "KP_Enter", 0xff95: "KP_Home", 0xff96: "KP_Left", 0xff97: "KP_Up",
	0xff98: "KP_Right", 0xff99: "KP_Down", 0xff9a: "KP_Prior", 0xff9b: "KP_Next", 0xff9c: "KP_End",
	0xff9d: "KP_Begin", 0xff9e: "KP_Insert", 0xff9f: "KP_Delete", 0xffaa: "KP_Multiply",
	0xffab: "KP_Add", 0xffac: "KP_Separator", 0xffad: "KP_Subtract", 0xffae: "KP_Decimal",
	0xffaf: "KP_Divide", 0xffe1: "Shift_L", 0xffe2: "Shift_R", 0xffe3: "Control_L",
	0xffe4: "Control_R", 0xffe5: "Caps_Lock", 0xffe7: "Meta_L", 0xffe8: "Meta_R", 0xffe9: "Alt_L",
	0xffea: "Alt_R", 0xffeb: "Super_L", 0xffec: "Super_R", 0xffed: "Hyper_L", 0xffee: "Hyper_R",
	0xffff: "Delete", 0xfe03: "ISO_Level3_Shift", 0xfe20: "ISO_Left_Tab",
}

// keyCaps are what is printed on the caps of keys whose names are too long or
// say it worse.
var keyCaps = map[uint32]string{
	0x20: "Space", 0xff08: "⟵", 0xff1b: "Esc", 0xff51: "◄", 0xff52: "▲", 0xff53: "►", 0xff54: "▼",
	0xff55: "PgUp", 0xff56: "PgDn", 0xffe1: "Shift", 0xffe2: "Shift", 0xffe3: "Ctrl", 0xffe4: "Ctrl",
	0xffe5: "Caps", 0xffe7: "Meta", 0xffe8: "Meta", 0xffe9: "Alt", 0xffea: "Alt", 0xffeb: "Super",
	0xffec: "Super", 0xfe03: "AltGr", 0xff14: "ScrLk", 0xff7f: "Num", 0xffff: "Del", 0xff63: "Ins",
}

// keysymRune is the character that a keysym writes, or 0.
func keysymRune(sym uint32) rune {
	switch {
	case sym >= 0x20 && sym <= 0x7e, sym >= 0xa0 && sym <= 0xff:
		return rune(sym)
	case sym > keysymUnicode && sym <= keysymUnicode+unicode.MaxRune && unicode.IsPrint(rune(sym-keysymUnicode)):
		return rune(sym - keysymUnicode)
	}
	return 0
}

// keyName is a keysym's name in X11: "a", "Return", "F5", "KP_7", "U20AC", and
// its number where it has none here.
func keyName(sym uint32) string {
	if name, ok := keysymNames[sym]; ok {
		return name
	}
	if sym >= 0xffbe && sym <= 0xffe0 {
		return fmt.Sprintf("F%d", sym-0xffbd)
	}
	if sym >= 0xffb0 && sym <= 0xffb9 {
		return fmt.Sprintf("KP_%d", sym-0xffb0)
	}
	r := keysymRune(sym)
	switch {
	case r == 0:
		return fmt.Sprintf("0x%x", sym)
	case asciiNames[r] != "":
		return asciiNames[r]
	case r > 0xff:
		return fmt.Sprintf("U%04X", r)
	}
	return string(r)
}

// keyLabel is what the cap of a key shows: the character, or a short name.
func keyLabel(sym uint32) string {
	if s, ok := keyCaps[sym]; ok {
		return s
	}
	if r := keysymRune(sym); r != 0 {
		return string(r)
	}
	return keyName(sym)
}
