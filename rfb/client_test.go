package rfb_test

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"vncgate/rfb"
)

var plainFraming = rfb.ClientFraming{}

// clientMessages has each kind of client message once or more.
var clientMessages = []struct {
	name    string
	framing rfb.ClientFraming
	msg     string // as unhex reads it; "..." stands for zeros up to n
	n       int
}{
	{"SetPixelFormat", plainFraming, "00", 20},
	{"FixColourMapEntries", plainFraming, "01 00 0000 0002", 18},
	{"FixColourMapEntries, none", plainFraming, "01 00 0000 0000", 6},
	{"SetEncodings", plainFraming, "02 00 0003", 16},
	{"SetEncodings, none", plainFraming, "02 00 0000", 4},
	{"SetEncodings, most", plainFraming, "02 00 0200", 4 + 4*512},
	{"FramebufferUpdateRequest", plainFraming, "03", 10},
	{"KeyEvent", plainFraming, "04", 8},
	{"PointerEvent", plainFraming, "05 00", 6},
	{"PointerEvent, bit 7", plainFraming, "05 81", 6},
	{"PointerEvent, extended but few buttons", rfb.ClientFraming{ExtendedPointer: true}, "05 01", 6},
	{"PointerEvent, extended", rfb.ClientFraming{ExtendedPointer: true}, "05 81 000a 0014 02", 7},
	{"ClientCutText", plainFraming, "06 000000 00000005", 13},
	{"ClientCutText, empty", plainFraming, "06 000000 00000000", 8},
	{"ClientCutText, longest", plainFraming, "06 000000 01000000", 8 + 16<<20},
	{"ClientCutText, extended", plainFraming, "06 000000 fffffff8", 16},
	{"ClientCutText, extended caps", plainFraming, "06 000000 fffffffc", 12},
	{"SetScale", plainFraming, "08", 4},
	{"SetServerInput", plainFraming, "09", 4},
	{"SetSW", plainFraming, "0a", 6},
	{"TextChat", plainFraming, "0b 000000 00000003", 11},
	{"TextChat, open", plainFraming, "0b 000000 ffffffff", 8},
	{"TextChat, close", plainFraming, "0b 000000 fffffffe", 8},
	{"TextChat, finished", plainFraming, "0b 000000 fffffffd", 8},
	{"KeepAlive", plainFraming, "0d", 1},
	{"SetScaleFactor", plainFraming, "0f", 4},
	{"RequestSession", plainFraming, "14", 1},
	{"SetSession", plainFraming, "15", 2},
	{"NotifyPluginStreaming", plainFraming, "50", 4},
	{"FileListRequest", rfb.ClientFraming{Tight: true}, "82 00 0004", 8},
	{"FileDownloadRequest", rfb.ClientFraming{Tight: true}, "83 00 0004", 12},
	{"FileUploadRequest", rfb.ClientFraming{Tight: true}, "84 00 0004", 12},
	{"FileUploadData", rfb.ClientFraming{Tight: true}, "85 00 0008 0004", 10},
	{"FileUploadData, stored", rfb.ClientFraming{Tight: true}, "85 00 0008 0000", 6},
	{"FileUploadData, end", rfb.ClientFraming{Tight: true}, "85 00 0000 0000", 10},
	{"FileDownloadCancel", rfb.ClientFraming{Tight: true}, "86 00 0004", 8},
	{"FileUploadFailed", rfb.ClientFraming{Tight: true}, "87 00 0004", 8},
	{"FileCreateDir", rfb.ClientFraming{Tight: true}, "88 00 ffff", 4 + 65535},
	{"EnableContinuousUpdates", plainFraming, "96", 10},
	{"NTP", plainFraming, "a0", 20},
	{"Fence", plainFraming, "f8 000000 80000001 01 01", 10},
	{"Fence, longest", plainFraming, "f8 000000 80000001 40", 73},
	{"xvp", plainFraming, "fa 00 01 02", 4},
	{"SetDesktopSize", plainFraming, "fb 00 0780 0438 01 00", 24},
	{"SetDesktopSize, most screens", plainFraming, "fb 00 0780 0438 40 00", 8 + 16*64},
	{"gii, big-endian", plainFraming, "fd 81 0002", 6},
	{"gii, little-endian", plainFraming, "fd 01 0200", 6},
	{"SetMonitor", plainFraming, "fe", 4},
	{"QEMU key event", plainFraming, "ff 00 0001 00000061 0000001e", 12},
	{"QEMU audio on", plainFraming, "ff 01 0000", 4},
	{"QEMU audio off", plainFraming, "ff 01 0001", 4},
	{"QEMU audio format", plainFraming, "ff 01 0002 03 02 0000ac44", 10},
}

