package auth

import (
	"fmt"
	"strings"
)

// Rights is a set of things that a viewer may do. Sets from several sources
// are combined by AND.
type Rights uint

// The rights, each of them enforced on RFB messages except View and
// ClipboardOut, which let the display's picture and clipboard through.
const (
	View         Rights = 1 << iota // see the picture
	Keyboard                        // KeyEvent and the extended key event
	Pointer                         // PointerEvent, gii events
	ClipboardIn                     // viewer → display cut text
	ClipboardOut                    // display → viewer cut text
	Resize                          // SetDesktopSize
	Power                           // xvp shutdown, reboot, reset
)

// Names for sets that belong together.
const (
	Control   = View | Keyboard | Pointer
	Clipboard = ClipboardIn | ClipboardOut
	AllRights = Control | Clipboard | Resize | Power
)

var rightNames = []struct {
	name string
	set  Rights
}{
	{"view", View}, {"keyboard", Keyboard}, {"pointer", Pointer},
	{"clipboard-in", ClipboardIn}, {"clipboard-out", ClipboardOut},
	{"resize", Resize}, {"power", Power},
	{"control", Control}, {"clipboard", Clipboard}, {"all", AllRights},
}

// Has reports whether every right of want is in r.
func (r Rights) Has(want Rights) bool { return r&want == want }

// String lists the single rights, separated by commas: "view,keyboard".
func (r Rights) String() string {
	var names []string
	for _, n := range rightNames[:7] {
		if r.Has(n.set) {
			names = append(names, n.name)
		}
	}
	return strings.Join(names, ",")
}

// ParseRights reads the names of rights and of sets of them, as a policy
// writes them.
func ParseRights(names []string) (Rights, error) {
	var r Rights
	for _, name := range names {
		set, ok := rightNamed(name)
		if !ok {
			return 0, fmt.Errorf("auth: unknown right %q (there are: %s)", name, allRightNames())
		}
		r |= set
	}
	return r, nil
}

func rightNamed(name string) (Rights, bool) {
	for _, n := range rightNames {
		if n.name == name {
			return n.set, true
		}
	}
	return 0, false
}

func allRightNames() string {
	var b strings.Builder
	for i, n := range rightNames {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(n.name)
	}
	return b.String()
}
