package recording

import (
	"image"
	"time"

	"golang.org/x/image/draw"

	"vncgate/rfb/display"
)

// Thumbnail returns a picture of the screen at about a time, within a square of
// side pixels: that of the keyframe before it, which is there at once, or where
// there is none, what it takes longer to draw.
func (r *Recording) Thumbnail(t time.Duration, side int) (*image.RGBA, error) {
	picture, err := r.near(t)
	if err != nil {
		return nil, err
	}
	return scaled(picture, side), nil
}

// near is a picture of about a time.
func (r *Recording) near(t time.Duration) (*image.RGBA, error) {
	var best *ref
	for i := range r.refs {
		if at := &r.refs[i]; at.kind == TypeKeyframe && at.at <= t && (best == nil || at.at >= best.at) {
			best = at
		}
	}
	if best != nil {
		b, _, err := r.keyframe(*best)
		if err == nil {
			picture, _, err := display.KeyframePicture(b)
			if err == nil {
				return picture, nil
			}
		}
	}
	p, err := r.At(t)
	if err != nil {
		return nil, err
	}
	defer p.Close()
	return p.Follower().Image(), nil
}

// scaled is a picture that is as large as side allows, and not larger than it was.
func scaled(img *image.RGBA, side int) *image.RGBA {
	size := img.Rect.Size()
	if longer := max(size.X, size.Y); longer > side {
		size = image.Pt(max(size.X*side/longer, 1), max(size.Y*side/longer, 1))
	}
	out := image.NewRGBA(image.Rectangle{Max: size})
	draw.ApproxBiLinear.Scale(out, out.Rect, img, img.Rect, draw.Src, nil)
	return out
}
