package interop

import (
	"errors"
	"fmt"
	"image"
	"strings"
)

// An operator is a viewer whose keyboard, pointer and clipboard a test works.
type operator interface {
	viewer
	press(key) error
	click(x, y int) error
	copyText(s *scope, text string) error // into the viewer's clipboard
	pastes(text string) error             // an error while its clipboard is not text
}

// A key, as X names it, as a browser does and by its keysym.
type key struct {
	x, browser string
	keysym     int
}

var (
	keyX      = key{"x", "x", 0x78}
	keyReturn = key{"Return", "Enter", 0xff0d}
)

// shown is xev's word for the key.
func (k key) shown() string { return fmt.Sprintf("(keysym 0x%x, %s)", k.keysym, k.x) }

// vncviewer: by the X display it draws on.

func (v *tigerViewer) press(k key) error { return v.do("key", k.x) }

func (v *tigerViewer) click(x, y int) error {
	if err := v.moveTo(x, y); err != nil {
		return err
	}
	return v.do("click", "1")
}

func (v *tigerViewer) copyText(s *scope, text string) error {
	if err := v.do(); err != nil { // it offers its clipboard while it has the focus
		return err
	}
	return v.x.copyText(s, text, "clipboard")
}

func (v *tigerViewer) pastes(text string) error {
	if err := v.do(); err != nil {
		return err
	}
	return v.x.pastes(text, "clipboard")
}

// libvncclient and gtk-vnc: by their commands.

func (v *lineViewer) press(k key) error { return v.do("key %d", k.keysym) }

func (v *lineViewer) click(x, y int) error {
	return errors.Join(v.do("pointer %d %d 0", x, y), v.do("pointer %d %d 1", x, y), v.do("pointer %d %d 0", x, y))
}

func (v *lineViewer) copyText(_ *scope, text string) error { return v.do("cut %s", text) }

func (v *lineViewer) pastes(text string) error { return v.told("cut " + text) }

// noVNC: by the page.

func (p *page) press(k key) error { return p.do(nil, "key", map[string]any{"key": k.browser}) }

func (p *page) click(x, y int) error {
	return p.do(nil, "click", map[string]any{"x": x, "y": y})
}

// withClipboard runs a function on the text field of the page's clipboard. Our
// page has one only while the panel is open.
const withClipboard = `(async (use) => {
	const find = () => document.querySelector('#noVNC_clipboard_text, textarea[name=clipboard]');
	for (let i = 0; i < 200 && !find(); i++) {
		document.querySelector('[aria-label="Show toolbar"]')?.click();
		await new Promise((done) => setTimeout(done, 25));
		if (!find()) document.querySelector('button[aria-label="Clipboard"][aria-expanded="false"]')?.click();
		await new Promise((done) => setTimeout(done, 25));
	}
	return use(find());
})`

func (p *page) copyText(_ *scope, text string) error {
	return p.eval(nil, withClipboard+`((field) => {
		field.focus();
		field.value = %q;
		for (const kind of ['input', 'change']) field.dispatchEvent(new Event(kind, { bubbles: true }));
		field.blur();
	})`, text)
}

func (p *page) pastes(text string) error {
	var got string
	if err := p.eval(&got, withClipboard+"((field) => field.value)"); err != nil {
		return err
	}
	if got != text {
		return fmt.Errorf("the page's clipboard holds %q, not %q", got, text)
	}
	return nil
}

// cursor is how the page draws the display's cursor.
func (p *page) cursor() (string, error) {
	var style string
	if err := p.eval(&style, "[...document.querySelectorAll('canvas')].map(c => c.style.cursor).join()"); err != nil {
		return "", err
	}
	if !strings.Contains(style, "url(") {
		return "", fmt.Errorf("the page has no cursor of the display's: %q", style)
	}
	return style, nil
}

// at is where a click of the tests goes.
var at = image.Pt(200, 100)
