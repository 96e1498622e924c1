package interop

import (
	"errors"
	"fmt"
	"image"
	"regexp"
	"sync"
	"testing"
)

// A mutedViewer looks at a display whose clipboard it may not have.
type mutedViewer struct {
	label string
	open  func(*scope, *ruled) (viewer, error)
	viewer
}

// mutedLib is libvncclient with an encoding, which may not work the display
// either.
func mutedLib(encoding string) *mutedViewer {
	return &mutedViewer{label: "libvncclient " + encoding, open: func(s *scope, g *ruled) (viewer, error) {
		return openLibVNC(s, g.at("view"), encoding+" copyrect")
	}}
}

func mutedTiger(encoding string) *mutedViewer {
	return &mutedViewer{label: "vncviewer " + encoding, open: func(s *scope, g *ruled) (viewer, error) {
		return openVNCViewer(s, g.at("mute"), "-RemoteResize=0", "-PreferredEncoding="+encoding)
	}}
}

// mutedPage is noVNC, which takes Tight, and JPEG in it where there are many
// colours.
func mutedPage() *mutedViewer {
	return &mutedViewer{label: "noVNC", open: func(s *scope, g *ruled) (viewer, error) {
		return openNoVNC(s, foreignPages.value.URL, g.enter(noVNC, "mute"))
	}}
}

// A mutedStage is a display with all who look at it.
type mutedStage struct {
	g     *ruled
	d     *display
	muted []*mutedViewer
	all   *lineViewer // may do everything
	// direct is at the display itself.
	direct viewer
	owner  *scope // of them all
}

func stageMuted(t *testing.T, d *display, muted ...*mutedViewer) *mutedStage {
	t.Helper()
	for _, kind := range []viewerKind{noVNC, vncViewer, libVNCClient} {
		kind.needs(t)
	}
	s := &mutedStage{d: d, muted: muted}
	s.g = startRuled(t, map[string]*display{"view": d, "mute": d, "all": d},
		map[string]string{"view": "allow=view", "mute": "allow=all deny=clipboard-out", "all": "allow=all"})
	owner := testScope(t)
	s.owner = owner
	if d.x == nil {
		s.comeByTurns(t)
		return s
	}
	var wg sync.WaitGroup
	errs := make([]error, len(muted)+2)
	for i, m := range muted {
		wg.Go(func() { m.viewer, errs[i] = m.open(owner, s.g) })
	}
	wg.Go(func() { s.all, errs[len(muted)] = openLibVNC(owner, s.g.at("all")) })
	wg.Go(func() { s.direct, errs[len(muted)+1] = openVNCViewer(owner, d.at) })
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	s.look(t)
	return s
}

// comeByTurns opens the viewers one after the other, as a QEMU wants it.
func (s *mutedStage) comeByTurns(t *testing.T) {
	t.Helper()
	want, err := s.d.picture()
	if err != nil {
		t.Fatal(err)
	}
	came := func(err error, label string, v viewer) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		comesToShow(t, label, v, want)
	}
	s.direct, err = openVNCViewer(s.owner, s.d.at)
	came(err, "direct", s.direct)
	s.all, err = openLibVNC(s.owner, s.g.at("all"))
	came(err, "all rights", s.all)
	for _, m := range s.muted {
		m.viewer, err = m.open(s.owner, s.g)
		came(err, m.label, m)
	}
}

// comesToShow waits until a viewer shows a picture.
func comesToShow(t *testing.T, label string, v viewer, want image.Image) {
	t.Helper()
	eventually(t, label+" shows the picture", func() error {
		img, err := v.picture()
		if err == nil {
			err = differ(img, want)
		}
		return err
	})
}

// look waits until all see what the display shows.
func (s *mutedStage) look(t *testing.T) {
	t.Helper()
	want, err := s.d.picture()
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range append([]*mutedViewer{{label: "direct", viewer: s.direct}, {label: "all rights", viewer: s.all}}, s.muted...) {
		comesToShow(t, v.label, v, want)
	}
}

