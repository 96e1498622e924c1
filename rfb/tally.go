package rfb

import (
	"math"
	"math/bits"
	"sync/atomic"
)

// MessageKind is a kind of a viewer's messages, as far as it is worth telling
// apart. Kinds are numbered from 0.
type MessageKind uint8

// The kinds of messages. FileTransfer is all of UltraVNC's and Tight's, Other
// what else there is.
const (
	KindOther MessageKind = iota
	KindSetPixelFormat
	KindSetEncodings
	KindFramebufferUpdateRequest
	KindKeyEvent
	KindPointerEvent
	KindCutText
	KindFileTransfer
	KindTextChat
	KindEnableContinuousUpdates
	KindFence
	KindXvp
	KindSetDesktopSize
	KindGii
	KindQEMUKey
	KindQEMUAudio
	// MessageKinds is how many there are.
	MessageKinds
)

var kindNames = [MessageKinds]struct{ name, right string }{
	{"other", "none"}, {"set_pixel_format", "view"}, {"set_encodings", "view"}, {"framebuffer_update_request", "view"},
	{"key_event", "keyboard"}, {"pointer_event", "pointer"}, {"cut_text", "clipboard_in"}, {"file_transfer", "file_transfer"},
	{"text_chat", "clipboard_in"}, {"enable_continuous_updates", "view"}, {"fence", "view"}, {"xvp", "power"},
	{"set_desktop_size", "resize"}, {"gii", "pointer"}, {"qemu_key_event", "keyboard"}, {"qemu_audio", "audio"},
}

// String is the kind's name: "key_event".
func (k MessageKind) String() string { return kindNames[k].name }

// Right names the right that messages of the kind need: "keyboard". A message may
// be withheld for another reason, such as its length.
func (k MessageKind) Right() string { return kindNames[k].right }

// kindOf is the kind by the type byte.
var kindOf = [256]MessageKind{
	MsgSetPixelFormat: KindSetPixelFormat, MsgSetEncodings: KindSetEncodings, MsgFramebufferUpdateRequest: KindFramebufferUpdateRequest,
	MsgKeyEvent: KindKeyEvent, MsgPointerEvent: KindPointerEvent, MsgClientCutText: KindCutText, MsgTextChat: KindTextChat,
	MsgFileTransfer: KindFileTransfer, MsgFileListRequest: KindFileTransfer, MsgFileDownloadRequest: KindFileTransfer,
	MsgFileUploadRequest: KindFileTransfer, MsgFileUploadData: KindFileTransfer, MsgFileDownloadCancel: KindFileTransfer,
	MsgFileUploadFailed: KindFileTransfer, MsgFileCreateDir: KindFileTransfer,
	MsgEnableContinuousUpdates: KindEnableContinuousUpdates, MsgFence: KindFence, MsgXvp: KindXvp,
	MsgSetDesktopSize: KindSetDesktopSize, MsgGii: KindGii, MsgQEMU: KindQEMUAudio,
}

// Tally counts messages by kind.
type Tally struct {
	Passed, Dropped [MessageKinds]uint64
}

// Add adds those of other.
func (t *Tally) Add(other *Tally) {
	for k := range t.Passed {
		t.Passed[k] += other.Passed[k]
		t.Dropped[k] += other.Dropped[k]
	}
}

// tally is what a Filter or a ServerFilter counts. What a Write or a Cut has
// counted is published when it ends. Sessions are many, and most of them have nothing withheld: what counts
// that is there once it is needed.
type tally struct {
	passed  counts
	dropped atomic.Pointer[counts]
	changed uint32 // one bit for each kind
}

// counts are numbers by kind.
type counts struct {
	fresh [MessageKinds]uint16 // the Write's or Cut's own, not published yet
	total [MessageKinds]atomic.Uint64
}

func (t *tally) count(msg []byte, pass bool) {
	k := kindOf[msg[0]]
	if k == KindQEMUAudio && len(msg) > 1 && msg[1] == QEMUKeyEvent {
		k = KindQEMUKey
	}
	t.add(k, pass)
}

// add counts one of kind k, which may be a DisplayKind's number.
func (t *tally) add(k MessageKind, pass bool) {
	c := &t.passed
	if !pass {
		c = t.withheld()
	}
	c.fresh[k]++
	if c.fresh[k] == math.MaxUint16 {
		c.publish(k)
	}
	t.changed |= 1 << k
}

func (t *tally) withheld() *counts {
	c := t.dropped.Load()
	if c == nil {
		c = new(counts)
		t.dropped.Store(c)
	}
	return c
}

func (t *tally) publish() {
	dropped := t.dropped.Load()
	for ; t.changed != 0; t.changed &= t.changed - 1 {
		k := MessageKind(bits.TrailingZeros32(t.changed))
		t.passed.publish(k)
		if dropped != nil {
			dropped.publish(k)
		}
	}
}

func (c *counts) publish(k MessageKind) {
	if n := c.fresh[k]; n > 0 {
		c.fresh[k] = 0
		c.total[k].Add(uint64(n))
	}
}

// Tally returns how many messages have been let through and withheld, by kind.
// Those that are forwarded unread are not counted.
func (f *Filter) Tally() (t Tally) {
	dropped := f.tally.dropped.Load()
	for k := range t.Passed {
		t.Passed[k] = f.tally.passed.total[k].Load()
		if dropped != nil {
			t.Dropped[k] = dropped.total[k].Load()
		}
	}
	return t
}
