package display_test

import (
	"context"
	"fmt"

	"vncgate/rfb"
	"vncgate/rfb/display"
	"vncgate/rfb/rfbtest"
)

func ExampleSnapshot() {
	// What a display of 2×1 pixels sends when its screen is asked for.
	said := rfb.AppendFramebufferUpdate(nil, 1)
	said = rfb.AppendRect(said, 0, 0, 2, 1, rfb.EncodingRaw)
	said = append(said, 0, 0, 255, 0, 255, 0, 0, 0) // red, blue

	conn := &rfb.Conn{Conn: rfbtest.NewScript(said)} // of rfb.Client in life
	img, err := display.Snapshot(context.Background(), conn, rfb.ServerInit{Width: 2, Height: 1})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(img.At(0, 0), img.At(1, 0))
	// Output: {255 0 0 255} {0 0 255 255}
}