// whole returns the message padded with zeros to its length.
func whole(t testing.TB, msg string, n int) []byte {
	b := make([]byte, n)
	copy(b, unhex(t, msg))
	return b
}

func TestClientMessageLen(t *testing.T) {
	for _, tt := range clientMessages {
		t.Run(tt.name, func(t *testing.T) {
			msg := whole(t, tt.msg, tt.n)
			for _, behind := range []int{0, 1, 100} {
				n, err := tt.framing.Len(append(msg[:len(msg):len(msg)], make([]byte, behind)...))
				if n != tt.n || err != nil {
					t.Errorf("%d bytes, %v; want %d", n, err, tt.n)
				}
			}
			for cut := range min(len(msg), 100) {
				if n, err := tt.framing.Len(msg[:cut]); err != nil || n <= cut || n > tt.n {
					t.Errorf("at %d bytes of %d: %d, %v", cut, tt.n, n, err)
				}
			}
		})
	}
}

func TestUndelimitable(t *testing.T) {
	for _, in := range []string{
		"07", "0c", "0e", "10", "7f", "80", "f9", "fc", "82 00 0004", "85 00 0000 0000",
		"06 000000 ffffffff", "06 000000 fffffffd", "ff 02", "ff 01 0003", "ff 01 ffff",
	} {
		_, err := rfb.ClientFraming{}.Len(unhex(t, in))
		var unknown *rfb.UnknownMessage
		if !errors.As(err, &unknown) || unknown.Type != unhex(t, in)[0] || unknown.Error() == "" {
			t.Errorf("%s: %v", in, err)
		}
	}
	for _, in := range []string{
		"02 00 0201", "02 00 ffff", "06 000000 01000001", "06 000000 7fffffff",
		"06 000000 80000000", "06 000000 80000001", "0b 000000 00001001", "0b 000000 fffffffc",
		"f8 000000 00000000 41", "fb 00 0001 0001 41 00", "fd 80 2001", "fd 00 0120",
	} {
		_, err := rfb.ClientFraming{}.Len(unhex(t, in))
		var long *rfb.MessageTooLongError
		if !errors.As(err, &long) || long.Type != unhex(t, in)[0] || long.Error() == "" {
			t.Errorf("%s: %v", in, err)
		}
	}
}

func TestClientReader(t *testing.T) {
	var in []byte
	var want [][]byte
	in = rfb.AppendSetEncodings(in, rfb.EncodingExtendedMouseButtons)
	want = append(want, bytes.Clone(in))
	for _, tt := range clientMessages {
		if tt.framing.Tight || tt.n > 1<<16 {
			continue
		}
		msg := whole(t, tt.msg, tt.n)
		if tt.name == "PointerEvent, bit 7" { // under the list in force
			msg = append(msg, 0)
		}
		if tt.name == "SetEncodings, most" {
			msg = rfb.AppendSetEncodings(nil, rfb.EncodingExtendedMouseButtons)
		} else if strings.HasPrefix(tt.name, "SetEncodings") {
			continue
		}
		want = append(want, msg)
		in = append(in, msg...)
	}
	for _, r := range []io.Reader{bytes.NewReader(in), iotest.OneByteReader(bytes.NewReader(in)), iotest.DataErrReader(bytes.NewReader(in))} {
		messages := rfb.NewClientReader(r)
		for i := range want {
			got, err := messages.Next()
			if err != nil || !bytes.Equal(got, want[i]) {
				t.Fatalf("message %d: type %d, %d bytes, %v", i, want[i][0], len(got), err)
			}
		}
		if _, err := messages.Next(); err != io.EOF {
			t.Errorf("at the end: %v", err)
		}
	}
}

