package auth

import (
	"fmt"
	"slices"
	"strings"
)

// Rights is a set of things that a viewer may do. Sets from several sources
// are combined by AND.
type Rights uint

// The rights, each of them enforced on RFB messages except View, without which
// nobody would have come.
const (
	View         Rights = 1 << iota // see the picture
	Keyboard                        // KeyEvent and the extended key event
	Pointer                         // PointerEvent, gii events
	ClipboardIn                     // viewer → display cut text
	ClipboardOut                    // display → viewer cut text
	Resize                          // SetDesktopSize
	Power                           // xvp shutdown, reboot, reset
	FileTransfer                    // file transfer as UltraVNC and TightVNC have it
	Bell                            // Bell
	Audio                           // QEMU's audio messages, which need the display's sound sent
	Exclusive                       // ClientInit without shared: others are ended or kept out
	Opaque                          // messages that nobody can delimit, and all that follows them unread
)

// Names for sets that belong together.
const (
	// Viewing is what the name "view" stands for: the picture and its sound.
	Viewing   = View | Bell | Audio
	Control   = Viewing | Keyboard | Pointer
	Clipboard = ClipboardIn | ClipboardOut
	// AllRights is what the name "all" stands for, and what viewers get where
	// there is no policy. FileTransfer and Opaque reach past what a gateway can
	// look at: they must be named.
	AllRights = Control | Clipboard | Resize | Power | Exclusive
	// EveryRight is AllRights and those that must be named.
	EveryRight = AllRights | FileTransfer | Opaque
)

// rightNames are the names, in the order in which String lists them: what is
// named before needs not be named again.
var rightNames = []struct {
	name string
	set  Rights
	many bool // a name for several that String does not use
}{
	{"view", Viewing, false}, {"picture", View, false}, {"bell", Bell, false}, {"audio", Audio, false},
	{"keyboard", Keyboard, false}, {"pointer", Pointer, false},
	{"clipboard-in", ClipboardIn, false}, {"clipboard-out", ClipboardOut, false},
	{"resize", Resize, false}, {"power", Power, false}, {"exclusive", Exclusive, false},
	{"file-transfer", FileTransfer, false}, {"opaque", Opaque, false},
	{"control", Control, true}, {"clipboard", Clipboard, true}, {"all", AllRights, true},
}

// Has reports whether every right of want is in r.
func (r Rights) Has(want Rights) bool { return r&want == want }

// String names the rights, separated by commas: "view,keyboard". ParseRights
// reads the names back. Rights that do not exist are left out.
func (r Rights) String() string {
	var names []string
	for _, n := range rightNames {
		if !n.many && r.Has(n.set) {
			names = append(names, n.name)
			r &^= n.set
		}
	}
	return strings.Join(names, ",")
}

// ParseRights reads the names of rights and of sets of them, as a policy
// writes them. "view" is the picture with bell and audio; "picture", "bell" and
// "audio" name them one by one.
func ParseRights(names []string) (Rights, error) {
	var r Rights
	for _, name := range names {
		set, ok := rightNamed(name)
		if !ok {
			return 0, fmt.Errorf("auth: unknown right %q (there are: %s)", name, strings.Join(RightNames(), ", "))
		}
		r |= set
	}
	return r, nil
}

// RightNames lists the names that ParseRights knows.
func RightNames() []string {
	var names []string
	for _, n := range rightNames {
		names = append(names, n.name)
	}
	return names
}

func rightNamed(name string) (Rights, bool) {
	i := slices.IndexFunc(rightNames, func(n struct {
		name string
		set  Rights
		many bool
	}) bool {
		return n.name == name
	})
	if i < 0 {
		return 0, false
	}
	return rightNames[i].set, true
}

// MarshalText writes the rights as String does.
func (r Rights) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// UnmarshalText reads names that are separated by commas or blanks; none of
// them is no right.
func (r *Rights) UnmarshalText(text []byte) error {
	set, err := ParseRights(splitNames(string(text)))
	if err == nil {
		*r = set
	}
	return err
}

// splitNames takes a list apart that is separated by commas or blanks.
func splitNames(list string) []string {
	return strings.FieldsFunc(list, func(c rune) bool { return c == ',' || c == ' ' || c == '\t' || c == '\n' })
}
