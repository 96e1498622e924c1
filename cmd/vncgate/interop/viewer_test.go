package interop

import (
	"bufio"
	"errors"
	"fmt"
	"image"
	"io"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// A viewer shows a display, until the scope it was opened in closes. Programs
// that take one picture and leave are run anew for each picture.
type viewer interface {
	picture() (image.Image, error)
}

// A viewerKind is a program that tests open viewers with.
type viewerKind struct {
	label         string
	debianSource  string // package that tells its version
	needs         func(testing.TB)
	open          func(*scope, endpoint) (viewer, error)
	choosesItself bool     // among what is offered, whatever the endpoint asks for
	lossy         bool     // its pictures are never quite the display's
	cannot        []string // security types of displays that it does not speak
}

// version tells which one is installed.
func (k viewerKind) version() string {
	if k.debianSource != "" {
		return debianVersion(k.debianSource)
	}
	return packagedNoVNC()
}

// sees waits until v shows want, and leaves both pictures behind if it never
// does.
func sees(t *testing.T, v viewer, want image.Image) image.Image {
	t.Helper()
	var got image.Image
	err := poll("the viewer shows the picture", func() (err error) {
		img, err := v.picture()
		if err != nil {
			return err
		}
		got = img
		return differ(got, want)
	})
	if err != nil {
		keepPictures(t, got, want)
		t.Fatal(err)
	}
	return got
}

// A lineViewer is a program that takes commands as lines and answers them, and
// tells of events in between (testdata/viewer.c, testdata/gtkviewer.py).
type lineViewer struct {
	*process
	dir     string
	mu      sync.Mutex // one command at a time
	stdin   io.Writer
	answers chan string
	shots   int
}

func startLineViewer(s *scope, name string, cmd *exec.Cmd) (*lineViewer, error) {
	dir, err := s.tempDir()
	if err != nil {
		return nil, err
	}
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	r, w := io.Pipe()
	cmd.Stdout = w
	v := &lineViewer{dir: dir, stdin: stdin, answers: make(chan string, 1)}
	if v.process, err = start(s, name, cmd); err != nil {
		return nil, err
	}
	go v.listen(r)
	go func() {
		<-v.done
		w.Close()
	}()
	return v, nil
}

// listen sorts what the program prints into answers and events, which go to
// the log. It ends with the program.
func (v *lineViewer) listen(r io.Reader) {
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		if strings.HasPrefix(lines.Text(), "event ") {
			fmt.Fprintln(&v.log, lines.Text())
			continue
		}
		v.answers <- lines.Text()
	}
	close(v.answers)
}

// do runs one command.
func (v *lineViewer) do(format string, args ...any) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	if _, err := fmt.Fprintf(v.stdin, format+"\n", args...); err != nil {
		return errors.Join(err, v.alive())
	}
	select {
	case answer, ok := <-v.answers:
		if !ok {
			return errors.Join(errors.New("no answer"), v.alive())
		}
		if answer != "ok" {
			return errors.New(answer)
		}
		return nil
	case <-time.After(patience):
		return fatal{fmt.Errorf("%s does not answer: %s", v.name, v.log.tail(15))}
	}
}

// told is an error while the program has not told of the event.
func (v *lineViewer) told(event string) error { return v.log.has(0, "event "+event) }

// lastEvent is what the last event of a kind said.
func (v *lineViewer) lastEvent(kind string) (string, error) {
	log := v.log.String()
	at := strings.LastIndex(log, "event "+kind+" ")
	if at < 0 {
		return "", errors.Join(fmt.Errorf("no event %s", kind), v.alive())
	}
	line, _, _ := strings.Cut(log[at:], "\n")
	return line, nil
}

func (v *lineViewer) picture() (image.Image, error) {
	if err := v.alive(); err != nil {
		return nil, err
	}
	v.shots++
	path := filepath.Join(v.dir, fmt.Sprintf("shot%d", v.shots))
	if err := v.do("shot %s", path); err != nil {
		return nil, err
	}
	return readPicture(path)
}

// compiled holds what gcc made of the C files of testdata.
var compiled struct {
	viewer, home shared[string]
}

// compileC builds one of them, on first use.
func compileC(t testing.TB, once *shared[string], source, output string, flags ...string) string {
	t.Helper()
	need(t, "gcc", "gcc")
	return once.get(t, func(s *scope) (string, error) {
		dir, err := s.tempDir()
		if err != nil {
			return "", err
		}
		path := filepath.Join(dir, output)
		args := append([]string{"-Wall", "-Wextra", "-Werror", "-O1", "-o", path, filepath.Join("testdata", source)}, flags...)
		_, err = run(exec.Command("gcc", args...))
		return path, err
	})
}