func TestClientReaderCutShort(t *testing.T) {
	r := rfb.NewClientReader(bytes.NewReader([]byte{6, 0, 0, 0, 0, 0xff, 0, 0, 1, 2, 3}))
	if _, err := r.Next(); err != io.ErrUnexpectedEOF {
		t.Error(err)
	}
}

// TestAppend pins what the append functions of both directions write.
func TestAppend(t *testing.T) {
	screen := rfb.Screen{ID: 7, W: 1920, H: 1080}
	for _, tt := range []struct {
		name string
		got  []byte
		want string
	}{
		{"SetPixelFormat", rfb.AppendSetPixelFormat(nil, rfb.Format32()), "00 000000 20 18 00 01 00ff 00ff 00ff 10 08 00 000000"},
		{"SetEncodings", rfb.AppendSetEncodings(nil, rfb.EncodingZRLE, rfb.EncodingExtendedClipboard), "02 00 0002 00000010 c0a1e5ce"},
		{"FramebufferUpdateRequest", rfb.AppendFramebufferUpdateRequest(nil, true, 1, 2, 3, 4), "03 01 0001 0002 0003 0004"},
		{"KeyEvent", rfb.AppendKeyEvent(nil, true, 0xff0d), "04 01 0000 0000ff0d"},
		{"QEMU KeyEvent", rfb.AppendQEMUKeyEvent(nil, true, 0x61, 0x1e), "ff 00 0001 00000061 0000001e"},
		{"PointerEvent", rfb.AppendPointerEvent(nil, 1, 10, 20), "05 01 000a 0014"},
		{"extended PointerEvent", rfb.AppendExtendedPointerEvent(nil, 1|1<<8, 10, 20), "05 81 000a 0014 02"},
		{"ClientCutText", rfb.AppendClientCutText(nil, "ä☃"), "06 000000 00000002 e4 3f"},
		{"clipboard caps", rfb.AppendClientClipboard(nil, rfb.ClipboardCapabilities(0)), "06 000000 fffffff8 1f000001 00000000"},
		{"clipboard request", rfb.AppendServerClipboard(nil, rfb.Clipboard{Flags: rfb.ClipboardRequest | rfb.ClipboardText}), "03 000000 fffffffc 02000001"},
		{"SetDesktopSize", rfb.AppendSetDesktopSize(nil, 1920, 1080, screen), "fb 00 0780 0438 01 00 00000007 0000 0000 0780 0438 00000000"},
		{"EnableContinuousUpdates", rfb.AppendEnableContinuousUpdates(nil, true, 0, 0, 1, 1), "96 01 0000 0000 0001 0001"},
		{"Fence", rfb.AppendFence(nil, rfb.FenceRequest|rfb.FenceBlockBefore, []byte{1}), "f8 000000 80000001 01 01"},
		{"xvp", rfb.AppendXvp(nil, rfb.XvpReboot), "fa 00 01 03"},
		{"FramebufferUpdate", rfb.AppendFramebufferUpdate(nil, 2), "00 00 0002"},
		{"Raw", rfb.AppendRect(nil, 1, 2, 3, 4, rfb.EncodingRaw), "0001 0002 0003 0004 00000000"},
		{"LastRect", rfb.AppendLastRect(nil), "0000 0000 0000 0000 ffffff20"},
		{"DesktopSize", rfb.AppendDesktopSize(nil, 1, 2), "0000 0000 0001 0002 ffffff21"},
		{"ExtendedDesktopSize", rfb.AppendExtendedDesktopSize(nil, rfb.ResizeByClient, rfb.ResizeInvalid, 1920, 1080, screen),
			"0001 0003 0780 0438 fffffecc 01 000000 00000007 0000 0000 0780 0438 00000000"},
		{"Cursor", rfb.AppendCursor(nil, 1, 2, 1, 1, []byte{1, 2, 3, 4}, []byte{0x80}), "0001 0002 0001 0001 ffffff11 01020304 80"},
		{"DesktopName", rfb.AppendDesktopName(nil, "x"), "0000 0000 0000 0000 fffffecd 00000001 78"},
		{"ExtendedKeyEvent", rfb.AppendExtendedKeyEventAck(nil), "0000 0000 0000 0000 fffffefe"},
		{"ExtendedMouseButtons", rfb.AppendExtendedMouseButtonsAck(nil), "0000 0000 0000 0000 fffffec4"},
		{"Bell", rfb.AppendBell(nil), "02"},
		{"ServerCutText", rfb.AppendServerCutText(nil, "hi"), "03 000000 00000002 6869"},
	} {
		if want := unhex(t, tt.want); !bytes.Equal(tt.got, want) {
			t.Errorf("%s: %x, want %x", tt.name, tt.got, want)
		}
	}
}

