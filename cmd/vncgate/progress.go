package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"golang.org/x/term"

	"vncgate/rfb/display/video"
)

// progressBar is one line on a terminal that is written anew as work goes on.
// Elsewhere it says nothing. It is for one goroutine.
type progressBar struct {
	out   io.Writer // nil: no terminal
	name  string
	width int
	begun time.Time
	first time.Duration // where the work began
	drawn time.Time
	any   bool
}

// progressEvery is how often the line is written.
const progressEvery = 200 * time.Millisecond

func newProgressBar(out io.Writer, name string, quiet bool) *progressBar {
	p := &progressBar{name: name, width: 80, begun: time.Now(), first: -1}
	f, ok := out.(*os.File)
	if quiet || !ok || !term.IsTerminal(int(f.Fd())) || os.Getenv("TERM") == "dumb" {
		return p
	}
	if width, _, err := term.GetSize(int(f.Fd())); err == nil && width > 0 {
		p.width = width
	}
	p.out = f
	return p
}

// tell draws the line, if it is time.
func (p *progressBar) tell(now video.Progress) {
	if p.first < 0 {
		p.first = now.At
	}
	if at := time.Now(); p.out != nil && at.Sub(p.drawn) >= progressEvery {
		p.drawn, p.any = at, true
		_, _ = io.WriteString(p.out, "\r"+p.line(now, at.Sub(p.begun))+"\x1b[K")
	}
}

// line is what is done, in so many columns as there are: how much of it, where it
// is, and how long it will still take if it goes on like this.
func (p *progressBar) line(now video.Progress, spent time.Duration) string {
	done, all := now.At-p.first, now.End-p.first
	text := fmt.Sprintf(" %s, %s", lasting(now.At), sizeText(now.Bytes))
	if all <= 0 {
		return p.name + text
	}
	share := min(max(float64(done)/float64(all), 0), 1)
	text = fmt.Sprintf(" %3.0f %% %s of %s, %s", 100*share, lasting(now.At), lasting(now.End), sizeText(now.Bytes))
	if share > 0.005 && spent > time.Second {
		text += ", " + lasting(time.Duration(float64(spent)*(1-share)/share)) + " left"
	}
	room := min(p.width-1-len([]rune(p.name+text))-3, 30)
	if room < 5 {
		return p.name + text
	}
	full := int(share * float64(room))
	return p.name + " [" + strings.Repeat("#", full) + strings.Repeat("-", room-full) + "]" + text
}

// end leaves the line.
func (p *progressBar) end() {
	if p.any {
		_, _ = io.WriteString(p.out, "\r\x1b[K")
	}
}

// lasting is a time in a recording: 4:05, 1:04:05.
func lasting(d time.Duration) string {
	s := int(d.Round(time.Second).Seconds())
	if s < 3600 {
		return fmt.Sprintf("%d:%02d", s/60, s%60)
	}
	return fmt.Sprintf("%d:%02d:%02d", s/3600, s/60%60, s%60)
}

// sizeText is a number of bytes: 812 kB, 3.1 MB.
func sizeText(n int64) string {
	value := float64(n)
	for _, unit := range []string{"B", "kB", "MB"} {
		if value < 1000 {
			if value < 10 && unit != "B" {
				return fmt.Sprintf("%.1f %s", value, unit)
			}
			return fmt.Sprintf("%.0f %s", value, unit)
		}
		value /= 1000
	}
	return fmt.Sprintf("%.1f GB", value)
}
