package rfb

// DisplayKind is a kind of a display's messages, as far as it is worth telling
// apart. Kinds are numbered from 0.
type DisplayKind uint8

// The kinds of messages. DisplayFileTransfer is all of UltraVNC's and Tight's,
// DisplayOther what else there is.
const (
	DisplayOther DisplayKind = iota
	DisplayFramebufferUpdate
	DisplaySetColourMapEntries
	DisplayBell
	DisplayCutText
	DisplayFileTransfer
	DisplayTextChat
	DisplayEndOfContinuousUpdates
	DisplayFence
	DisplayXvp
	DisplayGii
	DisplayQEMUAudio
	// DisplayKinds is how many there are.
	DisplayKinds
)

var displayKindNames = [DisplayKinds]struct{ name, right string }{
	{"other", "none"}, {"framebuffer_update", "view"}, {"set_colour_map_entries", "view"}, {"bell", "bell"},
	{"cut_text", "clipboard_out"}, {"file_transfer", "file_transfer"}, {"text_chat", "none"},
	{"end_of_continuous_updates", "view"}, {"fence", "view"}, {"xvp", "none"}, {"gii", "none"}, {"qemu_audio", "audio"},
}

// String is the kind's name: "framebuffer_update".
func (k DisplayKind) String() string { return displayKindNames[k].name }

// Right names the right that a viewer needs to get messages of the kind:
// "clipboard_out"; "none" where everybody gets them.
func (k DisplayKind) Right() string { return displayKindNames[k].right }

// displayKindOf is the kind by the type byte.
var displayKindOf = [256]DisplayKind{
	MsgFramebufferUpdate: DisplayFramebufferUpdate, MsgSetColourMapEntries: DisplaySetColourMapEntries, MsgBell: DisplayBell,
	MsgServerCutText: DisplayCutText, MsgTextChat: DisplayTextChat,
	MsgFileListRequest: DisplayFileTransfer, MsgFileDownloadRequest: DisplayFileTransfer,
	MsgFileUploadRequest: DisplayFileTransfer, MsgFileUploadData: DisplayFileTransfer,
	MsgEndOfContinuousUpdates: DisplayEndOfContinuousUpdates, MsgFence: DisplayFence, MsgXvp: DisplayXvp,
	MsgGii: DisplayGii, MsgQEMU: DisplayQEMUAudio,
}

// DisplayTally counts messages of displays by kind.
type DisplayTally struct {
	Passed, Dropped [DisplayKinds]uint64
}

// Add adds those of other.
func (t *DisplayTally) Add(other *DisplayTally) {
	for k := range t.Passed {
		t.Passed[k] += other.Passed[k]
		t.Dropped[k] += other.Dropped[k]
	}
}

// Tally returns how many messages have been let through and withheld, by kind.
// What is between the gateway and the display alone is not counted, and nothing
// is from where the display is no longer followed.
func (s *ServerFilter) Tally() (t DisplayTally) {
	dropped := s.tally.dropped.Load()
	for k := range t.Passed {
		t.Passed[k] = s.tally.passed.total[k].Load()
		if dropped != nil {
			t.Dropped[k] = dropped.total[k].Load()
		}
	}
	return t
}

// A Filter's tally has room for the kinds of displays, too.
var _ [MessageKinds - MessageKind(DisplayKinds)]struct{}