func TestParseScreens(t *testing.T) {
	want := []rfb.Screen{{ID: 1, X: 2, Y: 3, W: 4, H: 5, Flags: 6}, {ID: 7}}
	msg := rfb.AppendSetDesktopSize(nil, 9, 9, want...)
	if got := rfb.ParseScreens(msg[8:]); len(got) != 2 || got[0] != want[0] || got[1] != want[1] {
		t.Errorf("got %v", got)
	}
	if got := rfb.ParseScreens(make([]byte, 15)); len(got) != 0 {
		t.Errorf("got %v", got)
	}
}

func TestClipboard(t *testing.T) {
	msg := rfb.AppendClientClipboard(nil, rfb.ProvideText("one\ntwo ☃"))
	if n, err := plainFraming.Len(msg); n != len(msg) || err != nil {
		t.Fatalf("%d of %d, %v", n, len(msg), err)
	}
	c, ok := rfb.ParseClipboard(msg)
	if !ok {
		t.Fatal("no extended message")
	}
	if text, err := c.Text(100); err != nil || text != "one\ntwo ☃" {
		t.Errorf("%q, %v", text, err)
	}
	if _, err := c.Text(3); err == nil || !strings.Contains(err.Error(), "more than 3") {
		t.Errorf("a text that is too long: %v", err)
	}
	if _, err := (rfb.Clipboard{Flags: rfb.ClipboardRequest}).Text(100); err == nil {
		t.Error("a request provides text")
	}
	c.Body = c.Body[:5]
	if _, err := c.Text(100); err == nil {
		t.Error("half a text is a text")
	}
	if _, ok := rfb.ParseClipboard(rfb.AppendClientCutText(nil, "plain text")); ok {
		t.Error("a plain text is an extended message")
	}
	if text, ok := rfb.CutText(rfb.AppendServerCutText(nil, "grün")); !ok || text != "grün" {
		t.Errorf("%q, %v", text, ok)
	}
	if _, ok := rfb.CutText(msg); ok {
		t.Error("an extended message is a plain text")
	}
}

func FuzzClientMessageLen(f *testing.F) {
	for _, tt := range clientMessages {
		f.Add(unhex(f, tt.msg), tt.framing.ExtendedPointer, tt.framing.Tight)
	}
	f.Fuzz(func(t *testing.T, b []byte, extended, tight bool) {
		framing := rfb.ClientFraming{ExtendedPointer: extended, Tight: tight}
		n, err := framing.Len(b)
		if err != nil {
			return
		}
		if n <= 0 || n > 8+rfb.MaxClientCutText {
			t.Fatalf("length %d", n)
		}
		// Less of it never tells more, and a length once known stays.
		for cut := range min(len(b), 12) {
			k, err := framing.Len(b[:cut])
			if err != nil || k <= cut && k != n || k > cut && k > n && n > len(b) {
				t.Fatalf("%d at %d bytes, %v, and %d at %d", k, cut, err, n, len(b))
			}
		}
	})
}
