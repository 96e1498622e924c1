package admin

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"vncgate/gateway"
	"vncgate/gateway/control"
)

// Shot is a picture of a display that is asked for.
type Shot struct {
	Target  string
	Size    string // WIDTHxHEIGHT to fit into; "": as it is
	Format  string // png or jpeg; "" is png
	Quality int    // of jpeg, 1 to 100; 0: the default
}

// Still is a picture that was taken.
type Still struct {
	Body []byte
	Type string    // media type
	At   time.Time // when the screen was like this
}

// stillTime is how long a picture is as good as a new one: those who ask again
// within it may be given the same.
const stillTime = 10 * time.Second

// maxSizeText bounds the text of a size.
const maxSizeText = 16

// screenshot sends a picture of a display. It shows what is on the screen, so it is
// not for those who only look after the gateway.
func (s *Server) screenshot(rw http.ResponseWriter, r *http.Request) {
	call, ok := s.Allow(rw, r, control.Operator)
	if !ok {
		return
	}
	shot, err := shotOf(r.PathValue("target"), r.URL.Query())
	if err != nil {
		fail(rw, err)
		return
	}
	if s.Screenshot == nil {
		fail(rw, &control.Error{Class: control.ClassGeneric, Err: control.ErrUnavailable, Desc: "no pictures are taken here"})
		return
	}
	if !s.enter() {
		tooMany(rw)
		return
	}
	defer func() { <-s.running }()
	ctx, cancel := context.WithTimeout(r.Context(), commandTime)
	defer cancel()
	picture, err := s.Screenshot(ctx, call, shot)
	if err != nil {
		failShot(rw, err)
		return
	}
	sendStill(rw, r, picture)
}

// sendStill lets a browser keep the picture for as long as it is good, and ask
// then whether there is another.
func sendStill(rw http.ResponseWriter, r *http.Request, picture Still) {
	left := max(stillTime-time.Since(picture.At), 0)
	sum := sha256.Sum256(picture.Body)
	h := rw.Header()
	h.Set("Content-Type", picture.Type)
	h.Set("ETag", fmt.Sprintf(`"%x"`, sum[:12]))
	h.Set("Cache-Control", "private, max-age="+strconv.Itoa(int(left.Seconds())))
	h.Add("Vary", "Authorization")
	h.Set("Content-Security-Policy", "default-src 'none'; sandbox")
	http.ServeContent(rw, r, "", picture.At, bytes.NewReader(picture.Body))
}

// shotOf reads what is asked for. The rest is for those who take the picture.
func shotOf(target string, q url.Values) (Shot, error) {
	shot := Shot{Target: target}
	for name, values := range q {
		value := values[0]
		if len(values) > 1 {
			return shot, control.Wrong("Parameter '%s' is there %d times", name, len(values))
		}
		switch name {
		case "size":
			if shot.Size = value; len(value) > maxSizeText {
				return shot, control.Wrong("Parameter 'size' is WIDTHxHEIGHT, such as 320x200")
			}
		case "format":
			if shot.Format = value; value != "png" && value != "jpeg" {
				return shot, control.Wrong("Parameter 'format' is png or jpeg")
			}
		case "quality":
			n, err := strconv.Atoi(value)
			if shot.Quality = n; err != nil || n < 1 || n > 100 {
				return shot, control.Wrong("Parameter 'quality' is from 1 to 100")
			}
		default:
			return shot, control.Wrong("Parameter '%s' is unexpected; there are size, format and quality", name)
		}
	}
	return shot, nil
}

// ErrCrowded is the error of Server.Screenshot where too many pictures are being
// taken.
var ErrCrowded = errors.New("admin: too many pictures are being taken")

func tooMany(rw http.ResponseWriter) {
	rw.Header().Set("Retry-After", "1")
	refuse(rw, http.StatusServiceUnavailable, control.ClassGeneric, "Too many pictures are being taken; try again in a moment.")
}

// failShot tells why there is no picture: that the display cannot be reached is
// nobody's fault here.
func failShot(rw http.ResponseWriter, err error) {
	var gone *gateway.Unreachable
	switch {
	case errors.Is(err, ErrCrowded):
		tooMany(rw)
	case errors.As(err, &gone):
		refuse(rw, http.StatusBadGateway, control.ClassGeneric, "The display has not let us in: "+gone.Err.Error())
	default:
		fail(rw, err)
	}
}

// shotOperation describes it.
func (d *description) shotOperation() object {
	op := d.asked("screenshot", "Take a picture of a display", "targets", object{})
	op["x-role"] = control.Operator.String()
	op["description"] = fmt.Sprintf("The whole screen as it is, without the pointer. Last-Modified says when it was so: a picture may be given out for up to %d s again, and ETag tells whether it is another. "+
		"The display is asked to share. While a viewer sees it, it is left alone (409), unless the session is followed anyway, or the configuration says screenshots: always; with screenshots: never there are none (403). "+
		"A display that is started for its viewers is not started for a picture (409). There is no command for this: a picture is no line of the control socket.", int(stillTime.Seconds()))
	picture := object{"schema": object{"type": "string", "format": "binary"}}
	op["responses"].(object)["200"] = object{"description": "the picture", "content": object{"image/png": picture, "image/jpeg": picture}}
	op["responses"].(object)["304"] = object{"description": "it is the picture that If-None-Match names"}
	op["parameters"] = []object{
		parameter("target", "path", true, object{"type": "string", "description": "name of the display"}),
		parameter("size", "query", false, object{"type": "string", "pattern": "^[0-9]{0,5}x[0-9]{0,5}$", "description": "what it is made to fit into, in proportion, never larger than it is: 320x200, 320x or x200"}),
		parameter("format", "query", false, object{"type": "string", "enum": []string{"png", "jpeg"}, "default": "png", "description": "of the file"}),
		parameter("quality", "query", false, object{"type": "integer", "minimum": 1, "maximum": 100, "description": "of JPEG"}),
	}
	return op
}
