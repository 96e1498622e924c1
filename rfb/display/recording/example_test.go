package recording_test

import (
	"fmt"
	"os"
	"path/filepath"
	"time"

	"vncgate/rfb"
	"vncgate/rfb/display/recording"
)

func Example() {
	dir, err := os.MkdirTemp("", "")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)

	init := rfb.ServerInit{Width: 2, Height: 1, Format: rfb.Format32(), Name: "desk"}
	r, err := recording.New(recording.Directory(dir), recording.Options{Name: "one", Init: init})
	if err != nil {
		fmt.Println(err)
		return
	}
	// What passes in a session, as it passes.
	_ = r.Viewer(rfb.AppendFramebufferUpdateRequest(nil, false, 0, 0, 2, 1))
	update := rfb.AppendRect(rfb.AppendFramebufferUpdate(nil, 1), 0, 0, 2, 1, rfb.EncodingRaw)
	_ = r.Display(append(update, 0, 0, 255, 0, 255, 0, 0, 0)) // red, blue
	r.Close("viewer left")
	<-r.Done()

	p, err := recording.Open(filepath.Join(dir, "one.fbs"), recording.OpenOptions{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer p.Close()
	head, err := p.At(time.Minute) // or where it ends
	if err != nil {
		fmt.Println(err)
		return
	}
	defer head.Close()
	fmt.Println(p.Meta().Name, head.Follower().Image().At(0, 0), head.Follower().Image().At(1, 0))
	// Output: desk {255 0 0 255} {0 0 255 255}
}
