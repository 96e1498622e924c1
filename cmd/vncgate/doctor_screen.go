package main

import (
	"context"
	"fmt"
	"image/png"
	"os"

	"vncgate/layers"
	"vncgate/rfb"
	"vncgate/rfb/display"
)

// look goes from the log-in that worked to the screen.
func (d *doctor) look(ctx context.Context, conn *rfb.Conn) {
	s := d.current
	s.Summary = "let in " + by(conn.Secured.Method)
	s.detail("method", conn.Secured.Method)
	s.detail("channel", layers.Describe(conn))
	d.done()
	init, err := d.serverInit(ctx, conn)
	if err != nil || d.screenshot == "" {
		return
	}
	d.takePicture(ctx, conn, init)
}

// serverInit says what the screen is like. Other viewers are left alone.
func (d *doctor) serverInit(ctx context.Context, conn *rfb.Conn) (rfb.ServerInit, error) {
	s := d.begin("screen")
	limited, cancel := d.limited(ctx)
	defer cancel()
	err := conn.WriteClientInit(limited, true)
	var init rfb.ServerInit
	if err == nil {
		init, err = conn.ReadServerInit(limited)
	}
	if err != nil {
		d.fail(noScreen(because(limited, err)))
		return init, err
	}
	s.Summary = fmt.Sprintf("%d×%d pixels, %q", init.Width, init.Height, init.Name)
	s.note("%s", formatText(init.Format))
	s.detail("width", init.Width)
	s.detail("height", init.Height)
	s.detail("name", init.Name)
	s.detail("format", formatText(init.Format))
	d.noteServer(init.Name)
	d.done()
	return init, nil
}

func noScreen(err error) error {
	if closed(err) {
		return newTrouble("it closes the connection right after the log-in",
			"On the other side: another viewer may have it for itself (x11vnc without -shared, TigerVNC with -NeverShared); its log says more.")
	}
	return newTrouble(err.Error(), "On the other side: its log says why.")
}

// formatText says what pixels look like: "32 bits, depth 24, little-endian, red 255<<16 …".
func formatText(f rfb.PixelFormat) string {
	order := "little-endian"
	if f.BigEndian {
		order = "big-endian"
	}
	text := fmt.Sprintf("%d bits a pixel, depth %d, %s", f.BitsPerPixel, f.Depth, order)
	if !f.TrueColour {
		return text + ", colour map"
	}
	return text + fmt.Sprintf(", red %d<<%d, green %d<<%d, blue %d<<%d", f.RedMax, f.RedShift, f.GreenMax, f.GreenShift, f.BlueMax, f.BlueShift)
}

// takePicture writes the screen to a file.
func (d *doctor) takePicture(ctx context.Context, conn *rfb.Conn, init rfb.ServerInit) {
	s := d.begin("screenshot")
	limited, cancel := d.limited(ctx)
	defer cancel()
	img, err := display.Snapshot(limited, conn, init)
	if err != nil {
		d.fail(newTrouble(err.Error(), "On the other side: it lets viewers in and sends no picture; its log says why. A large screen over a slow line takes longer: --timeout 1m."))
		return
	}
	f, err := os.Create(d.screenshot)
	if err == nil {
		err = png.Encode(f, img)
		if e := f.Close(); err == nil {
			err = e
		}
	}
	if err != nil {
		d.fail(newTrouble(err.Error()))
		return
	}
	size := img.Bounds().Size()
	s.Summary = fmt.Sprintf("%d×%d pixels in %s", size.X, size.Y, d.screenshot)
	s.detail("file", d.screenshot)
	s.detail("width", size.X) // it may have changed since ServerInit
	s.detail("height", size.Y)
	d.done()
}