// TestMutedOnX has viewers look at X displays in every encoding, while these
// paint and copy texts. They see all, and get none of the texts, which somebody
// beside them does get.
func TestMutedOnX(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		display   func(*testing.T) *display
		muted     []*mutedViewer
		encodings []string // that the display has used, in its own words
	}{
		{
			func(t *testing.T) *display { return newDesk(t, "muted") },
			[]*mutedViewer{
				mutedLib("tight"), mutedLib("zrle"), mutedLib("hextile"), mutedLib("raw"),
				mutedTiger("Tight"), mutedTiger("ZRLE"), mutedTiger("Hextile"), mutedTiger("Raw"), mutedPage(),
			},
			[]string{"Tight:", "ZRLE:", "Hextile:", "Raw:"},
		}, {
			newX11vnc,
			[]*mutedViewer{mutedLib("tight"), mutedLib("zrle"), mutedLib("hextile"), mutedLib("zlib"), mutedLib("raw"), mutedPage()},
			[]string{"tight ", "ZRLE ", "hextile ", "zlib ", "raw "},
		},
	} {
		d := tt.display(t)
		t.Run(d.label, func(t *testing.T) {
			t.Parallel()
			s := stageMuted(t, d, tt.muted...)
			texts := s.act(t)
			s.look(t)
			s.heardNothing(t, texts)
			s.owner.close()
			for _, encoding := range tt.encodings {
				eventually(t, "the display tells of "+encoding, func() error { return d.log.has(0, encoding) })
			}
		})
	}
}

// act has viewers of the picture alone try to work the display, and the display
// paint and copy. It returns the texts.
func (s *mutedStage) act(t *testing.T) (texts []string) {
	t.Helper()
	owner := testScope(t)
	xev, err := s.d.x.watchInput(owner)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range s.muted {
		if v, ok := m.viewer.(*lineViewer); ok {
			if err := errors.Join(v.press(keyX), v.click(at.X, at.Y), v.copyText(owner, "from "+m.label)); err != nil {
				t.Fatal(err)
			}
		}
	}
	for card := 2; card <= 4; card++ {
		text := fmt.Sprintf("text %d of %s", card, s.d.label)
		texts = append(texts, text)
		if err := s.all.click(10*card, 10); err != nil {
			t.Fatal(err)
		}
		if err := s.d.x.copyText(owner, text, s.d.clipboard); err != nil {
			t.Fatal(err)
		}
		eventually(t, "a viewer with the right to gets the text", func() error { return s.all.pastes(text) })
		if err := s.d.x.paint(owner, numberedCard(card)); err != nil {
			t.Fatal(err)
		}
	}
	s.d.x.slide(t, owner)
	for _, seen := range inputSeen(xev.log.String(), keyReturn) {
		if !clicked.MatchString(seen) {
			t.Errorf("the display saw %s", seen)
		}
	}
	return texts
}

// clicked matches the clicks of the viewer that may.
var clicked = regexp.MustCompile(`Button(Press|Release) event(.|\n)*root:\([234]0,10\)`)

// heardNothing fails the test for each viewer that has got a text.
func (s *mutedStage) heardNothing(t *testing.T, texts []string) {
	t.Helper()
	for _, m := range s.muted {
		for _, text := range texts {
			if m.viewer.(operator).pastes(text) == nil {
				t.Errorf("%s got %q", m.label, text)
			}
		}
	}
}

// slide moves a window across the display.
func (x *xserver) slide(t *testing.T, s *scope) {
	t.Helper()
	if _, err := start(s, "xlogo", x.command("xlogo", "-geometry", "120x120+10+10")); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the window is there", func() error {
		_, err := run(x.command("xdotool", "search", "--onlyvisible", "--class", "xlogo"))
		return err
	})
	for i := range 8 {
		step := fmt.Sprint(20 + 37*i)
		if _, err := run(x.command("xdotool", "search", "--class", "xlogo", "windowmove", step, step)); err != nil {
			t.Fatal(err)
		}
	}
}

// TestMutedOnQEMU looks at a machine that starts anew.
func TestMutedOnQEMU(t *testing.T) {
	t.Parallel()
	d := newQEMU(t)
	control := d.control()
	if err := control.freeze(d); err != nil {
		t.Fatal(err)
	}
	s := stageMuted(t, d, mutedLib("tight"), mutedLib("zrle"), mutedLib("hextile"), mutedLib("zlib"), mutedLib("raw"),
		mutedTiger("ZRLE"), mutedPage())
	if err := control.do(`{"execute":"system_reset"}`, `{"execute":"cont"}`); err != nil {
		t.Fatal(err)
	}
	if err := control.freeze(d); err != nil {
		t.Fatal(err)
	}
	s.look(t)
}
