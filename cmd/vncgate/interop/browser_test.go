package interop

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"image"
	"image/png"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// A chromium runs pages for all tests, driven by testdata/browser.mjs.
type chromium struct {
	*process
	mu    sync.Mutex
	stdin io.Writer
	out   *json.Decoder
	pages int
}

var sharedChromium shared[*chromium]

func needChromium(t testing.TB) {
	t.Helper()
	need(t, "chromium", "chromium")
	need(t, "node", "nodejs")
	if _, err := os.Stat(filepath.Join(uiFolder(), "node_modules", "playwright-core")); err != nil {
		missing(t, "playwright-core", "run npm ci in web/ui")
	}
}

func uiFolder() string { return filepath.Join(moduleRoot(), "web", "ui") }

func theChromium(t testing.TB) *chromium {
	t.Helper()
	needChromium(t)
	return sharedChromium.get(t, startChromium)
}

func startChromium(s *scope) (*chromium, error) {
	browser, err := exec.LookPath("chromium")
	if err != nil {
		return nil, err
	}
	cmd := exec.Command("node", "testdata/browser.mjs", filepath.Join(uiFolder(), "package.json"), browser)
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	r, w, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	cmd.Stdout = w
	b := &chromium{stdin: stdin, out: json.NewDecoder(r)}
	b.process, err = start(s, "chromium", cmd)
	w.Close()
	s.onClose(func() { r.Close() })
	return b, err
}

// do runs one command and leaves its value in value, which may be nil.
func (b *chromium) do(value any, command map[string]any) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	line, err := json.Marshal(command)
	if err != nil {
		return err
	}
	if _, err := fmt.Fprintf(b.stdin, "%s\n", line); err != nil {
		return errors.Join(err, b.alive())
	}
	var answer struct {
		Value json.RawMessage
		Error string
	}
	if err := b.out.Decode(&answer); err != nil {
		return fatal{fmt.Errorf("%w: %s", err, b.log.tail(15))}
	}
	if answer.Error != "" {
		return fmt.Errorf("%v: %s", command["verb"], answer.Error)
	}
	if value == nil {
		return nil
	}
	return json.Unmarshal(answer.Value, value)
}

// A page is a viewer in the browser.
type page struct {
	browser *chromium
	name    string
}

// open shows url in a window of its own until the scope closes.
func (b *chromium) open(s *scope, url string, more map[string]any) (*page, error) {
	b.mu.Lock()
	b.pages++
	p := &page{b, fmt.Sprintf("page%d", b.pages)}
	b.mu.Unlock()
	command := map[string]any{"verb": "open", "page": p.name, "url": url}
	maps.Copy(command, more)
	s.onClose(func() { _ = p.do(nil, "close", nil) })
	return p, b.do(nil, command)
}

// do runs a command on the page.
func (p *page) do(value any, verb string, args map[string]any) error {
	command := map[string]any{"verb": verb, "page": p.name}
	for k, v := range args {
		command[k] = v
	}
	return p.browser.do(value, command)
}

// eval runs an expression in the page, a promise's value included.
func (p *page) eval(value any, script string, args ...any) error {
	return p.do(value, "eval", map[string]any{"script": fmt.Sprintf(script, args...)})
}

// says is an error while the page does not show text.
func (p *page) says(text string) error {
	var shown string
	if err := p.do(&shown, "text", nil); err != nil {
		return err
	}
	if !strings.Contains(shown, text) {
		return fmt.Errorf("the page does not say %q but %q", text, shown)
	}
	return nil
}

// picture is what the viewer has drawn.
func (p *page) picture() (image.Image, error) {
	var url string
	if err := p.do(&url, "picture", nil); err != nil {
		return nil, err
	}
	_, data, _ := strings.Cut(url, ",")
	b, err := base64.StdEncoding.DecodeString(data)
	if err != nil {
		return nil, err
	}
	return png.Decode(bytes.NewReader(b))
}
